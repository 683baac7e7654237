// Whose connection it is, where proxies are in front.

package handshake

import (
	"net/http"
	"strings"

	"barrage/edge/conn"
	"barrage/edge/proxy"
	"barrage/frame"
)

// request is the request that p begins with, behind the PROXY header of a proxy's
// connection; n == 0 without an error means that more bytes are needed.
func (d *Door) request(id conn.ID, p []byte) (req frame.Request, n int, err error) {
	skip, whole, err := d.proxyHeader(id, p)
	if err != nil || !whole {
		return req, 0, err
	}
	req, n, err = frame.ParseRequest(p[skip:])
	if n > 0 {
		n += skip
	}
	if err != nil && skip == 0 && proxy.Begins(p) {
		d.log.Warn("a connection begins with a PROXY header and was refused: nobody is believed one without proxy_protocol, and then only those whose address is in trusted_proxies",
			"address", d.loop.Remote(id).String())
	}
	return req, n, err
}

// proxyHeader takes note of what a PROXY header says, and returns its length; that is 0
// where none is expected. whole tells whether it is all there. It is read again with
// each piece of the request.
func (d *Door) proxyHeader(id conn.ID, p []byte) (n int, whole bool, err error) {
	if !d.cfg.Proxies.Protocol || d.loop.Taken(id) { // it was before the socket's first request
		return 0, true, nil
	}
	peer := d.loop.Peer(id)
	if !d.cfg.Proxies.Trusts(peer.Addr()) {
		return 0, true, nil
	}
	client, n, err := proxy.Cut(p)
	switch {
	case err != nil:
		d.log.Warn("a connection from trusted_proxies was refused: with proxy_protocol it must begin with a PROXY header",
			"proxy", peer.Addr().String(), "err", err)
		return 0, false, &frame.HTTPError{Status: http.StatusBadRequest, Reason: "bad or missing PROXY header"}
	case n == 0:
		return 0, false, nil
	case client.IsValid():
		d.loop.SetSource(id, client, false)
	default:
		d.loop.SetSource(id, peer, true)
	}
	return n, true, nil
}

// source finds out where a request comes from, if a proxy sent it, and returns the host
// that it asks for.
func (d *Door) source(id conn.ID, req *frame.Request) (host string, err error) {
	proxies := &d.cfg.Proxies
	if len(proxies.Trusted) == 0 {
		return req.Host, nil
	}
	// Who wrote the request: behind a PROXY header that is whom it names.
	from := d.loop.Source(id)
	if !proxies.Trusts(from.Addr()) {
		return req.Host, nil
	}
	client, host, err := proxies.Ask(req.Header)
	switch {
	case err != nil:
		d.log.Warn("a request from trusted_proxies was refused: its client_address_header has no address",
			"proxy", from.Addr().String(), "said", short(req.Header(string(proxies.Header))), "err", err)
		return "", &frame.HTTPError{Status: http.StatusBadRequest, Reason: "no address in the header " + string(proxies.Header) + " that the proxy sent"}
	case client.IsValid():
		d.loop.SetSource(id, client, false)
	case proxies.Header != "":
		d.log.Warn("a request from trusted_proxies does not say for whom it is, in the header that client_address_header names: max_connections_per_ip does not hold for it",
			"proxy", from.Addr().String(), "header", string(proxies.Header))
		d.loop.SetSource(id, from, true)
	case !proxies.Protocol: // nobody asked
		d.loop.SetSource(id, from, true)
	}
	if host == "" {
		host = req.Host
	}
	return host, nil
}

// checkOrigin refuses pages of others. The log says so, since behind a proxy that asks for
// another host than the viewer did that is every page.
func (d *Door) checkOrigin(id conn.ID, req *frame.Request, host string) error {
	// A browser names no origin where a page asks its own server for a stream.
	require := d.cfg.RequireOrigin && req.Header("Sec-Fetch-Site") != "same-origin"
	err := frame.CheckOrigin(req.Origin, host, d.cfg.AllowedOrigins, require)
	if err != nil && req.Origin != "" {
		d.log.Warn("a page was refused: its origin is not the host that was asked for, nor in allowed_origins. "+
			"If it is the server's own, a proxy asks for another host than the viewer: have it keep the Host header (nginx: proxy_set_header Host $http_host), "+
			"or send X-Forwarded-Host, and name its address in trusted_proxies",
			"origin", short(req.Origin), "host", short(host), "forwarded_host", short(req.Header("X-Forwarded-Host")), "address", d.loop.Remote(id).String())
	}
	return err
}

// short is what a log line has of a text that anybody may send.
func short(text string) string {
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

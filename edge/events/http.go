// Signed HTTP requests to backends, for webhooks and calls alike.

package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"barrage/internal/limits"
	"barrage/internal/outbound"
)

// HTTP says how backends are reached. It is copied and never changed afterwards.
type HTTP struct {
	// Secrets sign each request: one, or the old and the new one while backends
	// are being moved from one to the other. At least one, at most 4, of 16 bytes
	// or more.
	Secrets []string
	// Timeout bounds a request, from connecting to the last byte of the answer.
	Timeout time.Duration
	// Header is sent along: the backend's own authorization, for example.
	Header http.Header
	// Transport replaces the default one, for certificates of one's own and the
	// like. Default: package outbound's.
	Transport http.RoundTripper
}

// minSecret is the shortest secret worth the name.
const minSecret = 16

// maxHops bounds redirects.
const maxHops = 3

// Check tells what is wrong; the errors begin with prefix.
func (h *HTTP) Check(prefix string) error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("events: "+prefix+format, args...))
	}
	if n := len(h.Secrets); n < 1 || n > 4 {
		bad("Secrets: there are %d, want 1 to 4", n)
	}
	for i, s := range h.Secrets {
		if len(s) < minSecret {
			bad("Secrets: number %d has %d bytes, want %d or more", i+1, len(s), minSecret)
		}
	}
	errs = append(errs, limits.AtLeast("events: "+prefix+"Timeout", h.Timeout, time.Millisecond))
	return errors.Join(errs...)
}

// CheckURL tells whether backends can be asked by a URL. The error does not show it, as
// it may hold a password or a key.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("not an http or https URL")
	case u.Hostname() == "":
		return errors.New("a URL without a host")
	case u.Port() != "":
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
			return errors.New("a URL whose port is not 1 to 65535")
		}
	}
	return nil
}

// Client posts signed bodies. Any goroutine may use it.
type Client struct {
	http     http.Client
	fresh    http.Client // which has a connection for each request
	secrets  []string
	header   http.Header
	timeout  time.Duration
	repeated atomic.Uint64 // bodies sent once more
}

// NewClient keeps up to idle connections to each host. h has been checked.
func NewClient(h HTTP, idle int) *Client {
	fresh := h.Transport
	if h.Transport == nil {
		h.Transport, fresh = outbound.Transport(idle), outbound.Transport(0)
	}
	header := http.Header{}
	header.Set("User-Agent", "barrage")
	maps.Copy(header, h.Header.Clone())
	header.Set("Content-Type", "application/json")
	return &Client{
		http:    http.Client{Transport: h.Transport, CheckRedirect: sameHost},
		fresh:   http.Client{Transport: fresh, CheckRedirect: sameHost},
		secrets: append([]string(nil), h.Secrets...),
		header:  header,
		timeout: h.Timeout,
	}
}

// sameHost follows redirects that keep the method, and with it the body, to the
// same host, never from TLS to none: nobody else gets to see the body and the
// headers. Others become the answer.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxHops || req.Method != first.Method || req.URL.Host != first.URL.Host ||
		first.URL.Scheme == "https" && req.URL.Scheme != "https" {
		return http.ErrUseLastResponse
	}
	return nil
}

// Post sends body. The caller closes the response's body; ctx bounds reading it. With
// ids, by which the backend knows what it has had already, a body to which no byte of an
// answer came is sent once more, by a connection of its own: most likely the backend was
// just closing the one it went by, which had been idle.
func (c *Client) Post(ctx context.Context, url string, body []byte, ids bool) (*http.Response, error) {
	resp, silent, err := c.send(ctx, &c.http, url, body)
	if ids && silent && ctx.Err() == nil {
		c.repeated.Add(1)
		resp, _, err = c.send(ctx, &c.fresh, url, body)
	}
	return resp, err
}

// send sends body once. silent: it was sent, or may have been, and the connection ended
// before the first byte of an answer.
func (c *Client) send(ctx context.Context, by *http.Client, url string, body []byte) (resp *http.Response, silent bool, err error) {
	var connected, answered atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(httptrace.GotConnInfo) { connected.Store(true) },
		GotFirstResponseByte: func() { answered.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	req.Header = c.header.Clone()
	req.Header.Set(SignatureHeader, sign(c.secrets, body, time.Now()))
	resp, err = by.Do(req)
	return resp, err != nil && connected.Load() && !answered.Load(), err
}

// Repeated is how many bodies were sent once more.
func (c *Client) Repeated() uint64 { return c.repeated.Load() }

// Close closes idle connections.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.fresh.CloseIdleConnections()
}

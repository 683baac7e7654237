// Requests with a body, one after another on a socket.

package handshake

import (
	"net/http"
	"strings"

	"barrage/edge/conn"
	"barrage/frame"
)

// posting is a request whose body is not whole.
type posting struct {
	req      frame.Request
	host     string // that it asks for
	protocol *Spoken
	manner   manner
	body     *frame.Body
}

// postBytes is about what one takes beside its head and body.
const postBytes = 512

// idle tells whether a socket was served and has sent nothing since.
func (d *Door) idle(id conn.ID) bool {
	return d.loop.Taken(id) && d.heads[id] == nil && d.posts[id] == nil && d.held[id] == nil
}

// post checks the head of a request, and takes its body as far as it is there.
func (d *Door) post(id conn.ID, req *frame.Request, p *Spoken, rest []byte) error {
	if req.Method != p.method() {
		return &frame.HTTPError{Status: http.StatusMethodNotAllowed, Reason: "method not allowed", Header: "Allow: " + p.method() + ", OPTIONS\r\n"}
	}
	host, err := d.source(id, req)
	if err != nil {
		return err
	}
	if err := d.checkOrigin(id, req, host); err != nil {
		return err
	}
	d.manner.headers = d.cors(req)
	body, err := frame.NewBody(req, d.cfg.MaxBody)
	if err != nil {
		return err
	}
	d.posts[id] = &posting{*req, host, p, d.manner, body}
	if len(rest) == 0 && strings.EqualFold(req.Header("Expect"), "100-continue") {
		d.loop.Reply(id, []byte("HTTP/1.1 100 Continue\r\n\r\n"))
	}
	d.more(id, d.posts[id], rest)
	return nil
}

// more takes bytes of a body.
func (d *Door) more(id conn.ID, x *posting, p []byte) {
	d.manner = x.manner
	n, done, err := x.body.Feed(p)
	if err == nil && !done {
		d.loop.Holds(id, postBytes+x.req.Size()+cap(x.body.Bytes))
		return
	}
	delete(d.posts, id)
	d.loop.Holds(id, 0)
	if err == nil {
		err = d.whole(id, x, p[n:])
	}
	if err != nil {
		d.refuse(id, d.manner, conn.Refused, err)
	}
}

// whole has a request that is all there served, if it is somebody's who may ask.
func (d *Door) whole(id conn.ID, x *posting, rest []byte) error {
	if d.cfg.Node.Loops.Draining() {
		return d.unavailable("the server is stopping")
	}
	u := &d.upgrading
	*u = upgrade{protocol: x.protocol, manner: x.manner, host: x.host, origin: x.req.Origin, body: x.body.Bytes, rest: rest, keep: x.req.KeepsAlive() && !d.shares(id)}
	return d.admit(id, &x.req, u)
}

// shares tells whether a socket is of a proxy that may send several viewers' requests on it:
// what counts for the one must not count for the other.
func (d *Door) shares(id conn.ID) bool {
	proxies := &d.cfg.Proxies
	return proxies.Trusts(d.loop.Peer(id).Addr()) && (!proxies.Protocol || proxies.Header != "")
}

// serve has a request answered. Nothing is read meanwhile.
func (d *Door) serve(id conn.ID, u *upgrade) {
	kept := d.hold(id, u, d.cfg.Timeout+d.cfg.Node.Hooks.Longest())
	kept.ID = id
	kept.protocol.Serve(d.loop, &kept.Opening, kept.body, func(json []byte, err error) {
		d.loop.Do(func() {
			if d.held[id] == kept {
				d.loop.Guard(id, func() { d.served(id, kept, json, err) })
			}
		})
	})
	d.loop.Holds(id, postBytes+len(kept.rest)+len(kept.body))
}

// served sends an answer, and goes on with the client's next request.
func (d *Door) served(id conn.ID, u *upgrade, json []byte, err error) {
	d.release(id)
	status, headers, text := http.StatusOK, u.manner.headers+"Cache-Control: no-store\r\n", ""
	if err != nil {
		he := d.answerTo(err)
		status, headers, text = he.Status, headers+he.Header, he.Reason
		json = errorJSON(he, refusalCode(err))
	}
	u.manner.from(u.Identity)
	d.traced(id, u.manner, u.Rooms, status, refusalCode(err), text)
	if !u.keep || d.cfg.Node.Loops.Draining() {
		d.out = frame.AppendResponse(d.out[:0], status, contentJSON, headers, json)
		d.loop.GiveBack(id) // the client may come again before this socket is gone
		d.respond(id, status, conn.Served, d.cfg.CloseTimeout)
		return
	}
	d.statuses[status].Add(1)
	d.out = frame.AppendAnswer(d.out[:0], status, contentJSON, headers, json)
	if !d.loop.Reply(id, d.out) {
		d.loop.Respond(id, nil, conn.Served, d.cfg.CloseTimeout)
		return
	}
	if len(u.rest) > 0 {
		d.Data(id, u.rest)
	}
}

// Connections that begin without a request, and are opened as soon as they come.

package handshake

import (
	"net/http"
	"time"

	"barrage/edge/conn"
	"barrage/frame"
	"barrage/internal/refusal"
)

// Greet implements conn.Door.
func (d *Door) Greet(id conn.ID) { d.begin(id, nil) }

// begin opens a plain connection, behind its PROXY header if it is a proxy's.
func (d *Door) begin(id conn.ID, p []byte) {
	p = append(d.heads[id], p...)
	n, whole, err := d.proxyHeader(id, p)
	if err == nil && !whole {
		if len(p) > 0 {
			d.heads[id] = p
			d.loop.Holds(id, headBytes+cap(p))
		}
		return
	}
	delete(d.heads, id)
	d.loop.Holds(id, 0)
	if err == nil {
		err = d.letIn(id, p[n:])
	}
	if err != nil {
		d.refuse(id, manner{protocol: d.plain.Name}, conn.Refused, err)
	}
}

// letIn opens a plain connection. rest is what came behind its PROXY header.
func (d *Door) letIn(id conn.ID, rest []byte) error {
	if d.cfg.Node.Loops.Draining() {
		return d.unavailable("the server is stopping")
	}
	if peer := d.loop.Peer(id); !d.cfg.Proxies.Protocol && d.cfg.Proxies.Trusts(peer.Addr()) {
		d.loop.SetSource(id, peer, true) // it has no way to say for whom it connects
	}
	if err := d.mayCome(id); err != nil {
		return err
	}
	if err := d.take(id); err != nil {
		return err
	}
	u := &d.upgrading
	*u = upgrade{protocol: d.plain, manner: manner{protocol: d.plain.Name}, kind: d.plain.Plain, rest: rest}
	u.Encoding = d.plain.EncPlain
	return d.identify(id, new(frame.Request), u, "")
}

// sayBye refuses a plain connection in its protocol's words. he is what others would be
// told.
func (d *Door) sayBye(id conn.ID, reason conn.Reason, err error, he *frame.HTTPError) {
	passes := he.Status == http.StatusTooManyRequests || he.Status >= http.StatusInternalServerError
	no := refusal.Of(err)
	switch {
	case no != nil:
	case passes:
		no = refusal.Retry(he.Status, codeOfStatus(he.Status), he.Reason, byeWait)
	default:
		no = refusal.New(he.Status, codeOfStatus(he.Status), he.Reason)
	}
	code := codeOf(err, no)
	switch {
	case code != 0:
	case passes:
		code = conn.CodeTryAgain
	default:
		code = conn.CodePolicy
	}
	d.statuses[he.Status].Add(1)
	d.loop.TurnAway(id, d.plain.Plain, nil, d.plain.Farewell(code, no), code, no.Error(), reason)
}

// byeWait is how long who is refused by a full or stopping server stays away, at least.
const byeWait = 5 * time.Second

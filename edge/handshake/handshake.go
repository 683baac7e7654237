// Package handshake takes a socket from its first byte to an open connection, or to a
// page or a refusal: what proxies say of whose it is, the request's head, the checks of
// an upgrade, the limits of connections, the token, or what a backend says of it, and the wait for the broker.
//
// Bytes of an incomplete head, or of a PROXY header before it, wait in a small buffer.
// When the head is complete it is checked strictly and answered. The answer to an upgrade
// may have to wait: for the verdict on its token or a backend's, then, for protocols whose rooms are
// joined at once, until the broker brings the rooms' messages to this node. Whoever has
// been told "you are in" misses nothing.
//
// # Ownership
//
// A [Door] belongs to its loop's goroutine. The [Desk] they share is fixed before the
// loops run; its counters are atomic, or have a lock.
package handshake

import (
	"bytes"
	"cmp"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"barrage/edge/auth"
	"barrage/edge/auth/keyring"
	"barrage/edge/conn"
	"barrage/edge/node"
	"barrage/edge/paths"
	"barrage/edge/proxy"
	"barrage/edge/wait"
	"barrage/fanout"
	"barrage/frame"
	"barrage/internal/bounds"
	"barrage/internal/fair"
	"barrage/internal/quietlog"
)

// Page is an answer to a plain request.
type Page struct {
	Status      int // 0 is 200
	ContentType string
	Headers     string // lines, CRLF after each
	Body        []byte
}

// Spoken is a protocol with what it was given here: the indexes of its kinds, without
// and with permessage-deflate, and the encodings of its rooms' messages.
type Spoken struct {
	node.Protocol
	Plain, Deflated       int
	EncPlain, EncDeflated fanout.Encoding
	EncSmall              fanout.Encoding // EncDeflated for those with a small window
	EncBatched            fanout.Encoding
	Batches               bool // EncBatched is one
	Serve                 node.Serve
}

// Config is what New needs.
type Config struct {
	Node      *node.Node
	Protocols []Spoken
	// Page answers a request that is none of a protocol's; nil and no error: nothing is
	// there.
	Page func(frame.Request) (*Page, error)

	SocketPaths    paths.Set      // that stand for SocketPath, with a query
	Guest          *auth.Identity // of connections without a token
	GuestsToo      bool           // with Node.Tokens: those without a token are let in too
	DefaultRoom    string         // for requests that name none; "" refuses
	AllowedOrigins frame.Origins
	RequireOrigin  bool
	Keys           *keyring.Ring // that may be brought instead of tokens; nil: none
	TokenCookie    string        // that may have a token; "": none
	Proxies        proxy.Config
	Deflate        bool          // permessage-deflate for those who offer it
	MaxBody        int           // bytes of a request
	Timeout        time.Duration // for a token's check, and for a page to go out
	CloseTimeout   time.Duration
	Logger         *slog.Logger
}

// Desk is what the doors of a server share.
type Desk struct {
	cfg        Config
	guest      auth.Rights
	keyOrigins map[string]frame.Origins // by the key's name: pages that it is for
	log        *quietlog.Log            // of what clients do
	statuses   [600]atomic.Uint64
	told       *fair.Minute
	plain      *Spoken // connections without a request; nil: there are none
}

// New returns a server's desk.
func New(cfg Config) *Desk {
	d := &Desk{cfg: cfg, guest: cfg.Guest.Rights(), log: quietlog.New(cfg.Logger), told: fair.NewMinute(bounds.ToldPerMinute), keyOrigins: make(map[string]frame.Origins)}
	for i := range cfg.Protocols {
		if cfg.Protocols[i].Speaks != "" {
			d.plain = &cfg.Protocols[i]
		}
	}
	if cfg.Keys != nil {
		for _, k := range cfg.Keys.Keys() {
			d.keyOrigins[k.Name], _ = frame.ParseOrigins(k.Origins) // whoever configured them has checked
		}
	}
	return d
}

// Answered is how many requests were answered, by status; 101 is an upgrade.
func (d *Desk) Answered() map[string]uint64 {
	all := make(map[string]uint64)
	for status := range d.statuses {
		if n := d.statuses[status].Load(); n > 0 {
			all[strconv.Itoa(status)] = n
		}
	}
	return all
}

// Door implements conn.Door.
type Door struct {
	*Desk
	loop  *conn.Loop
	waits *wait.List
	heads map[conn.ID][]byte   // incomplete
	posts map[conn.ID]*posting // likewise, those with a body
	held  map[conn.ID]*upgrade // that wait
	out   []byte               // scratch

	upgrading upgrade // scratch
	manner    manner  // of the request at hand
}

// Attach returns a loop's door. waits are those of the loop.
func (d *Desk) Attach(l *conn.Loop, waits *wait.List) *Door {
	return &Door{Desk: d, loop: l, waits: waits, heads: make(map[conn.ID][]byte), posts: make(map[conn.ID]*posting), held: make(map[conn.ID]*upgrade)}
}

// headBytes is about what an incomplete head takes beside its bytes.
const headBytes = 128

// Data implements conn.Door: it collects a request head and answers it. A head that
// comes in very small pieces is looked at when there is another line of it: looking at
// it begins at its beginning.
func (d *Door) Data(id conn.ID, p []byte) {
	d.manner = manner{}
	if d.loop.Plain(id) {
		d.begin(id, p)
		return
	}
	if post := d.posts[id]; post != nil {
		d.more(id, post, p)
		return
	}
	head := d.heads[id]
	if head != nil {
		head = append(head, p...)
		if bytes.IndexByte(p, '\n') < 0 && len(head) < frame.MaxRequest {
			d.heads[id] = head
			d.loop.Holds(id, headBytes+cap(head))
			return
		}
		p = head
	}
	req, n, err := d.request(id, p)
	if err == nil && n == 0 {
		if head == nil {
			head = append(make([]byte, 0, min(2*len(p), frame.MaxRequest)), p...)
		}
		d.heads[id] = head
		d.loop.Holds(id, headBytes+cap(head))
		return
	}
	if head != nil {
		delete(d.heads, id)
		d.loop.Holds(id, 0)
	}
	if err == nil {
		err = d.route(id, &req, p[n:])
	}
	if err != nil {
		d.refuse(id, d.manner, conn.Refused, err)
	}
}

// route answers a request. rest is what came behind its head.
func (d *Door) route(id conn.ID, req *frame.Request, rest []byte) error {
	if err := d.cfg.readPath(req); err != nil {
		return err
	}
	protocol := d.protocol(req)
	if protocol != nil {
		d.manner.protocol = protocol.Name
	}
	if protocol != nil && protocol.speaksHTTP() {
		d.manner.json = true
		if req.Method == http.MethodOptions {
			return d.preflight(id, req, protocol)
		}
	} else if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return &frame.HTTPError{Status: http.StatusMethodNotAllowed, Reason: "method not allowed", Header: "Allow: GET, HEAD\r\n"}
	}
	switch {
	case protocol == nil:
	case protocol.Serve != nil:
		return d.post(id, req, protocol, rest)
	default:
		return d.upgrade(id, req, protocol, rest)
	}
	page, err := d.cfg.Page(*req)
	if err != nil {
		return err
	}
	if page == nil {
		return &frame.HTTPError{Status: http.StatusNotFound, Reason: "nothing is here"}
	}
	status := cmp.Or(page.Status, http.StatusOK)
	d.out = frame.AppendResponse(d.out[:0], status, page.ContentType, page.Headers, page.Body)
	if req.Method == http.MethodHead {
		d.out = d.out[:len(d.out)-len(page.Body)]
	}
	d.respond(id, status, conn.Served, d.cfg.Timeout) // a large page takes its time
	return nil
}

// protocol is the one that a request asks for, nil if its path is none of a protocol's.
func (d *Door) protocol(req *frame.Request) (plain *Spoken) {
	for i := range d.cfg.Protocols {
		switch p := &d.cfg.Protocols[i]; {
		case p.Path != req.Path:
		case p.Subprotocol == "":
			plain = p
		case req.Offers(p.Subprotocol):
			return p
		}
	}
	return plain
}

// respond sends what is in out as the last word, with a status.
func (d *Door) respond(id conn.ID, status int, reason conn.Reason, limit time.Duration) {
	d.statuses[status].Add(1)
	d.loop.Respond(id, d.out, reason, limit)
	if cap(d.out) > 64<<10 {
		d.out = nil // of a large page
	}
}

// Late implements conn.Door.
func (d *Door) Late(id conn.ID) {
	if u := d.held[id]; u != nil {
		d.release(id)
		d.refuse(id, u.manner, conn.Handshake, d.unavailable("it could not be done in time"))
		return
	}
	if d.idle(id) {
		d.loop.Respond(id, nil, conn.Served, d.cfg.CloseTimeout)
		return
	}
	limit := d.cfg.CloseTimeout
	if _, whole, _ := d.proxyHeader(id, d.heads[id]); !whole && d.posts[id] == nil {
		limit = 0 // nobody's request is behind that, who might still be sending it
	}
	d.refuseWithin(id, d.letGo(id), conn.Handshake, &frame.HTTPError{Status: http.StatusRequestTimeout, Reason: "no complete request in time"}, limit)
}

// Crowded implements conn.Door.
func (d *Door) Crowded(id conn.ID) {
	d.refuse(id, d.letGo(id), conn.Hoarding, d.unavailable("too many requests are unfinished"))
}

// Dismiss implements conn.Door.
func (d *Door) Dismiss(id conn.ID) {
	if d.idle(id) {
		d.loop.Respond(id, nil, conn.Drain, d.cfg.CloseTimeout)
		return
	}
	d.refuse(id, d.letGo(id), conn.Drain, d.unavailable("the server is stopping"))
}

// letGo forgets what there is of a request, and returns how it is answered.
func (d *Door) letGo(id conn.ID) (m manner) {
	delete(d.heads, id)
	if post := d.posts[id]; post != nil {
		m = post.manner
		delete(d.posts, id)
	}
	if u := d.held[id]; u != nil {
		m = u.manner
		d.release(id)
	}
	return m
}

// Closed implements conn.Door.
func (d *Door) Closed(id conn.ID) {
	delete(d.heads, id)
	delete(d.posts, id)
	if d.held[id] != nil {
		d.forget(id)
	}
}

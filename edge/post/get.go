// GET /push: what a device or an old back end can do that knows no POST.

package post

import (
	"cmp"
	"net/http"
	"strings"
	"unicode/utf8"

	"barrage/edge/conn"
	"barrage/edge/hooks"
	"barrage/edge/node"
	"barrage/edge/publish"
	v1 "barrage/edge/v1"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// GetPath is that of its requests.
const GetPath = "/push"

// GetProtocol is GET /push as a server knows it. A GET is nothing that should change
// anything: whatever follows links would publish. So only keys do that say so (get).
func GetProtocol() node.Protocol {
	return node.Protocol{Name: "push", Path: GetPath, Method: http.MethodGet, Rooms: node.ByDemand, Ask: askGet, Serve: serveGet}
}

// askGet reads the text of a request. A browser that fetches what might be wanted later
// says so.
func askGet(req *frame.Request, rooms []string) (any, error) {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz"} {
		if strings.Contains(strings.ToLower(req.Header(name)), "prefetch") {
			return nil, refusal.New(http.StatusForbidden, "forbidden", "a push is not to be fetched in advance")
		}
	}
	texts, err := req.Query("text")
	switch {
	case err != nil:
		return nil, err
	case len(rooms) != 1:
		return nil, refusal.New(http.StatusBadRequest, "bad_room", "a push goes to one room: the parameter room")
	case len(texts) != 1:
		return nil, refusal.New(http.StatusBadRequest, "bad_command", "a push has one parameter text")
	case !utf8.ValidString(texts[0]):
		return nil, refusal.New(http.StatusBadRequest, "bad_command", "text must be UTF-8")
	}
	return texts[0], broker.CheckPayload(broker.Text, []byte(texts[0]))
}

func serveGet(n *node.Node) node.Serve {
	return func(l *conn.Loop, o *conn.Opening, _ []byte, answer func([]byte, error)) {
		m, err := push(n, l, o)
		if err != nil {
			answer(nil, err)
			return
		}
		give(n, l, o, m, answer)
	}
}

// push checks what a request wants published.
func push(n *node.Node, l *conn.Loop, o *conn.Opening) (*broker.Publication, error) {
	n.Publisher.Received.Add(1)
	if k := o.Identity.Key; k == nil || !k.Get {
		return nil, refusal.New(http.StatusForbidden, "forbidden", "only a key that says so (get) may publish by GET")
	}
	m := &broker.Publication{Room: o.Rooms[0], Format: broker.Text, Payload: []byte(o.Asked.(string)), Via: o.Rights.Key(), From: l.From(o.ID)}
	if err := v1.CheckSize(n, m); err != nil {
		return nil, err
	}
	if err := n.Publisher.Allowed("", o.Rights, m.Room); err != nil {
		return nil, err
	}
	return m, takeRate(n, l, o, m)
}

// give has the broker take a message, and answers. A backend may have to allow it first.
func give(n *node.Node, l *conn.Loop, o *conn.Opening, m *broker.Publication, answer func([]byte, error)) {
	if !n.Hooks.AsksToPublish(m.Room) {
		put(n, m, answer)
		return
	}
	user, rights := o.Identity.User, o.Rights
	who := hooks.Who{User: user, Address: l.Network(o.ID), Conn: uint64(o.ID)}
	n.Hooks.Publish(who, m, func(change *hooks.Change, err error) {
		if err != nil {
			n.Publisher.Refused.Add(publish.Backend)
		} else {
			err = cmp.Or(n.Moderation.Revoked(rights), n.Publisher.Permits(user, rights, m.Room)) // that may have changed
		}
		if err != nil {
			answer(nil, err)
			return
		}
		if change != nil {
			m.Format, m.Payload = change.Format, change.Payload
		}
		put(n, m, answer)
	})
}

func put(n *node.Node, m *broker.Publication, answer func([]byte, error)) {
	if !n.Publisher.Try(m, func(got broker.Receipt, err error) {
		if err != nil {
			answer(nil, publish.Refusal(err))
			return
		}
		answer(v1.Published(&got, m.Single()), nil)
	}) {
		answer(nil, publish.Overloaded)
	}
}

// takeRate takes a message of the rate of whoever asks.
func takeRate(n *node.Node, l *conn.Loop, o *conn.Opening, m *broker.Publication) error {
	if ok, wait := l.Loops().TakePublish(l.PayerName(o.ID, o.Identity.User), len(m.Payload)); !ok {
		n.Publisher.Refused.Add(publish.Rate)
		return refusal.TooMany(publish.CodeRate, "the publish rate is used up", wait)
	}
	return nil
}

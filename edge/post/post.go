// Package post is POST /publish: what barrage.v1's command publish does, for clients that
// have no WebSocket, such as those of event streams. Its fields, rights, bounds and answers
// are that command's. The rate is that of a connection, but a user's, or an address's
// without one: a request would begin a new one.
package post

import (
	"net/http"
	"strconv"

	"barrage/edge/conn"
	"barrage/edge/node"
	v1 "barrage/edge/v1"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// Path is that of its requests.
const Path = "/publish"

// Protocol is POST /publish as a server knows it.
func Protocol() node.Protocol {
	return node.Protocol{Name: "post", Path: Path, Rooms: node.ByDemand, Ask: ask, Serve: serve}
}

// ask reads the key of a request: a string.
func ask(req *frame.Request, rooms []string) (any, error) {
	key := req.Header("Idempotency-Key")
	switch {
	case len(key) > broker.MaxKey:
		return nil, refusal.New(http.StatusBadRequest, "bad_key", "Idempotency-Key may have "+strconv.Itoa(broker.MaxKey)+" bytes")
	case len(rooms) > 1:
		return nil, refusal.New(http.StatusBadRequest, "too_many_rooms", "a publish goes to one room")
	}
	return key, nil
}

func serve(n *node.Node) node.Serve {
	return func(l *conn.Loop, o *conn.Opening, body []byte, answer func([]byte, error)) {
		m, err := publication(n, l, o, body)
		if err != nil {
			answer(nil, err)
			return
		}
		give(n, l, o, m, answer)
	}
}

// publication checks what a request wants published.
func publication(n *node.Node, l *conn.Loop, o *conn.Opening, body []byte) (*broker.Publication, error) {
	n.Publisher.Received.Add(1)
	room := ""
	if len(o.Rooms) == 1 {
		room = o.Rooms[0]
	}
	who := o.Identity
	m, err := v1.Publication(n, body, room, o.Asked.(string), who.User, o.Rights)
	if err != nil {
		return nil, err
	}
	m.From, m.NoEcho = l.From(o.ID), true
	m.Sender = broker.Sender{User: who.User, Name: who.Name, Avatar: who.Avatar}
	return m, takeRate(n, l, o, m)
}

// A toy protocol in one file: what a new protocol takes (docs/extending.md).

package edge_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/valyala/bytebufferpool"

	"barrage/edge"
	"barrage/edge/conn"
	"barrage/edge/edgetest"
	"barrage/edge/node"
	"barrage/edge/publish"
	"barrage/frame"
	"barrage/internal/broker"
)

// shout is the protocol: whoever speaks it gets lines in upper case, and what it says is
// published to the room it named.
func shout() node.Protocol {
	return node.Protocol{
		Name: "shout", Path: "/ws", Subprotocol: "shout", Rooms: node.AtOnce, Codec: upper{},
		Start: func(n *node.Node) func(*conn.Loop) conn.Protocol {
			return func(l *conn.Loop) conn.Protocol { return &shouting{node: n, loop: l} }
		},
	}
}

type shouting struct {
	conn.Silent
	node *node.Node
	loop *conn.Loop
}

func (p *shouting) Open(o *conn.Opening) {
	for _, room := range o.Rooms {
		p.loop.Join(o.ID, room, o.Encoding, false)
		p.loop.Arrive(nil, room)
	}
	o.Answer()
}

func (p *shouting) Message(r *conn.Read, _ bool, payload []byte) error {
	m := &broker.Publication{Room: p.loop.LastJoined(r.ID), Format: broker.Text, Payload: payload}
	if !p.node.Publisher.Try(m, nil) {
		p.loop.Write(r, r.ID, false, []byte(publish.Overloaded.Error()))
	}
	return nil
}

func (p *shouting) Farewell(r *conn.Read, id conn.ID, _ uint16, text string, _ time.Duration) {
	p.loop.Write(r, id, false, []byte("BYE: "+text+"\n"))
}

func (p *shouting) Closed(id conn.ID, _ conn.Reason) {
	p.loop.LeaveAll(id, nil, func(string) bool { return true })
}

type upper struct{}

func (upper) Message(buf *bytebufferpool.ByteBuffer, m *broker.Message) (binary bool, payload []byte) {
	buf.Write(bytes.ToUpper(m.Payload))
	buf.WriteByte('\n')
	return false, buf.Bytes()
}

// LeftOut implements delivery.Codec.
func (upper) LeftOut(*bytebufferpool.ByteBuffer, string, uint64) ([]byte, bool) { return nil, false }

func (upper) Gap(*bytebufferpool.ByteBuffer, string, *broker.Gap) ([]byte, bool) {
	return []byte("SOMETHING IS MISSING\n"), true
}

// TestToyProtocol: it shares rooms with the others, and the server looks after its
// connections.
func TestToyProtocol(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { c.Protocols = append(c.Protocols, shout()) })
	const ask = "Sec-WebSocket-Protocol: shout\r\n"
	loud, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=a", ask))
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Protocol") != "shout" {
		t.Fatalf("status %d, subprotocol %q", resp.StatusCode, resp.Header.Get("Sec-WebSocket-Protocol"))
	}
	raw := edgetest.Join(t, s, "/ws?room=a")
	edgetest.WantCount(t, s, "a", 0, 2)
	raw.Send(frame.Text, "hello")
	loud.Want(frame.Text, "HELLO\n")
	raw.Want(frame.Text, "hello")
	loud.Send(frame.Text, "can you hear me?")
	loud.Want(frame.Text, "CAN YOU HEAR ME?\n")
	raw.Want(frame.Text, "can you hear me?")
	s.Delivery.Lost("a", broker.Gap{Epoch: "e", From: 1, To: 2, Reason: broker.GapTrimmed})
	loud.Want(frame.Text, "SOMETHING IS MISSING\n")
	raw.Want(frame.Ping, "")
	loud.Send(frame.Ping, "x")
	loud.Want(frame.Pong, "x")
	if _, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws", ask)); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("without a room: status %d", resp.StatusCode)
	}
	if err := s.Moderation.CloseRoom(t.Context(), "b", ""); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Drain(t.Context(), 0) }() // ends with the test at the latest
	loud.Want(frame.Text, "BYE: server is stopping\n")
	edgetest.WaitFor(t, "all to leave", func() bool { return s.Stats().Connections == 0 })
}

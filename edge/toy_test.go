// A toy protocol in one file: what a new protocol takes (docs/extending.md).

package edge

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"barrage/edge/conn"
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

func (upper) Message(buf *bytes.Buffer, m *broker.Message) (binary bool, payload []byte) {
	buf.Write(bytes.ToUpper(m.Payload))
	buf.WriteByte('\n')
	return false, buf.Bytes()
}

func (upper) Gap(*bytes.Buffer, string, *broker.Gap) ([]byte, bool) {
	return []byte("SOMETHING IS MISSING\n"), true
}

// TestToyProtocol: it shares rooms with the others, and the server looks after its
// connections.
func TestToyProtocol(t *testing.T) {
	t.Parallel()
	s := startServer(t, func(c *Config) { c.protocols = append(protocols(), shout()) })
	const ask = "Sec-WebSocket-Protocol: shout\r\n"
	loud, resp := shake(t, s, upgradeRequest("/ws?room=a", ask))
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Protocol") != "shout" {
		t.Fatalf("status %d, subprotocol %q", resp.StatusCode, resp.Header.Get("Sec-WebSocket-Protocol"))
	}
	raw := join(t, s, "/ws?room=a")
	wantCount(t, s, "a", 0, 2)
	raw.send(frame.Text, "hello")
	loud.want(frame.Text, "HELLO\n")
	raw.want(frame.Text, "hello")
	loud.send(frame.Text, "can you hear me?")
	loud.want(frame.Text, "CAN YOU HEAR ME?\n")
	raw.want(frame.Text, "can you hear me?")
	s.Delivery.Lost("a", broker.Gap{Epoch: "e", From: 1, To: 2, Reason: broker.GapTrimmed})
	loud.want(frame.Text, "SOMETHING IS MISSING\n")
	raw.want(frame.Ping, "")
	loud.send(frame.Ping, "x")
	loud.want(frame.Pong, "x")
	if _, resp := shake(t, s, upgradeRequest("/ws", ask)); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("without a room: status %d", resp.StatusCode)
	}
	if err := s.Moderation.CloseRoom(t.Context(), "b", ""); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Drain(t.Context(), 0) }() // ends with the test at the latest
	loud.want(frame.Text, "BYE: server is stopping\n")
	waitFor(t, "all to leave", func() bool { return s.Stats().Connections == 0 })
}

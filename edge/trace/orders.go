// Orders and lines between nodes.

package trace

import (
	"bytes"
	"encoding/json"

	"barrage/internal/broker"
)

// order is one, as nodes tell each other.
type order struct {
	ID    string `json:"id"`
	Asker string `json:"asker"`
	Query
	End bool `json:"end,omitempty"`
}

// order gives one to all nodes. One that is lost is given again, or its time ends.
func (t *Tracing) order(o *order) {
	body, err := json.Marshal(o)
	if err != nil {
		return // it cannot be: there are texts and numbers in it
	}
	t.broker.TryPublish(&broker.Publication{Room: t.cfg.Control, Kind: KindOrder, Format: broker.JSON, Payload: body, Forget: true}, nil)
}

// Obey takes an order. It is called by the broker.
func (t *Tracing) Obey(m *broker.Message) {
	var o order
	if m.Room != t.cfg.Control || json.Unmarshal(m.Payload, &o) != nil || o.Asker == t.cfg.Node {
		return
	}
	if o.End {
		t.drop(o.ID)
		return
	}
	t.hold(o.ID, o.Asker, o.Query)
}

// send gives lines to whoever asked, here or on another node.
func (t *Tracing) send(x *trace, lines []byte) {
	if x.asker == t.cfg.Node {
		t.give(x.id, lines)
		return
	}
	for len(lines) > 0 {
		n := len(lines)
		if n > pieceBytes {
			n = 1 + bytes.LastIndexByte(lines[:pieceBytes], '\n') // a line is shorter
		}
		body := append([]byte(x.id+"\n"), lines[:n]...)
		if !t.broker.TryPublish(&broker.Publication{Room: RoomOf(x.asker), Kind: KindLines, Format: broker.Binary, Payload: body, Forget: true}, nil) {
			x.mu.Lock()
			x.lost += count(lines[:n])
			x.mu.Unlock()
			t.lost.Add(count(lines[:n]))
		}
		lines = lines[n:]
	}
}

// Heard takes lines of another node. It is called by the broker.
func (t *Tracing) Heard(m *broker.Message) {
	id, lines, _ := bytes.Cut(m.Payload, []byte("\n"))
	if m.Room == t.Room() {
		t.give(string(id), lines)
	}
}

func (t *Tracing) give(id string, lines []byte) {
	if len(lines) == 0 {
		return
	}
	t.mu.Lock()
	a := t.asked[id]
	t.mu.Unlock()
	if a != nil {
		t.lost.Add(a.add(lines))
	}
}

// count is how many lines there are.
func count(lines []byte) uint64 { return uint64(bytes.Count(lines, []byte("\n"))) }

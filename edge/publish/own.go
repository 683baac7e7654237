// Copies of what users write to users, for the other connections of whoever wrote.

package publish

import (
	"bytes"
	"encoding/json"
	"slices"

	"barrage/internal/broker"
)

// KindOwn is the kind of copies, which are messages of their writer's own room, in no history.
const KindOwn = "\x00own"

// own is a copy: what its message does not have of the one that it is of.
type own struct {
	ID     string        `json:"id"`
	To     string        `json:"to"`
	Device string        `json:"device,omitempty"` // of that user, if it was for one alone
	Kind   string        `json:"kind,omitempty"`
	Format broker.Format `json:"format"`
}

// OpenOwn returns the message that a copy is of, as far as it is told, and the user it was
// written to, with the device if it was for one alone; nil for what is none.
func OpenOwn(m *broker.Message) (of *broker.Message, to, device string) {
	var o own
	head, payload, ok := bytes.Cut(m.Payload, []byte("\n"))
	if !ok || json.Unmarshal(head, &o) != nil {
		return nil, "", ""
	}
	return &broker.Message{Room: m.Room, ID: o.ID, Time: m.Time, Sender: m.Sender, Kind: o.Kind, Format: o.Format, TTL: m.TTL, Payload: payload}, o.To, o.Device
}

// copies tells whether a message is copied: if a user writes to another one, and there is a
// connection that is to know it. What users write to themselves all of theirs get anyway.
func (s *Publisher) copies(p *broker.Publication) bool {
	to, direct := broker.UserOf(p.Room)
	return direct && p.FromClient() && p.Sender.User != "" && p.Sender.User != to && s.cfg.Copied()
}

// copy gives the other connections of whoever wrote a message a copy, at most once. p may be
// used after it.
func (s *Publisher) copy(p *broker.Publication, r broker.Receipt) {
	if r.Replayed {
		return
	}
	to, _ := broker.UserOf(p.Room)
	head, err := json.Marshal(own{r.ID, to, p.Device, p.Kind, p.Format})
	if err != nil {
		return // it cannot be: of texts and a number
	}
	s.cfg.Broker.TryPublish(&broker.Publication{
		Room: broker.UserRoom(p.Sender.User), Sender: p.Sender, From: p.From, TTL: p.TTL,
		Kind: KindOwn, Format: broker.Binary, Payload: slices.Concat(head, []byte("\n"), p.Payload), Forget: true,
	}, nil)
}

// The hooks of rooms: who joins, and what is published.

package hooks

import (
	"encoding/json"
	"sync"

	"barrage/internal/broker"
)

func matches(pattern, name string) bool { return broker.Match(pattern, name) }

// AsksToJoin tells whether somebody is asked who joins a room.
func (h *Hooks) AsksToJoin(room string) bool { return h != nil && h.join.of(room) != nil }

// AsksToPublish tells whether somebody is asked what is published to a room.
func (h *Hooks) AsksToPublish(room string) bool { return h != nil && h.publish.of(room) != nil }

// Join asks whether who may join rooms, of which those that nobody is asked about are
// allowed. done gets the first refusal.
func (h *Hooks) Join(who Who, name string, rooms []string, done func(error)) {
	var mu sync.Mutex // guards what follows
	left, refused := 1, error(nil)
	answered := func(err error) {
		mu.Lock()
		left--
		if refused == nil {
			refused = err
		}
		last, first := left == 0, refused
		mu.Unlock()
		if last {
			done(first)
		}
	}
	for _, room := range rooms {
		u := h.join.of(room)
		if u == nil {
			continue
		}
		mu.Lock()
		left++
		mu.Unlock()
		u.ask(who, marshal(struct {
			Hook string `json:"hook"`
			Room string `json:"room"`
			User string `json:"user,omitempty"`
			Name string `json:"name,omitempty"`
			Key  string `json:"key,omitempty"`
		}{KindJoin.String(), room, who.User, name, who.Key}), true, nil, func(_ any, err error) {
			answered(h.settle(KindJoin, &h.cfg.Join, Allowed, err))
		})
	}
	answered(nil)
}

// Publish asks what becomes of a message. done gets what is published instead, nil for the
// message itself, or a refusal. The message is not used after the call.
func (h *Hooks) Publish(who Who, m *broker.Publication, done func(*Change, error)) {
	u := h.publish.of(m.Room)
	if u == nil {
		done(nil, nil)
		return
	}
	format, data := dataOf(m)
	u.ask(who, marshal(struct {
		Hook   string          `json:"hook"`
		Room   string          `json:"room"`
		User   string          `json:"user,omitempty"`
		Name   string          `json:"name,omitempty"`
		Key    string          `json:"key,omitempty"`
		Conn   string          `json:"conn,omitempty"`
		Device string          `json:"device,omitempty"`
		Kind   string          `json:"kind,omitempty"`
		Format string          `json:"format"`
		Data   json.RawMessage `json:"data"`
	}{KindPublish.String(), m.Room, m.Sender.User, m.Sender.Name, m.Via, m.Sender.Conn, m.Device, m.Kind, format, data}), false, nil, func(answer any, err error) {
		change, _ := answer.(*Change)
		result := Allowed
		if change != nil {
			result = Changed
		}
		done(change, h.settle(KindPublish, &h.cfg.Publish, result, err))
	})
}

// settle counts what became of a question, and returns why it is refused: not for a
// backend that is away, if the rules say so.
func (h *Hooks) settle(k Kind, r *Rules, result Result, err error) error {
	if err != nil {
		result = resultOf(err)
	}
	if result == Away && r.Away == AwayAllow {
		result, err = Excused, nil
	}
	h.count(k, result)
	return err
}

// dataOf is a message's payload as events have it.
func dataOf(m *broker.Publication) (format string, data json.RawMessage) {
	switch m.Format {
	case broker.JSON:
		return "json", m.Payload
	case broker.Binary:
		return "binary", marshal(m.Payload)
	}
	return "text", marshal(string(m.Payload))
}

// Publishing in memory.

package memory

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"barrage/internal/broker"
)

// Publish implements Broker. It waits for nothing but its turn in the room.
func (m *Broker) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return broker.Receipt{}, fmt.Errorf("broker: publish: %w", err)
	}
	return m.publish(p)
}

// TryPublish implements Broker. done is called before it returns.
func (m *Broker) TryPublish(p *broker.Publication, done func(broker.Receipt, error)) bool {
	r, err := m.publish(p)
	if err != nil {
		return false
	}
	if done != nil {
		done(r, nil)
	}
	return true
}

func (m *Broker) publish(p *broker.Publication) (broker.Receipt, error) {
	r, err := m.publishIn(m.stripe(p.Room), p)
	m.evict() // without the lock: another stripe's may be needed
	return r, err
}

func (m *Broker) publishIn(s *stripe, p *broker.Publication) (broker.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return broker.Receipt{}, broker.ErrClosed
	}
	t := m.cfg.Now()
	now := m.age(t)
	scope := ""
	if p.Key != "" {
		scope = p.KeyScope()
		if r, ok := m.keys.get(keyID{p.Room, scope, p.Key}, now); ok {
			m.count.replays.Add(1)
			r.Replayed = true
			return r, nil
		}
	}
	var h *history
	if !p.Forget {
		h = m.open(s, p.Room, now)
	}
	number := m.number.Add(1)
	msg, key := m.message(p, h, number)
	msg.Time = t.UnixMilli()
	if h != nil {
		m.add(s, h, msg, number, now)
	}
	r := broker.Receipt{ID: msg.ID, Position: broker.Position{Epoch: msg.Epoch, Offset: msg.Offset}}
	r.Members = m.receiver.Deliver(msg)
	if key != "" {
		m.keys.put(keyID{msg.Room, scope, key}, r, now)
	}
	return r, nil
}

// message makes the next message of h, or one of no history if h is nil. Of p it
// keeps copies: all strings in one, so that a message is three allocations
// whatever it says, and none holds on to a larger text that it was cut from.
func (m *Broker) message(p *broker.Publication, h *history, number uint64) (msg *broker.Message, key string) {
	var onStack [512]byte
	b := append(onStack[:0], m.prefix...)
	b = strconv.AppendUint(b, number, 36)
	id := len(b)
	room := p.Room
	if h != nil {
		room = "" // the history has it
	}
	for _, s := range [...]string{p.Sender.User, p.Sender.Name, p.Sender.Avatar, p.Sender.Conn, p.Kind, p.Key, room} {
		b = append(b, s...)
	}
	all := string(b)
	cut := func(n int) string {
		s := all[:n]
		all = all[n:]
		return s
	}
	msg = &broker.Message{
		ID: cut(id),
		Sender: broker.Sender{
			User: cut(len(p.Sender.User)), Name: cut(len(p.Sender.Name)),
			Avatar: cut(len(p.Sender.Avatar)), Conn: cut(len(p.Sender.Conn)),
		},
		Kind:    cut(len(p.Kind)),
		Format:  p.Format,
		Confirm: p.Confirm,
		TTL:     p.TTL,
		Payload: make([]byte, len(p.Payload)),
	}
	copy(msg.Payload, p.Payload)
	key = cut(len(p.Key))
	msg.Room = cut(len(room))
	if h != nil {
		msg.Room, msg.Epoch, msg.Offset = h.room, h.epoch, h.head+1
	}
	return msg, key
}

// add puts a room's next message into its history.
func (m *Broker) add(s *stripe, h *history, msg *broker.Message, number uint64, now time.Duration) {
	for h.kept.n >= h.keep.Messages { // it may have been allowed more before
		m.dropOldest(h)
	}
	h.kept.push(kept{msg, now}, h.keep.Messages)
	h.head = msg.Offset
	h.touched = now
	h.bytes += size(msg)
	m.count.messages.Add(1)
	m.count.bytes.Add(size(msg))
	for h.bytes > m.cfg.MaxBytes {
		m.dropOldest(h) // one room alone must fit, or there would be nothing to evict
	}
	s.spoke(h, number)
}

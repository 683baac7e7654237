// Sampling: what a hot room leaves out.

package memory

import (
	"strconv"
	"strings"
	"time"

	"barrage/internal/broker"
	"barrage/internal/broker/sampling"
)

// sample tells whether a message is let through to its room, whose target is positive, and
// with it how many were left out before it that the room is to be told of.
func (s *stripe) sample(p *broker.Publication, target float64, now time.Time) (ok bool, tell uint64) {
	r := s.hot.Get(p.Room)
	if r == nil {
		r = new(sampling.Room)
		s.hot.Put(strings.Clone(p.Room), r)
	}
	return r.Admit(now.UnixMilli(), p.Speaker(), target)
}

// forgetIdle forgets the states of rooms in which nobody speaks.
func (s *stripe) forgetIdle(now int64) {
	var idle []string
	for room, r := range s.hot.All() {
		if r.Idle(now) {
			idle = append(idle, room)
		}
	}
	for _, room := range idle {
		s.hot.Delete(room)
	}
}

// leaveOut answers the publisher of a message that its room does not get.
func (m *Broker) leaveOut(p *broker.Publication, scope string, now time.Time, d *delivery) error {
	if p.Key != "" && !m.keys.Take(p.Owner(), m.age(now)) {
		return broker.SpentKeys(m.keys.Free(m.age(now)))
	}
	d.receipt = broker.Receipt{ID: m.prefix + strconv.FormatUint(m.number.Add(1), 36), Sampled: true}
	if p.Key != "" {
		d.first = m.keys.Put(keyID{strings.Clone(p.Room), scope, strings.Clone(p.Key)}, p.Owner(), d.receipt, m.age(now))
	}
	return nil
}

// leftOut is the message that tells how many messages were left out.
func (m *Broker) leftOut(of *broker.Message, n uint64) delivery {
	return delivery{message: &broker.Message{
		Room: of.Room, ID: m.prefix + strconv.FormatUint(m.number.Add(1), 36), Time: of.Time,
		Kind: broker.KindLeftOut, Format: broker.Text, Payload: strconv.AppendUint(nil, n, 10),
	}}
}

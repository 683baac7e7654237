// Messages for one connection, or for one device of a user.

package publish

import (
	"context"
	"slices"

	"barrage/edge/events"
	"barrage/internal/broker"
)

// bring is Publish for such a message.
func (s *Publisher) bring(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	got := make(chan broker.Receipt, 1)
	if !s.cfg.Courier.Send(p, func(r broker.Receipt, _ error) { got <- r }) {
		s.Refused.Add(Overload)
		return broker.Receipt{}, Refuse(broker.ErrOverloaded)
	}
	s.published.Add(1)
	select {
	case r := <-got:
		if p.Conn == "" && s.cfg.Events.Wants(events.Publish, p.Room) {
			kept := *p
			kept.Payload = slices.Clone(p.Payload)
			s.tell(&kept, r)
		}
		return r, nil
	case <-ctx.Done():
		return broker.Receipt{}, ctx.Err()
	}
}

// tryBring is Try for such a message.
func (s *Publisher) tryBring(p *broker.Publication, done func(broker.Receipt, error)) bool {
	if !s.cfg.Courier.Send(p, done) {
		s.Refused.Add(Overload)
		return false
	}
	s.published.Add(1)
	return true
}

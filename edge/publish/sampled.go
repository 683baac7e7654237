// Messages that hot rooms leave out: their senders see them.

package publish

import (
	"slices"
	"strings"
	"time"

	"barrage/internal/broker"
)

// Own is the message that its sender is to be shown if its room leaves it out
// (Receipt.Sampled); nil if that cannot be, or the sender wants no echo. It keeps nothing
// of p.
func (s *Publisher) Own(p *broker.Publication) *broker.Message {
	if p.NoEcho || !s.maySample(p) {
		return nil
	}
	return broker.Sanitize(&broker.Message{
		Room: strings.Clone(p.Room), Time: time.Now().UnixMilli(), Sender: p.Sender, Kind: strings.Clone(p.Kind),
		Format: p.Format, TTL: p.TTL, Payload: slices.Clone(p.Payload),
	})
}

// maySample tells whether a room may leave a message out.
func (s *Publisher) maySample(p *broker.Publication) bool {
	return p.Sampled() && s.cfg.Rules.Target(p.Room) > 0
}

// Sampled is how many messages that were published here hot rooms have left out.
func (s *Publisher) Sampled() uint64 { return s.sampled.Load() }

func (s *Publisher) countSampled(r broker.Receipt) {
	if r.Sampled && !r.Replayed {
		s.sampled.Add(1)
	}
}

func (s *Publisher) countingSampled(done func(broker.Receipt, error)) func(broker.Receipt, error) {
	return func(r broker.Receipt, err error) {
		s.countSampled(r)
		if done != nil {
			done(r, err)
		}
	}
}

package redisbridge

// Publishing one message and waiting for Redis; and what happens to a message in
// an outage.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"barrage/edge/broker"
)

// ownKeyAge is how long a message's own result is remembered, for the one
// repetition of a publish whose outcome was lost. It counts from the execution,
// so a freeze of Redis of any length does not matter.
const ownKeyAge = 10 * time.Second

// An outgoing message holds its envelope, so that the payload is copied once.
type outgoing struct {
	room   string
	number uint64
	id     string
	buf    *[]byte // envelope in no history: head, then body
	head   int
	done   func(broker.Receipt, error) // nil: nobody asks

	scripted bool             // through the script, with result; else PUBLISH
	history  broker.Retention // off: it takes no place
	seen     broker.Position  // how far the room has been delivered here
	keyed    bool             // with a key of the caller's
	result   string           // key that remembers the answer
	remember time.Duration

	// The outcome.
	err      error
	answer   broker.Receipt // of the script
	replayed bool
}

// prepare copies p.
func (b *Bridge) prepare(p *broker.Publication) (*outgoing, error) {
	if err := checkPublication(p); err != nil {
		return nil, err
	}
	m := &outgoing{room: strings.Clone(p.Room), number: b.number.Add(1), keyed: p.Key != "", remember: ownKeyAge}
	m.id = messageID(b.cfg.Node, m.number)
	if !p.Forget {
		m.history = b.cfg.Rules.For(p.Room)
		m.seen = b.position(p.Room)
	}
	// In a cluster the client repeats commands by itself.
	if m.scripted = m.history.On() || m.keyed || b.address.kind == cluster; m.scripted {
		m.result = b.names.result(p.Room, p.Sender.User, p.Key, m.id)
	}
	if m.keyed {
		m.remember = b.cfg.IdempotencyTTL
	}
	m.buf = b.buffers.get(32 + bodyLen(b.cfg.Node, p))
	*m.buf = appendEnvelope((*m.buf)[:0], time.Now().UnixMilli())
	m.head = len(*m.buf)
	*m.buf = appendBody(*m.buf, b.cfg.Node, m.number, p)
	return m, nil
}

// local is the message as the members here get it in an outage.
func (m *outgoing) local() *broker.Message {
	e, _ := parseEnvelope(string(*m.buf)) // prepare made it
	return e.message(m.room)
}

// Publish implements broker.Broker: it returns when Redis has executed the
// publish, at the latest after Config.Timeout.
//
// If Redis is out of reach and Config.Outage is OutageLocal, the members on this
// node get the message and the receipt says LocalOnly; members elsewhere get it
// only if Redis executes it later. With OutageRefuse the error wraps
// broker.ErrUnavailable. If ctx ends first, its error comes back and the message
// may be delivered or not.
func (b *Bridge) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return broker.Receipt{}, fmt.Errorf("redisbridge: publish: %w", err)
	}
	if !b.enter() {
		return broker.Receipt{}, broker.ErrClosed
	}
	defer b.calls.Done()
	m, err := b.prepare(p)
	if err != nil {
		return broker.Receipt{}, err
	}
	defer b.buffers.put(m.buf)
	if !b.health.usable.Load() {
		return b.insteadOfRedis(m)
	}
	b.ledger.begin(m.number)
	limited, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	b.client.publishAll(limited, []*outgoing{m}, false)
	return b.settle(ctx, m)
}

// settle makes the receipt of a publish that Redis was asked for.
func (b *Bridge) settle(ctx context.Context, m *outgoing) (broker.Receipt, error) {
	switch {
	case m.err == nil:
		b.ledger.settled(m.number)
		b.count.published.Add(1)
		r := m.answer // zero if it went without the script
		if r.ID == "" {
			r.ID = m.id
		}
		r.Replayed = m.replayed && m.keyed
		r.Members = b.receiver.Members(m.room)
		return r, nil
	case ctx.Err() != nil:
		// The caller gave up, which says nothing about Redis.
		b.ledger.settled(m.number)
		b.count.publishErrors.Add(1)
		return broker.Receipt{}, failure(ctx, "publish", m.err)
	case isOverload(m.err):
		b.ledger.settled(m.number)
		b.count.publishErrors.Add(1)
		return broker.Receipt{}, unavailable(m.err)
	}
	return b.unsettled(m)
}

// unsettled deals with a message whose publish failed while Redis was thought
// to work: it may have been executed, or still be.
func (b *Bridge) unsettled(m *outgoing) (broker.Receipt, error) {
	b.count.publishErrors.Add(1)
	b.failed(m.err)
	if b.cfg.Outage == OutageRefuse {
		b.ledger.settled(m.number)
		return broker.Receipt{}, unavailable(m.err)
	}
	r := broker.Receipt{ID: m.id}
	if pos, back := b.ledger.failed(m.number); back {
		r.Position = pos // only the acknowledgement was lost
		r.Members = b.receiver.Members(m.room)
		return r, nil
	}
	return b.deliverLocally(m), nil
}

// insteadOfRedis deals with a message during an outage: Redis is not even tried.
func (b *Bridge) insteadOfRedis(m *outgoing) (broker.Receipt, error) {
	if b.cfg.Outage == OutageRefuse {
		b.count.refused.Add(1)
		return broker.Receipt{}, b.down()
	}
	return b.deliverLocally(m), nil
}

func (b *Bridge) deliverLocally(m *outgoing) broker.Receipt {
	b.count.localOnly.Add(1)
	return broker.Receipt{ID: m.id, Members: b.deliver(m.local()), LocalOnly: true}
}

// down is why Redis is not tried.
func (b *Bridge) down() error {
	if err := b.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%w: the last publish failed", broker.ErrUnavailable)
}

// cutResult takes apart what the publish script remembers.
func cutResult(text string) (at stamp, epoch, id string, ok bool) {
	first, rest, _ := strings.Cut(text, " ")
	epoch, id, ok = strings.Cut(rest, " ")
	at, okAt := parseStamp(first)
	return at, epoch, id, ok && okAt && id != "" && (epoch == "") == (at.offset == 0)
}

// newEpoch names a history that may begin. 64 random bits are enough for one
// room's.
func newEpoch() string { return strconv.FormatUint(rand.Uint64(), 36) }

package redisbridge

// Publishing one message and waiting for Redis; and what happens to a message in
// an outage.

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker"
	"barrage/internal/fair"
)

// ownKeyAge is how long a message's own result is remembered, for the one
// repetition of a publish whose outcome was lost. It counts from the execution,
// so a freeze of Redis of any length does not matter.
const ownKeyAge = 10 * time.Second

// headRoom is kept before the body for the head of an envelope in no history. It
// has the time, and so is written when the message goes out.
const headRoom = 4 + len("0-") + 20 // the longest time

// An outgoing message holds its envelope, so that the payload is copied once. It
// is used again for another message (outgoingPool).
type outgoing struct {
	buf      []byte // from headRoom on the body
	envelope []byte // of a message in no history: the end of buf; nil before date

	room    string // the end of channel
	channel string
	number  uint64
	id      string                      // "" if neither asked nor scripted
	asked   bool                        // somebody wants the receipt
	done    func(broker.Receipt, error) // gets it; nil for Publish

	script   *redis.Script    // through it, with result; nil: PUBLISH
	history  broker.Retention // off: it gets no position
	seen     broker.Position  // how far the room has been delivered here
	keyed    bool             // with a key of the caller's
	keep     bool             // refused rather than delivered locally
	owner    fair.Owner       // of the key
	target   float64          // of hotScript: messages a second
	speaker  string           // likewise: who speaks
	tells    []byte           // likewise: the body of the message that tells what was left out
	result   string           // key that remembers the answer
	remember time.Duration

	// The outcome.
	err      error
	answer   broker.Receipt // of the script
	replayed bool
}

// prepare copies p.
func (b *Bridge) prepare(p *broker.Publication, asked bool, done func(broker.Receipt, error)) (*outgoing, error) {
	if err := checkPublication(p); err != nil {
		return nil, err
	}
	m := b.outgoing.get(headRoom + bodyLen(b.cfg.Node, p))
	m.number = b.number.Add(1)
	m.channel = b.names.message(p.Room)
	m.room = m.channel[len(m.channel)-len(p.Room):]
	m.asked, m.done = asked, done
	m.keyed, m.keep, m.remember = p.Key != "", p.Keep, ownKeyAge
	if !p.Forget {
		m.history = b.cfg.Retention(p.Room)
	}
	if m.history.On() {
		m.seen = b.position(p.Room)
	}
	// In a cluster the client repeats commands by itself.
	if m.history.On() || m.keyed || b.address.kind == cluster {
		m.script = publishScript
	}
	if _, mailbox := broker.UserOf(p.Room); mailbox && m.history.On() {
		m.script = mailboxScript
	}
	if p.Sampled() {
		m.target = b.cfg.Target(p.Room)
	}
	if m.target > 0 {
		m.script, m.speaker = hotScript, p.Speaker()
		m.tells = appendBody(nil, b.cfg.Node, b.number.Add(1), &broker.Publication{Kind: broker.KindLeftOut, Format: broker.Text})
	}
	if m.script != nil || m.asked {
		m.id = messageID(b.cfg.Node, m.number)
	}
	scope := ""
	if m.keyed {
		scope, m.remember, m.owner = p.KeyScope(), b.cfg.IdempotencyTTL, p.Owner()
	}
	if m.script != nil {
		m.result = b.names.result(p.Room, scope, p.Key, m.id)
	}
	m.buf = appendBody(m.buf[:headRoom], b.cfg.Node, m.number, p)
	return m, nil
}

// date gives the messages, which are about to go out, their time. With the
// script, Redis does.
func date(batch []*outgoing) {
	var space [headRoom]byte
	head := appendEnvelope(space[:0], time.Now().UnixMilli())
	start := headRoom - len(head)
	for _, m := range batch {
		copy(m.buf[start:], head)
		m.envelope = m.buf[start:]
	}
}

// local is the message as the members here get it in an outage.
func (m *outgoing) local() *broker.Message {
	e, _ := parseEnvelope(string(m.envelope)) // prepare and date made it
	msg := e.message(m.room)
	msg.Local = true
	return msg
}

// Publish implements broker.Broker: it returns when Redis has executed the
// publish, at the latest after Config.Timeout.
//
// If Redis is out of reach and Config.Outage is OutageLocal, the members on this
// node get the message and the receipt says LocalOnly; members elsewhere get it
// only if Redis executes it later. With OutageRefuse, or Publication.Keep, the
// error wraps broker.ErrUnavailable. If ctx ends first, its error comes back and the message
// may be delivered or not.
func (b *Bridge) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return broker.Receipt{}, fmt.Errorf("redisbridge: publish: %w", err)
	}
	if !b.enter() {
		return broker.Receipt{}, broker.ErrClosed
	}
	defer b.calls.Done()
	m, err := b.prepare(p, true, nil)
	if err != nil {
		return broker.Receipt{}, err
	}
	defer b.outgoing.put(m)
	batch := []*outgoing{m}
	date(batch)
	if !b.health.usable.Load() {
		return b.insteadOfRedis(m)
	}
	if r, again := b.repeated(m); again {
		return r, nil
	}
	b.inflight.begin(batch)
	defer b.inflight.end(batch)
	limited, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	b.client.publishAll(limited, batch, false)
	return b.receiptOf(ctx, m)
}

// receiptOf makes the receipt of a publish that Redis was asked for.
func (b *Bridge) receiptOf(ctx context.Context, m *outgoing) (broker.Receipt, error) {
	switch {
	case m.err == nil:
		b.count.published.Add(1)
		if !m.asked {
			return broker.Receipt{}, nil
		}
		r := m.answer // zero if it went without the script
		if r.ID == "" {
			r.ID = m.id
		}
		r.Replayed = m.replayed && m.keyed
		r.Members = b.receiver.Members(m.room)
		return r, nil
	case ctx.Err() != nil:
		// The caller gave up, which says nothing about Redis.
		b.count.publishErrors.Add(1)
		return broker.Receipt{}, failure(ctx, "publish", m.err)
	case replyCode(m.err) == "MAILBOXFULL":
		return broker.Receipt{}, fmt.Errorf("%w: room %s", broker.ErrMailboxFull, m.room)
	case isOverload(m.err):
		b.count.publishErrors.Add(1)
		return broker.Receipt{}, unavailable(m.err)
	}
	return b.afterFailure(m)
}

// afterFailure deals with a message whose publish failed while Redis was thought
// to work: it may have been executed, or still be.
func (b *Bridge) afterFailure(m *outgoing) (broker.Receipt, error) {
	b.count.publishErrors.Add(1)
	b.failed(m.err)
	b.wrote(trial{partition: b.names.partition(m.room), kept: m.history.On()}, m.err)
	if b.refuses(m) {
		return broker.Receipt{}, unavailable(m.err)
	}
	r := broker.Receipt{ID: m.id}
	if pos, back := b.inflight.failed(m.number); back {
		r.Position = pos // only the acknowledgement was lost
		r.Members = b.receiver.Members(m.room)
		return r, nil
	}
	return b.deliverLocally(m)
}

// insteadOfRedis deals with a message during an outage: Redis is not even tried.
func (b *Bridge) insteadOfRedis(m *outgoing) (broker.Receipt, error) {
	if b.refuses(m) {
		b.count.refused.Add(1)
		return broker.Receipt{}, b.down()
	}
	return b.deliverLocally(m)
}

// refuses tells whether the message is not to be delivered locally.
func (b *Bridge) refuses(m *outgoing) bool { return m.keep || b.cfg.Outage == OutageRefuse }

// down is why Redis is not tried.
func (b *Bridge) down() error {
	if err := b.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%w: the last publish failed", broker.ErrUnavailable)
}

// cutResult takes apart what the publish script remembers.
func cutResult(text string) (at stamp, epoch, id string, leftOut, ok bool) {
	first, rest, _ := strings.Cut(text, " ")
	epoch, id, ok = strings.Cut(rest, " ")
	id, leftOut = strings.CutSuffix(id, " "+leftOutMark)
	at, okAt := parseStamp(first)
	return at, epoch, id, leftOut, ok && okAt && id != "" && (epoch == "") == (at.offset == 0)
}

// keepBuffer is the largest buffer worth keeping. A kept one may carry a smaller
// message next, and the queue counts that one's bytes only.
const keepBuffer = 4 << 10

// An outgoingPool holds messages between publishes.
type outgoingPool struct{ pool sync.Pool }

func (p *outgoingPool) get(size int) *outgoing {
	m, ok := p.pool.Get().(*outgoing)
	if !ok {
		m = new(outgoing)
	}
	if cap(m.buf) < size {
		m.buf = make([]byte, 0, max(size, 256))
	}
	return m
}

func (p *outgoingPool) put(m *outgoing) {
	if cap(m.buf) > keepBuffer {
		return
	}
	*m = outgoing{buf: m.buf}
	p.pool.Put(m)
}

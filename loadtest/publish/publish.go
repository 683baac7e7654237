// Package publish sends a load test's messages to the target from outside, over
// HTTP or Redis, each at the time its schedule says.
//
// The load is open-loop: a message's stamp has the time at which it was due, and
// a publisher that is late sends it nevertheless, so that the delay counts as
// latency; how late it was at worst is recorded as lag. Messages of a lane go
// out one after another, in order. None is sent twice: what gets no answer is
// not tried again.
//
// A message is published when the target said so (an HTTP status of 2xx, a
// number from Redis). Any other is failed. Whether viewers get it is not known,
// so Failures tells which they are. All messages of a schedule are either.
//
// A stuck target cannot hold a test for ever: when the schedule has been over
// for ten seconds, what has not been sent by then is failed, too.
//
// New makes a Publisher, Check tries it, and Run may follow any number of times,
// one at a time, each on goroutines of its own that are gone when it returns.
// Stats is for any goroutine. Close after the last Run.
package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
	"barrage/loadtest/swarm"
)

// CheckRun is the run of Check's message.
const CheckRun stamp.Run = 0

const (
	defaultGrace   = 10 * time.Second // after the schedule's end
	defaultTimeout = 10 * time.Second // for one answer
)

// message is one to send, and what became of it.
type message struct {
	room, lane int
	seq        uint32
	due        int64
	err        error
}

// A sender sends messages over one connection. It belongs to one goroutine.
type sender interface {
	// send sends messages in order and sets their err. Their number is at
	// most burst.
	send(ctx context.Context, run stamp.Run, batch []message)
	burst() int
	// where is the address that messages to a room go to, without secrets.
	where(room int) string
	close()
}

// composer writes messages. It belongs to its sender's goroutine.
type composer struct {
	plan    *plan.Plan
	layout  *plan.Layout
	timeout time.Duration // for an answer
	payload []byte
}

// compose returns the room of a message and what is to be sent there.
func (c *composer) compose(run stamp.Run, m *message) (room string, body []byte) {
	c.payload = stamp.AppendMessage(c.payload[:0], run, stamp.Stamp{
		Due: m.due, Seq: m.seq, Lane: uint32(m.lane), Room: uint32(m.room),
	}, c.plan.Size)
	room = c.layout.RoomName(m.room)
	// A body of its own: after an early answer an HTTP transport may still read it.
	return room, c.plan.AppendPublishBody(nil, room, c.payload)
}

// Publisher publishes what a plan says.
type Publisher struct {
	senders []sender
	rooms   int
	grace   time.Duration

	current  atomic.Pointer[totals] // of the latest Run
	failures []swarm.Failure        // likewise; Run's goroutine, and then the caller of Run
}

// New returns a Publisher for a valid plan whose Publish is http or redis.
func New(p *plan.Plan, l *plan.Layout) (*Publisher, error) {
	// Who gives what is on its way long to arrive has a slow machine, such as an
	// emulated one.
	timeout := max(defaultTimeout, p.Drain/6)
	pub := &Publisher{rooms: l.Rooms(), grace: max(defaultGrace, p.Drain/6)}
	pub.current.Store(newTotals())
	for range p.Publishers {
		var s sender
		var err error
		c := composer{plan: p, layout: l, timeout: timeout}
		switch p.Publish {
		case plan.PublishHTTP:
			s, err = newHTTPSender(c)
		case plan.PublishRedis:
			s, err = newRedisSender(c)
		default:
			err = fmt.Errorf("publish: the plan publishes by %q", p.Publish)
		}
		if err != nil {
			return nil, err
		}
		pub.senders = append(pub.senders, s)
	}
	return pub, nil
}

// Check publishes one message of no test to the first room. Its error says
// which address answered what.
func (p *Publisher) Check(ctx context.Context) error {
	batch := []message{{due: time.Now().UnixNano()}}
	s := p.senders[0]
	s.send(ctx, CheckRun, batch)
	err := batch[0].err
	var answer *httpError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer) && answer.body != "":
		return fmt.Errorf("publish: %s: %w: %q", s.where(0), err, answer.body)
	}
	return fmt.Errorf("publish: %s: %w", s.where(0), plain(err))
}

// Run publishes all messages of a schedule and returns when every one has its
// outcome. now is the clock of the schedule, in nanoseconds. The error is that
// of ctx, or of the machine's.
func (p *Publisher) Run(ctx context.Context, run stamp.Run, s *plan.Schedule, now func() int64) error {
	if n := s.Layout.Rooms(); n != p.rooms {
		return fmt.Errorf("publish: the schedule has %d rooms, the plan %d", n, p.rooms)
	}
	totals := newTotals()
	p.current.Store(totals)
	limit := time.Duration(s.End()-now()) + p.grace
	bounded, cancel := context.WithTimeoutCause(ctx, limit, errBehind)
	defer cancel()

	workers := make([]*worker, len(p.senders))
	for i := range workers {
		a, err := newAlarm()
		if err != nil {
			return err
		}
		defer a.close()
		workers[i] = newWorker(p.senders[i], totals, run, s, now)
		workers[i].sleep = a.sleep
	}
	share(workers, s)
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() { w.run(bounded) })
	}
	wg.Wait() // each ends when its messages are sent, or bounded is over

	p.failures = gather(workers)
	if ctx.Err() != nil {
		return fmt.Errorf("publish: %w", context.Cause(ctx))
	}
	var errs []error
	for _, w := range workers {
		errs = append(errs, w.err)
	}
	return errors.Join(errs...)
}

// share deals the lanes out to the workers, those of one room to different ones.
func share(workers []*worker, s *plan.Schedule) {
	n := 0
	for room := range s.Layout.Rooms() {
		for lane := range s.Layout.Lanes(room) {
			workers[n%len(workers)].agenda.Add(room, lane, 0)
			n++
		}
	}
}

func gather(workers []*worker) (all []swarm.Failure) {
	for _, w := range workers {
		all = append(all, w.failures()...)
	}
	slices.SortFunc(all, func(a, b swarm.Failure) int {
		return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.Lane, b.Lane))
	})
	return all
}

// Failures are the failed messages of the latest Run, for a caller that has waited for its
// return, by room and lane; the spans of each are in order.
func (p *Publisher) Failures() []swarm.Failure { return p.failures }

// Stats is what became of the messages of the latest Run so far.
func (p *Publisher) Stats() Stats { return p.current.Load().stats() }

// Close closes the connections.
func (p *Publisher) Close() {
	for _, s := range p.senders {
		s.close()
	}
}

// The swarm as its users see it: calls that go to all workers.

package swarm

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"

	"barrage/frame"
	"barrage/loadtest/plan"
	"barrage/loadtest/probe"
	"barrage/loadtest/tally"
	"barrage/netpoll"
)

// Config is what a Swarm is made of.
type Config struct {
	Plan     plan.Plan    // valid
	From, To int          // connections From <= n < To of the plan
	Threads  int          // event loops; 0 is one for each two cores
	Now      func() int64 // nanoseconds of the controller's clock; any goroutine

	// Sign makes a user's token, on any goroutine; nil leaves it at the plan's.
	Sign func(user string) (string, error)
}

// Swarm is many viewers. See the package comment for who may call what.
type Swarm struct {
	cfg     Config
	layout  *plan.Layout
	workers []*worker
	greeter *plan.Greeter
	remotes []netip.AddrPort // of its targets, resolved once: a resolver is not under test
	fatal   chan error       // of loops; room for all
}

// New starts a swarm's loops; it dials nothing yet, but to choose among the addresses of
// a name.
func New(cfg Config) (*Swarm, error) {
	if cfg.Threads == 0 {
		cfg.Threads = max(1, runtime.GOMAXPROCS(0)/2)
	}
	cfg.Threads = max(1, min(cfg.Threads, cfg.To-cfg.From))
	s := &Swarm{cfg: cfg, layout: plan.NewLayout(&cfg.Plan), greeter: plan.NewGreeter(&cfg.Plan)}
	s.fatal = make(chan error, cfg.Threads)
	for _, t := range s.greeter.Targets {
		at, err := reach(net.DefaultResolver.LookupNetIP, t.Address)
		if err != nil {
			return nil, fmt.Errorf("swarm: target %s: %w", t.Address, err)
		}
		s.remotes = append(s.remotes, at)
	}
	if _, err := s.who(cfg.From, 0, true); err != nil { // as all others would be refused, too
		return nil, fmt.Errorf("swarm: %w", err)
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	for i := range cfg.Threads {
		w := newWorker(s, i, frame.NewKey(nonce))
		loop, err := netpoll.New(netpoll.Config{
			Tick:       10 * time.Millisecond,
			ReadBuffer: 1 << 20, // one read for all that has piled up
			OnFatal:    func(err error) { s.fatal <- err },
			OnPanic:    func(v any, stack []byte) { panic(fmt.Sprintf("%v\n%s", v, stack)) },
		}, w)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("swarm: %w", err)
		}
		// The loop's goroutine reads it; posting orders this write before.
		loop.Post(func() { w.start(loop) })
		s.workers = append(s.workers, w)
		w.stop = loop.Stop
		w.post = loop.Post
	}
	return s, nil
}

// who is a connection of the plan, with a token if it needs that now.
func (s *Swarm) who(number int, room uint32, token bool) (plan.Who, error) {
	who := s.greeter.Who(number, s.layout.RoomName(int(room)))
	if s.cfg.Sign == nil || !token {
		return who, nil
	}
	var err error
	who.Token, err = s.cfg.Sign(who.User)
	return who, err
}

// each has f run for every worker on its loop, and waits.
func (s *Swarm) each(f func(*worker)) {
	done := make(chan struct{}, len(s.workers))
	for _, w := range s.workers {
		w.post(func() {
			f(w)
			done <- struct{}{}
		})
	}
	for range s.workers {
		select {
		case <-done:
		case err := <-s.fatal:
			panic(fmt.Sprintf("swarm: an event loop has failed: %v", err)) // nothing can be measured any more
		}
	}
}

// Connect raises the number of connections wanted; they are opened in the
// background, at the plan's pace. Each is tried once.
func (s *Swarm) Connect(upto int) {
	s.each(func(w *worker) { w.connect(min(upto, s.cfg.To-s.cfg.From)) })
}

// Begin begins a window. All counting starts anew.
func (s *Swarm) Begin(win Window) {
	p := s.cfg.Plan
	p.Rate, p.Duration = win.Rate, win.Duration
	layout := plan.NewLayout(&p)
	s.each(func(w *worker) { w.begin(win, plan.NewSchedule(win.Start, layout)) })
}

// Storm drops every open connection and dials it again until it is back.
func (s *Swarm) Storm() { s.each((*worker).storm) }

// Snapshot returns the present state.
func (s *Swarm) Snapshot() Snapshot {
	sum := Snapshot{At: s.cfg.Now(), Failures: map[string]uint64{}, ClosedBy: map[string]uint64{}, Latency: tally.NewHistogram()}
	parts := make([]Snapshot, len(s.workers))
	s.each(func(w *worker) { parts[w.index] = w.snapshot() })
	for i := range parts {
		sum.Add(&parts[i])
	}
	sum.CPU = probe.Self()
	return sum
}

// Finish ends the window: whatever has not come is missing, except what failed
// to be published. The result's Counts are final.
func (s *Swarm) Finish(failed []Failure) Snapshot {
	byLane := make(map[laneID][]tally.Span, len(failed))
	for _, f := range failed {
		byLane[laneID{uint32(f.Room), uint32(f.Lane)}] = f.Spans
	}
	s.each(func(w *worker) { w.finish(byLane) })
	return s.Snapshot()
}

// Close drops everything and ends the loops.
func (s *Swarm) Close() {
	for _, w := range s.workers {
		w.post(func() { w.talk.timer.Stop() })
		w.stop()
	}
}

// What the loops of a server share, and their life.

package conn

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"barrage/fanout"
	"barrage/netpoll"
)

// Config holds what the loops need. Nothing has a default: edge.Config's documents
// the settings.
type Config struct {
	Node     string // begins the names of connections
	Loops    int
	Hub      *fanout.Hub
	Observer Observer

	MaxConnections int
	MaxSockets     int
	MaxPerIP       int // 0 is no limit
	IPv6Prefix     int // bits of an IPv6 address that count
	MaxQueue       int // bytes queued for one peer before it is closed
	MaxUnread      int // bytes queued for all peers before the one with the most is closed
	// UnfinishedBytes bounds what all messages and requests that have not ended hold; each
	// loop has its part.
	UnfinishedBytes int

	HandshakeTimeout time.Duration
	FrameTimeout     time.Duration
	PingInterval     time.Duration
	PingTimeout      time.Duration
	CloseTimeout     time.Duration
	SlowTimeout      time.Duration // 0 is never
	CloseSlow        bool          // a connection that was skipped is closed
	PublishRate      float64
	PublishBurst     int
	PublishBytes     int // a second; 0 is no limit
	Tick             time.Duration

	Logger  *slog.Logger
	OnFatal func(error)
}

// Loops are the event loops of a server. Its methods may be called from any
// goroutine.
type Loops struct {
	Users *UserIndex // clients that take messages to their user

	cfg         Config // fixed
	start       time.Time
	publishRate Rate
	publishes   *Payers // what is published without a connection
	addresses   addressLimit

	all      []*Loop     // complete once started
	started  atomic.Bool // all is complete
	draining atomic.Bool

	serial     atomic.Uint64 // names connections
	open       atomic.Int64  // connections of a kind, and those about to be
	sockets    atomic.Int64
	clients    atomic.Int64
	own        atomic.Int64 // of them, those of Loop.SetOwn
	ownBegins  chan struct{}
	unfinished atomic.Int64 // bytes, of all loops
	pings      atomic.Uint64
	closed     [numReasons]atomic.Uint64
	early      [numReasons]atomic.Uint64 // those that never were of a kind
}

// NewLoops returns a server's loops, none of which runs yet.
func NewLoops(cfg Config) *Loops {
	rate := NewRate(cfg.PublishRate, cfg.PublishBurst)
	return &Loops{
		Users: NewUserIndex(), cfg: cfg, start: time.Now(), ownBegins: make(chan struct{}, 1),
		publishRate: rate, publishes: NewPayers(rate),
		addresses: addressLimit{max: cfg.MaxPerIP, v6Bits: cfg.IPv6Prefix},
	}
}

// Listener is one to be given to a loop. Sockets of a plain one send no request: the door
// opens them by itself.
type Listener struct {
	*netpoll.Listener
	Plain bool
}

// Start starts a loop for each of ls, its listeners. attach is called for each before it
// accepts: it gives the loop its door and kinds. All loops are there before one accepts,
// since a connection of one may have to do with the others at once. After an error Stop
// must be called, and listeners that were not taken yet are closed.
func (s *Loops) Start(ls [][]Listener, attach func(*Loop) (Door, []Kind)) error {
	defer func() {
		for _, rest := range ls {
			for _, l := range rest {
				_ = l.Close()
			}
		}
	}()
	for i := range ls {
		if err := s.add(i, attach); err != nil {
			return fmt.Errorf("edge: start loop %d: %w", i, err)
		}
	}
	s.started.Store(true)
	for i, l := range s.all {
		for len(ls[i]) > 0 {
			result := make(chan error)
			l.net.Post(func() { result <- l.accept(ls[i][0]) })
			if err := <-result; err != nil {
				return fmt.Errorf("edge: accept on loop %d: %w", i, err)
			}
			ls[i] = ls[i][1:]
		}
	}
	return nil
}

func (l *Loop) accept(lis Listener) error {
	if lis.Plain {
		return l.net.Accept(lis.Listener, (&events{l}).openedPlain)
	}
	return l.net.Accept(lis.Listener, nil)
}

func (s *Loops) add(i int, attach func(*Loop) (Door, []Kind)) error {
	l := newLoop(s, i)
	l.door, l.kinds = attach(l)
	n, err := netpoll.New(netpoll.Config{
		Tick: s.cfg.Tick, Sweep: 10 * s.cfg.Tick, MaxQueue: s.cfg.MaxQueue, OnFatal: s.cfg.OnFatal,
		OnPanic: func(v any, stack []byte) {
			s.cfg.Logger.Error("a connection's event panicked; it was closed", "panic", v, "stack", string(stack))
		},
	}, &events{l})
	if err != nil {
		return err
	}
	l.net = n
	l.fan.Attach(&sink{l}, n.Wake)
	s.all = append(s.all, l)
	return nil
}

// Stop ends the loops; connections are closed without a word.
func (s *Loops) Stop() {
	for _, l := range s.all {
		l.net.Stop()
	}
}

// All returns the loops once they are started; before, none.
func (s *Loops) All() []*Loop {
	if !s.started.Load() {
		return nil
	}
	return s.all
}

// Of is the loop of a client.
func (s *Loops) Of(c *Client) *Loop { return s.all[c.loop] }

// Now is the time since the loops were made.
func (s *Loops) Now() time.Duration { return time.Since(s.start) }

func (s *Loops) seconds() uint32 { return uint32(s.Now() / time.Second) }

// Draining tells whether the server is about to stop.
func (s *Loops) Draining() bool { return s.draining.Load() }

// Open is the number of connections.
func (s *Loops) Open() int64 { return s.open.Load() }

// ConnName is the name of a connection, unique among all nodes.
func (s *Loops) ConnName(serial uint64) string {
	return s.cfg.Node + "-" + strconv.FormatUint(serial, 36)
}

// Stats are counters and gauges of all loops.
type Stats struct {
	Connections int64
	Clients     int64
	Unfinished  int64 // bytes held of messages and requests that have not ended
	Pings       uint64
	Closed      map[string]uint64 // connections, by reason
	ClosedEarly map[string]uint64 // sockets that never were connections, by reason
	Loops       []netpoll.Stats
}

// Stats returns what was counted.
func (s *Loops) Stats() Stats {
	st := Stats{
		Connections: s.open.Load(), Clients: s.clients.Load(), Pings: s.pings.Load(), Unfinished: s.unfinished.Load(),
		Closed: make(map[string]uint64), ClosedEarly: make(map[string]uint64),
	}
	for r := range s.closed {
		name := Reason(r).String()
		if n := s.closed[r].Load(); n > 0 {
			st.Closed[name] += n
		}
		if n := s.early[r].Load(); n > 0 {
			st.ClosedEarly[name] += n
		}
	}
	for _, l := range s.all {
		st.Loops = append(st.Loops, l.net.Stats())
	}
	return st
}

// OpenedAt is when a client was let in.
func (s *Loops) OpenedAt(c *Client) time.Time {
	return s.start.Add(time.Duration(c.Since) * time.Second)
}

// Gather asks each loop on its own goroutine. Without all answers, as ctx has ended,
// it returns those there are, and ctx's error.
func Gather[T any](ctx context.Context, s *Loops, f func(*Loop) T) ([]T, error) {
	loops := s.All()
	answers := make(chan T, len(loops))
	for _, l := range loops {
		l.Do(func() { answers <- f(l) })
	}
	all := make([]T, 0, len(loops))
	for range loops {
		select {
		case a := <-answers:
			all = append(all, a)
		case <-ctx.Done():
			return all, ctx.Err()
		}
	}
	return all, nil
}

// Clients yields the loop's clients that are open.
func (l *Loop) Clients() iter.Seq[*Client] {
	return func(yield func(*Client) bool) {
		for id := range l.OpenIDs() {
			if c := l.Client(id); c != nil && !yield(c) {
				return
			}
		}
	}
}

// OpenIDs yields the loop's connections that are open. Those it comes to may be closed
// meanwhile.
func (l *Loop) OpenIDs() iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for id, ses := range l.sessions.All() {
			if ses.is(stateOpen) && !yield(id) {
				return
			}
		}
	}
}

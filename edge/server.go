// The server: its life, and what other goroutines may ask of it.

package edge

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"barrage/fanout"
	"barrage/frame"
	"barrage/netpoll"
)

// Server is the public listener with its connections and rooms. Its methods may
// be called from any goroutine.
type Server struct {
	// Fixed before Start.
	cfg         Config
	limits      frame.Limits
	publishRate rate
	hub         *fanout.Hub
	broker      Broker // nil on a single node
	shards      []*shard
	assets      map[string]*Asset
	start       time.Time
	node        string
	addr        netip.AddrPort
	onMessage   func([]byte) // tests only

	perIP addressLimit

	lastMu sync.Mutex     // guards last; held while the loops are asked
	last   []fanout.Stats // by shard

	// Counters.
	conns       atomic.Int64 // WebSocket connections
	sockets     atomic.Int64 // all of the public listener's
	waiters     atomic.Int64
	serial      atomic.Uint64
	received    atomic.Uint64
	published   atomic.Uint64
	pings       atomic.Uint64
	refused     [numRefused]atomic.Uint64
	closed      [int(numCloseReasons)]atomic.Uint64
	closedEarly [int(numCloseReasons)]atomic.Uint64
	handshakes  [600]atomic.Uint64 // by status
	draining    atomic.Bool
}

// Reasons for not giving a message to its room.
const (
	refusedRate     = iota // from a socket, over its rate
	refusedOverload        // the shards are too far behind
	refusedTooBig          // came through the broker
	numRefused
)

// New validates the settings and makes the server, which holds no descriptor
// until Start.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:         cfg,
		limits:      cfg.limits(),
		publishRate: newRate(cfg.PublishRate, cfg.PublishBurst),
		start:       time.Now(),
		assets:      make(map[string]*Asset),
		node:        strconv.FormatUint(rand.Uint64(), 36),
	}
	s.perIP.max = cfg.MaxPerIP
	s.last = make([]fanout.Stats, cfg.Shards)
	for i := range cfg.Assets {
		s.assets[cfg.Assets[i].Path] = &cfg.Assets[i]
	}
	s.hub, err = fanout.NewHub(fanout.Config{
		Shards:     cfg.Shards,
		RoomBytes:  cfg.RoomLogBytes,
		ShardBytes: max(cfg.LogBytes/cfg.Shards, 64<<10),
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// SetBroker joins the server to other nodes. Before Start.
func (s *Server) SetBroker(b Broker) { s.broker = b }

// Start listens and starts the loops.
func (s *Server) Start() error {
	ls, err := netpoll.Listen(s.cfg.Listen, s.cfg.Shards, netpoll.ListenConfig{
		Backlog: s.cfg.Backlog, UserTimeout: s.cfg.UserTimeout, SendBuffer: s.cfg.SendBuffer,
	})
	if err != nil {
		return err
	}
	s.addr = ls[0].Addr()
	for i, l := range ls {
		if err := s.startShard(i, l); err != nil {
			s.Close()
			for _, l := range ls[i:] {
				_ = l.Close()
			}
			return fmt.Errorf("edge: start shard %d: %w", i, err)
		}
	}
	return nil
}

func (s *Server) startShard(i int, l *netpoll.Listener) error {
	sh := newShard(s, i)
	loop, err := netpoll.New(netpoll.Config{
		Tick: s.cfg.Tick, Sweep: 10 * s.cfg.Tick,
		MaxQueue: s.cfg.MaxMessage + 1<<20,
		OnFatal:  s.cfg.OnFatal,
		OnPanic: func(v any, stack []byte) {
			s.cfg.Logger.Error("a connection's event panicked; it was closed", "panic", v, "stack", string(stack))
		},
	}, sh)
	if err != nil {
		return err
	}
	started := make(chan error)
	sh.loop = loop
	sh.fan.Attach((*sink)(sh), loop.Wake)
	loop.Post(func() { started <- loop.Accept(l) })
	if err := <-started; err != nil {
		loop.Stop()
		return err
	}
	s.shards = append(s.shards, sh)
	return nil
}

// Close stops the loops at once; connections are closed without a word. Once,
// after Start, and after the broker and the API no longer call.
func (s *Server) Close() {
	for _, sh := range s.shards {
		sh.loop.Stop()
	}
}

// Addr returns the public address.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Node returns the name under which this server's message ids are unique.
func (s *Server) Node() string { return s.node }

// CheckRoom tells whether name may be a room's.
func (s *Server) CheckRoom(name string) error { return CheckRoom(name) }

// Publish sends a message to all members of a room, on all nodes. It returns
// the message's id, its offset in the room (without a history: its number since
// the room came to life on this node; 0 through a broker that keeps none), and
// how many local members it was queued for. localOnly: the other nodes cannot
// be reached at present, and it went to local members only.
func (s *Server) Publish(ctx context.Context, room string, binary bool, payload []byte) (id string, offset uint64, deliveredTo int, localOnly bool, err error) {
	if err := CheckRoom(room); err != nil {
		return "", 0, 0, false, err
	}
	if s.broker == nil {
		offset, deliveredTo, err = s.toHub(room, binary, payload)
		if err != nil {
			return "", 0, 0, false, refuse(503, "overloaded", "the server is too far behind its input")
		}
		s.published.Add(1)
		return s.node + "-" + strconv.FormatUint(s.serial.Add(1), 36), offset, deliveredTo, false, nil
	}
	members, _, _ := s.hub.Room(room)
	id, offset, localOnly, err = s.broker.Publish(ctx, room, binary, payload)
	if err != nil {
		return "", 0, 0, false, refuse(503, "unavailable", "the message could not be published: "+err.Error())
	}
	s.published.Add(1)
	return id, offset, members, localOnly, nil
}

// tryPublish is Publish for the loops.
func (s *Server) tryPublish(room string, binary bool, payload []byte) bool {
	ok := false
	if s.broker != nil {
		ok = s.broker.TryPublish(room, binary, payload)
	} else {
		_, _, err := s.toHub(room, binary, payload)
		ok = err == nil
	}
	if ok {
		s.published.Add(1)
	}
	return ok
}

// Deliver gives a message that came through the broker to the local members of
// its room. It never blocks and does not keep payload.
func (s *Server) Deliver(room string, binary bool, payload []byte) {
	if len(payload) > s.cfg.MaxMessage {
		s.refused[refusedTooBig].Add(1)
		return
	}
	if _, _, err := s.toHub(room, binary, payload); err != nil {
		s.refused[refusedOverload].Add(1)
	}
}

func (s *Server) toHub(room string, binary bool, payload []byte) (offset uint64, members int, err error) {
	op := frame.Text
	if binary {
		op = frame.Binary
	}
	f := frame.Encode(op, payload)
	defer f.Release()
	return s.hub.Publish(room, f)
}

func (s *Server) want(room string) (ready bool) { return s.broker == nil || s.broker.Want(room) }

// RoomReady tells that the broker delivers the room's messages from now on.
func (s *Server) RoomReady(room string) {
	if s.waiters.Load() == 0 {
		return
	}
	for _, sh := range s.shards {
		sh.loop.Post(func() { sh.roomReady(room) })
	}
}

// Members returns how many local members a room has.
func (s *Server) Members(room string) int {
	n, _, _ := s.hub.Room(room)
	return n
}

// Room returns a room's local members and its messages a second; ok is false if
// nobody is there.
func (s *Server) Room(name string) (members int, rate float64, ok bool) { return s.hub.Room(name) }

// EachRoom calls f for every room with members until it returns false.
func (s *Server) EachRoom(f func(name string, members int, rate float64) bool) { s.hub.EachRoom(f) }

// Ready returns the reasons why traffic should go elsewhere; none means ready.
func (s *Server) Ready() []string {
	var why []string
	if s.draining.Load() {
		why = append(why, "draining")
	}
	if s.broker != nil {
		if err := s.broker.Err(); err != nil {
			why = append(why, err.Error())
		}
	}
	return why
}

func (s *Server) now() time.Duration { return time.Since(s.start) }

func (s *Server) seconds() uint32 { return uint32(time.Since(s.start) / time.Second) }

func (s *Server) countHandshake(status int) { s.handshakes[status].Add(1) }

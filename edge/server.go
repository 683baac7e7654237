// The server and its life.

package edge

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"barrage/edge/auth"
	"barrage/edge/presence"
	"barrage/edge/standing"
	"barrage/fanout"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
	"barrage/netpoll"
)

// Server is the public listener with its connections and rooms. Its methods may
// be called from any goroutine.
type Server struct {
	// Fixed before Start.
	cfg         Config
	limits      frame.Limits
	publishRate rate
	commandRate rate
	hub         *fanout.Hub
	broker      broker.Broker
	ownBroker   *memory.Broker // the same, without SetBroker
	presence    *presence.Registry
	pool        *pool // what may wait for the broker
	checks      *pool // of tokens, which must go on while the broker hangs
	fetcher     *fetcher
	epochs      *epochs
	inboxes     *inboxes
	untold      untold
	anonymous   auth.Identity
	anybody     auth.Rights        // of anonymous
	strangers   chan struct{}      // one for each token that waits for the issuer's keys
	background  sync.WaitGroup     // announce, presence.Run, book.Run
	stop        context.CancelFunc // ends them
	batches     sync.WaitGroup     // Hub.Run
	stopBatches context.CancelFunc // ends it; so does stop
	shards      []*shard           // complete once started
	assets      map[string]*Asset
	start       time.Time
	node        string
	addr        netip.AddrPort
	onMessage   func([]byte) // tests only

	perIP addressLimit

	book     *standing.Book // orders that last
	settings roomSettings   // those of the book

	lastMu sync.Mutex     // guards last; held while the loops are asked
	last   []fanout.Stats // by shard

	started atomic.Bool // shards is complete

	// Counters.
	conns       atomic.Int64 // WebSocket connections
	clients     atomic.Int64
	sockets     atomic.Int64 // all of the public listener's
	waiters     atomic.Int64
	serial      atomic.Uint64 // names connections
	received    atomic.Uint64
	repeated    atomic.Uint64
	published   atomic.Uint64
	pings       atomic.Uint64
	refused     [numRefused]atomic.Uint64
	tokens      [numTokenResults]atomic.Uint64
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
	refusedRights          // from a raw socket that may not publish there
	refusedExpired         // came through the broker after its TTL
	numRefused
)

// What became of tokens.
const (
	tokenAccepted = iota
	tokenRefused
	numTokenResults
)

// NewNode returns a random name for a node.
func NewNode() string { return strconv.FormatUint(rand.Uint64(), 36) }

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
		commandRate: newRate(commandsPerSecond+cfg.PublishRate, commandBurst+cfg.PublishBurst),
		start:       time.Now(),
		assets:      make(map[string]*Asset),
		strangers:   make(chan struct{}, maxStrangers),
		node:        cfg.Node,
	}
	s.perIP.max = cfg.MaxPerIP
	s.last = make([]fanout.Stats, cfg.Shards)
	for i := range cfg.Assets {
		s.assets[cfg.Assets[i].Path] = &cfg.Assets[i]
	}
	fc := fanout.Config{
		Shards:     cfg.Shards,
		Encodings:  numEncodings,
		RoomBytes:  cfg.RoomLogBytes,
		ShardBytes: max(cfg.LogBytes/cfg.Shards, 64<<10),
	}
	if cfg.Compression && cfg.CompressWait > 0 {
		fc.Batched, fc.BatchWait, fc.Batch = 1<<(encodeJSON|encodeDeflate|encodeBatch), cfg.CompressWait, encodeAll
	}
	s.hub, err = fanout.NewHub(fc)
	if err != nil {
		return nil, err
	}
	s.presence, err = presence.New(presence.Config{
		Store: cfg.Presence, Logger: cfg.Logger,
		Quiet: func(room string) bool { return strings.HasPrefix(room, broker.UserPrefix) || s.settings.of(room).Quiet },
	})
	if err != nil {
		return nil, err
	}
	s.book, err = standing.New(standing.Config{Store: cfg.Standing, Changed: s.changed, Logger: cfg.Logger})
	if err != nil {
		return nil, err
	}
	s.epochs = newEpochs(s.hub.Members)
	s.inboxes = newInboxes()
	s.anonymous = auth.Anonymous(cfg.PublishRate > 0)
	s.anybody = s.anonymous.Rights()
	return s, nil
}

// SetBroker joins the server to other nodes. Before Start; without it a broker in
// memory serves this one.
func (s *Server) SetBroker(b broker.Broker) { s.broker = b }

// Start listens and starts the loops.
func (s *Server) Start() error {
	if s.broker == nil {
		m, err := memory.New(memory.Config{Rules: s.cfg.History, Retention: s.Retention, Node: s.node}, s)
		if err != nil {
			return err
		}
		s.broker, s.ownBroker = m, m
	}
	s.pool, s.checks = newPool(), newPool()
	s.fetcher = newFetcher(s.pool, s.broker)
	ls, err := netpoll.Listen(s.cfg.Listen, s.cfg.Shards, netpoll.ListenConfig{
		Backlog: s.cfg.Backlog, UserTimeout: s.cfg.UserTimeout, SendBuffer: s.cfg.SendBuffer,
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.background.Go(func() { s.presence.Run(ctx) })
	s.background.Go(func() { s.announce(ctx) })
	batching, stopBatches := context.WithCancel(ctx)
	s.stopBatches = stopBatches
	s.batches.Go(func() { s.hub.Run(batching) })
	s.broker.Want(controlRoom)
	s.readBook(ctx)
	s.background.Go(func() { s.book.Run(ctx) })
	s.addr = ls[0].Addr()
	if i, err := s.startShards(ls); err != nil {
		s.Close()
		for _, l := range ls[i:] {
			_ = l.Close()
		}
		return fmt.Errorf("edge: start shard %d: %w", i, err)
	}
	return nil
}

// startShards has the loops accept once all of them are there, since a connection of
// one may have to do with the others at once. It returns how many do.
func (s *Server) startShards(ls []*netpoll.Listener) (accepting int, err error) {
	for i := range ls {
		if err := s.addShard(i); err != nil {
			return 0, err
		}
	}
	s.started.Store(true)
	for i, sh := range s.shards {
		result := make(chan error)
		sh.loop.Post(func() { result <- sh.loop.Accept(ls[i]) })
		if err := <-result; err != nil {
			return i, err
		}
	}
	return len(ls), nil
}

func (s *Server) addShard(i int) error {
	sh := newShard(s, i)
	loop, err := netpoll.New(netpoll.Config{
		Tick: s.cfg.Tick, Sweep: 10 * s.cfg.Tick,
		MaxQueue: maxOwed + 2*maxEscape*s.cfg.MaxMessage + 64<<10,
		OnFatal:  s.cfg.OnFatal,
		OnPanic: func(v any, stack []byte) {
			s.cfg.Logger.Error("a connection's event panicked; it was closed", "panic", v, "stack", string(stack))
		},
	}, sh)
	if err != nil {
		return err
	}
	sh.loop = loop
	sh.fan.Attach((*sink)(sh), loop.Wake)
	s.shards = append(s.shards, sh)
	return nil
}

// Close stops the loops at once; connections are closed without a word. Once,
// after Start, and after the broker and the API no longer call.
func (s *Server) Close() {
	if s.stop != nil {
		s.stop()
		s.background.Wait()
		s.batches.Wait()
	}
	if s.pool != nil {
		s.pool.close()
		s.checks.close()
	}
	for _, sh := range s.shards {
		sh.loop.Stop()
	}
	if s.ownBroker != nil {
		_ = s.ownBroker.Close() // cannot fail: it has nothing to lose
	}
}

// Addr returns the public address.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Node returns the name under which this server's message ids are unique.
func (s *Server) Node() string { return s.node }

func (s *Server) now() time.Duration { return time.Since(s.start) }

func (s *Server) seconds() uint32 { return uint32(time.Since(s.start) / time.Second) }

func (s *Server) countHandshake(status int) { s.handshakes[status].Add(1) }

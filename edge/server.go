// The server: its life, and what other goroutines may ask of it.

package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"barrage/edge/auth"
	"barrage/edge/broker"
	"barrage/edge/events"
	"barrage/edge/presence"
	"barrage/edge/standing"
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
	commandRate rate
	hub         *fanout.Hub
	broker      broker.Broker
	ownBroker   *broker.Memory // the same, without SetBroker
	presence    *presence.Registry
	pool        *pool // what may wait for the broker
	checks      *pool // of tokens, which must go on while the broker hangs
	fetcher     *fetcher
	epochs      *epochs
	inboxes     *inboxes
	anonymous   auth.Identity
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
		Quiet: func(room string) bool { return strings.HasPrefix(room, userPrefix) || s.settings.of(room).Quiet },
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
	return s, nil
}

// SetBroker joins the server to other nodes. Before Start; without it a broker in
// memory serves this one.
func (s *Server) SetBroker(b broker.Broker) { s.broker = b }

// Start listens and starts the loops.
func (s *Server) Start() error {
	if s.broker == nil {
		m, err := broker.NewMemory(broker.MemoryConfig{Rules: s.cfg.History, Retention: s.Retention, Node: s.node}, s)
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

// CheckRoom tells whether name may be a room's.
func (s *Server) CheckRoom(name string) error { return CheckRoom(name) }

// CheckUser tells whether id may be a user's.
func (s *Server) CheckUser(id string) error { return CheckUser(id) }

// Publish sends a message to all members of a room, on all nodes. It returns once
// the broker has it, or the time of ctx is over.
func (s *Server) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	if err := CheckRoom(p.Room); err != nil {
		return broker.Receipt{}, err
	}
	if err := checkKind(p.Kind); err != nil {
		return broker.Receipt{}, err
	}
	if err := checkDepth(p.Format, p.Payload); err != nil {
		return broker.Receipt{}, err
	}
	if err := s.checkTerms(p); err != nil {
		return broker.Receipt{}, err
	}
	r, err := s.broker.Publish(ctx, p)
	if err != nil {
		return broker.Receipt{}, brokerError(err)
	}
	s.published.Add(1)
	if s.cfg.Events.Wants(events.Publish, p.Room) {
		kept := *p
		kept.Payload = slices.Clone(p.Payload)
		s.tell(&kept, r)
	}
	return r, nil
}

// tell has backends told of a message that was published here. p is kept.
func (s *Server) tell(p *broker.Publication, r broker.Receipt) {
	if r.Replayed {
		return
	}
	s.cfg.Events.Emit(&events.Event{
		Type: events.Publish, Room: p.Room, User: p.Sender.User, Conn: p.Sender.Conn,
		Message: &broker.Message{
			Room: p.Room, ID: r.ID, Epoch: r.Position.Epoch, Offset: r.Position.Offset, Time: time.Now().UnixMilli(),
			Sender: p.Sender, Kind: p.Kind, Format: p.Format, Payload: p.Payload,
		},
	})
}

// checkKind keeps kinds short and printable; those of the nodes themselves begin
// with NUL.
func checkKind(kind string) error {
	if len(kind) > maxKind {
		return refuse(http.StatusBadRequest, "bad_kind", "kind has "+strconv.Itoa(len(kind))+" bytes, want at most "+strconv.Itoa(maxKind))
	}
	for i := range len(kind) {
		if kind[i] <= ' ' || kind[i] >= 0x7f {
			return refuse(http.StatusBadRequest, "bad_kind", "kind has a byte that is not printable ASCII")
		}
	}
	return nil
}

// brokerError is a broker's error as a refusal.
func brokerError(err error) error {
	if errors.Is(err, broker.ErrOverloaded) {
		return &Error{status: http.StatusServiceUnavailable, code: "overloaded", message: "the server is too far behind its input", retry: time.Second}
	}
	return &Error{status: http.StatusServiceUnavailable, code: "unavailable", message: "the store of messages did not take it: " + err.Error(), retry: time.Second}
}

// tryPublish is Publish for the loops. done may be nil.
func (s *Server) tryPublish(p *broker.Publication, done func(broker.Receipt, error)) bool {
	if s.cfg.Events.Wants(events.Publish, p.Room) {
		done = s.telling(p, done)
	}
	ok := s.broker.TryPublish(p, done)
	if ok {
		s.published.Add(1)
	}
	return ok
}

// telling adds tell to what is done after a publish, when the caller's p is long
// something else.
func (s *Server) telling(p *broker.Publication, done func(broker.Receipt, error)) func(broker.Receipt, error) {
	kept := *p
	kept.Payload = slices.Clone(p.Payload)
	return func(r broker.Receipt, err error) {
		if err == nil {
			s.tell(&kept, r)
		}
		if done != nil {
			done(r, err)
		}
	}
}

// Deliver implements broker.Receiver: it gives a message to the local members of
// its room.
func (s *Server) Deliver(m *broker.Message) (members int) {
	if len(m.Payload) > s.cfg.MaxMessage {
		s.refused[refusedTooBig].Add(1)
		return 0
	}
	if expired(m) {
		s.refused[refusedExpired].Add(1)
		return 0
	}
	if m.Kind != "" && m.Kind[0] == 0 {
		s.internal(m)
		return 0
	}
	members, err := s.hub.Publish(m.Room, &publication{m, s.epochs.place(m.Room, m.Epoch, m.Offset)})
	if err != nil {
		s.refused[refusedOverload].Add(1)
	}
	if user, ok := userOf(m.Room); ok {
		members = max(members, s.inboxes.count(user))
		s.wake(user, m)
	}
	return members
}

// internal takes a message of a node to all nodes.
func (s *Server) internal(m *broker.Message) {
	switch m.Kind {
	case kindControl:
		if m.Room == controlRoom { // which no client and no backend can name
			s.obey(m)
		}
	case kindPresence:
		var n presenceJSON
		if json.Unmarshal(m.Payload, &n) == nil {
			s.tellPresence(m.Room, &n)
		}
	}
}

func (s *Server) want(room string) (ready bool) { return s.broker.Want(room) }

// Ready implements broker.Receiver: the broker brings the room's messages from
// now on.
func (s *Server) Ready(room string) {
	if !s.started.Load() || s.waiters.Load() == 0 {
		return // nobody waits, neither upgrades nor joins
	}
	for _, sh := range s.shards {
		sh.loop.Post(func() { sh.roomReady(room) })
	}
}

// Members returns how many local members a room has.
func (s *Server) Members(room string) int {
	if room == controlRoom {
		return 1 // the node itself
	}
	n := s.hub.Members(room)
	if user, ok := userOf(room); ok {
		n = max(n, s.inboxes.count(user))
	}
	return n
}

// Room returns a room's local members and its messages a second; ok is false if
// nobody is there.
func (s *Server) Room(name string) (members int, rate float64, ok bool) { return s.hub.Room(name) }

// EachRoom calls f for every room with members until it returns false.
func (s *Server) EachRoom(f func(name string, members int, rate float64) bool) {
	s.hub.EachRoom(func(name string, members int, rate float64) bool {
		return !isPublicName(name) || f(name, members, rate)
	})
}

// History reads a part of a room's history.
func (s *Server) History(ctx context.Context, room string, q broker.Query) (broker.Page, error) {
	page, err := readHistory(ctx, s.broker, room, q)
	if err != nil {
		return page, brokerError(err)
	}
	return page, nil
}

// Clear forgets a room's history.
func (s *Server) Clear(ctx context.Context, room string) error {
	if err := s.broker.Clear(ctx, room); err != nil {
		return brokerError(err)
	}
	return nil
}

// Registry knows who is where.
func (s *Server) Registry() *presence.Registry { return s.presence }

// Unready returns the reasons why traffic should go elsewhere; none means ready.
func (s *Server) Unready() []string {
	var why []string
	if s.draining.Load() {
		why = append(why, "draining")
	}
	if err := s.broker.Err(); err != nil {
		why = append(why, err.Error())
	}
	if !s.book.Read() {
		why = append(why, "who must stay out, and the settings of rooms, could not be read yet")
	}
	return why
}

func (s *Server) now() time.Duration { return time.Since(s.start) }

func (s *Server) seconds() uint32 { return uint32(time.Since(s.start) / time.Second) }

func (s *Server) countHandshake(status int) { s.handshakes[status].Add(1) }

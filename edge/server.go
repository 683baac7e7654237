// The server and its life.

package edge

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/edge/delivery"
	"barrage/edge/direct"
	"barrage/edge/handshake"
	"barrage/edge/history"
	"barrage/edge/mailbox"
	"barrage/edge/moderation"
	"barrage/edge/node"
	"barrage/edge/paths"
	"barrage/edge/presence"
	"barrage/edge/publish"
	"barrage/edge/requests"
	"barrage/edge/share"
	"barrage/edge/trace"
	"barrage/edge/wait"
	"barrage/fanout"
	"barrage/frame"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
	"barrage/internal/document"
	"barrage/internal/fair"
	"barrage/internal/random"
	"barrage/netpoll"
)

// Server is the public listener with its connections and rooms. Its methods may
// be called from any goroutine.
type Server struct {
	// Delivery is what a broker calls, Moderation what operators order. Fixed.
	Delivery   *delivery.Receiver
	Moderation *moderation.Moderation

	// Fixed before Start.
	cfg         Config
	hub         *fanout.Hub
	node        *node.Node
	protocols   []handshake.Spoken
	attach      []func(*conn.Loop) conn.Protocol // by protocol; nil: it has no connections, or another's
	limits      frame.Limits
	anonymous   auth.Identity
	guest       auth.Rights // of anonymous
	socketPaths paths.Set
	assets      map[string]asset // by path
	refused     publish.Refused
	tracing     *trace.Tracing
	courier     *direct.Courier
	ownBroker   *memory.Broker // without SetBroker

	// From Start on.
	desk        *handshake.Desk
	addr        netip.AddrPort
	plainAddrs  []string
	files       []*netpoll.SocketFile   // of Unix sockets
	removed     sync.Once               // files are
	runs        []func(context.Context) // node.Background
	background  sync.WaitGroup          // of runs
	stop        context.CancelFunc      // ends them
	batches     sync.WaitGroup          // Hub.Run
	stopBatches context.CancelFunc      // ends it; so does stop

	leaving atomic.Bool // NotReady says so

	lastMu sync.Mutex     // guards last; held while the loops are asked
	last   []fanout.Stats // by loop
}

// NewNode returns a random name for a node.
func NewNode() string { return random.Name() }

// New validates the settings and makes the server, which holds no descriptor
// until Start.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, limits: frame.Limits{MaxMessage: cfg.MaxMessage, MaxFragments: bounds.Fragments},
		anonymous: auth.Anonymous(cfg.PublishRate > 0), assets: make(map[string]asset), last: make([]fanout.Stats, cfg.Shards),
	}
	s.guest = s.anonymous.Rights()
	if s.socketPaths, err = paths.ParseSet(cfg.SocketPaths, cfg.ownPaths()); err != nil {
		return nil, fmt.Errorf("edge: SocketPaths (ws_paths): %w", err)
	}
	for _, a := range cfg.Assets {
		s.assets[a.Path] = asset{document.New(a.ContentType, a.Body), cmp.Or(a.Headers, cfg.AssetHeaders)}
	}
	forms := s.speak()
	if s.hub, err = s.newHub(forms); err != nil {
		return nil, err
	}
	loops := conn.NewLoops(s.connConfig())
	s.Delivery = delivery.New(delivery.Config{
		Hub: s.hub, Forms: forms, MaxMessage: cfg.MaxMessage, Users: loops.Users, Refused: &s.refused, Serial: loops.Serial, Own: s.ownRoom,
	})
	if s.Moderation, err = moderation.New(moderation.Config{Store: cfg.Orders, Rules: cfg.History, Targets: cfg.Targets, Events: cfg.Events, Loops: loops, Logger: cfg.Logger}); err != nil {
		return nil, err
	}
	s.Delivery.Internal(moderation.KindControl, s.Moderation.Obey)
	s.Delivery.Internal(broker.KindLeftOut, s.Delivery.LeftOut)
	s.tracing = trace.New(trace.Config{Node: cfg.Node, Loops: loops, Control: moderation.ControlRoom, Protocol: func(kind int) string { return s.protocols[kind/2].Name }})
	s.Delivery.Internal(trace.KindOrder, s.tracing.Obey)
	s.Delivery.Internal(trace.KindLines, s.tracing.Heard)
	s.courier = direct.New(direct.Config{Node: cfg.Node, Clustered: cfg.Presence != nil, Loops: loops, Control: moderation.ControlRoom})
	s.Delivery.Internal(direct.Kind, s.courier.Hear)
	registry, err := presence.New(presence.Config{
		Store: cfg.Presence, LastSeen: cfg.LastSeen, Logger: cfg.Logger,
		Quiet: func(room string) bool { return strings.HasPrefix(room, broker.UserPrefix) || s.Moderation.Quiet(room) },
	})
	if err != nil {
		return nil, err
	}
	s.node = &node.Node{
		Settings: node.Settings{MaxRooms: cfg.MaxRooms, PublishRate: cfg.PublishRate, PublishBurst: cfg.PublishBurst, MaxPublish: cfg.MaxPublish, AuthTimeout: cfg.AuthTimeout},
		Loops:    loops, Delivery: s.Delivery, Moderation: s.Moderation, Presence: registry, Events: cfg.Events, Hooks: cfg.Hooks,
		Requests:  requests.New(requests.Config{Node: cfg.Node, Clustered: cfg.Presence != nil, Caller: cfg.Caller, Timeout: cfg.RequestTimeout}),
		Clustered: cfg.Presence != nil, Epochs: history.NewEpochs(),
		Background: func(f func(context.Context)) { s.runs = append(s.runs, f) },
	}
	s.Delivery.Internal(publish.KindOwn, func(m *broker.Message) { s.node.Mailboxes.Own(m) })
	s.Delivery.Internal(requests.Kind, s.node.Requests.Hear)
	s.node.Background(registry.Run)
	s.node.Background(s.node.Requests.Run)
	s.node.Background(s.announce)
	s.node.Background(s.Moderation.Run)
	s.node.Background(s.tracing.Run)
	s.node.Background(s.courier.Run)
	for i := range s.protocols {
		p := &s.protocols[i]
		var attach func(*conn.Loop) conn.Protocol
		switch {
		case p.Protocol.Serve != nil:
			p.Serve = p.Protocol.Serve(s.node)
		case p.Speaks == "":
			attach = p.Start(s.node)
		case s.spoken(p.Speaks) == nil:
			return nil, fmt.Errorf("edge: protocol %s needs %s", p.Name, p.Speaks)
		}
		s.attach = append(s.attach, attach)
	}
	s.Delivery.OnReady(s.onReady)
	return s, nil
}

// SetBroker joins the server to other nodes. Before Start; without it a broker in
// memory serves this one.
func (s *Server) SetBroker(b broker.Broker) { s.node.Broker = b }

// Start listens and starts the loops.
func (s *Server) Start() error {
	n := s.node
	if n.Broker == nil {
		m, err := memory.New(memory.Config{Rules: s.cfg.History, Retention: s.Moderation.Retention, Target: s.Moderation.Target, Node: s.cfg.Node}, s.Delivery)
		if err != nil {
			return err
		}
		n.Broker, s.ownBroker = m, m
	}
	n.Pool = share.NewPool()
	n.Publisher = publish.New(publish.Config{
		Broker: n.Broker, Rules: s.Moderation, Events: s.cfg.Events, Refused: &s.refused, Courier: s.courier,
		Lanes: s.cfg.Lanes, Clients: s.cfg.PublishRate > 0, Keys: s.cfg.Keys, Copied: s.courier.Own,
	})
	n.Mailboxes = mailbox.NewOffice(s.mailConfig())
	s.Delivery.SetMailboxes(n.Mailboxes)
	if s.cfg.Auth != nil || s.cfg.Keys != nil {
		n.Tokens = auth.NewChecker(s.cfg.Auth, s.cfg.Keys)
	}
	s.desk = handshake.New(s.handshakeConfig())
	ls, err := s.listen()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	batching, stopBatches := context.WithCancel(ctx)
	s.stopBatches = stopBatches
	s.batches.Go(func() { s.hub.Run(batching) })
	s.Moderation.Start(ctx, n.Broker)
	n.Requests.Start(n.Broker)
	s.tracing.Start(n.Broker)
	s.courier.Start(n.Broker)
	for _, f := range s.runs {
		s.background.Go(func() { f(ctx) })
	}
	if err := n.Loops.Start(ls, s.attachTo); err != nil {
		s.Close()
		return err
	}
	return nil
}

// attachTo gives a loop its door and the kinds of its connections.
func (s *Server) attachTo(l *conn.Loop) (conn.Door, []conn.Kind) {
	waits := wait.NewList(s.node.Broker.Want, func(more int) { s.node.Waiting.Add(int64(more)) })
	s.node.Waits = append(s.node.Waits, waits)
	l.OnTick(func() { waits.Late(s.node.Loops.Now()) })
	return s.desk.Attach(l, waits), s.kinds(l)
}

// ownRoom tells whether a room is one that the node itself is a member of.
func (s *Server) ownRoom(room string) bool {
	return room == moderation.ControlRoom || room == s.tracing.Room() || room == s.courier.Room() || s.node.Requests.Room(room)
}

// onReady tells the loops that a room's messages come here now, if a connection waits.
func (s *Server) onReady(room string) {
	if s.node.Waiting.Load() == 0 {
		return
	}
	for i, l := range s.node.Loops.All() {
		l.Do(func() { s.node.Waits[i].Arrived(room) })
	}
}

// Leave has NotReady say "draining"; connections are taken as before.
func (s *Server) Leave() { s.leaving.Store(true) }

// Drain stops taking connections and closes those there are with code 1001,
// evenly over window. It returns when all are gone, or with ctx's error. It is also
// Leave.
func (s *Server) Drain(ctx context.Context, window time.Duration) error {
	s.node.Loops.SetDraining() // first: who is told that this node is not ready finds nobody let in
	s.Leave()
	s.stopBatches() // nobody is to leave while something waits for company
	s.batches.Wait()
	s.removeFiles()
	s.node.Requests.Drain()
	defer s.courier.Leave()
	return s.node.Loops.Drain(ctx, window)
}

// Close stops the loops at once; connections are closed without a word. Once,
// after Start, and after the broker and the API no longer call.
func (s *Server) Close() {
	if s.stop != nil {
		s.stop()
		s.background.Wait()
		s.batches.Wait()
	}
	if s.node.Tokens != nil {
		s.node.Tokens.Close()
	}
	if s.node.Pool != nil {
		s.node.Pool.Close()
	}
	s.removeFiles()
	s.node.Loops.Stop()
	if s.ownBroker != nil {
		_ = s.ownBroker.Close() // cannot fail: it has nothing to lose
	}
}

func (s *Server) connConfig() conn.Config {
	c := &s.cfg
	return conn.Config{
		Node: c.Node, Hub: s.hub, Observer: observer{s},
		MaxConnections: c.MaxConnections, MaxSockets: c.MaxSockets, MaxPerIP: c.MaxPerIP, IPv6Prefix: c.IPv6Prefix,
		MaxQueue: s.maxUnread() + 64<<10, MaxUnread: c.UnreadBytes,
		Loops: c.Shards, UnfinishedBytes: max(c.UnfinishedBytes, 4*c.MaxMessage*c.Shards),
		HandshakeTimeout: c.HandshakeTimeout, FrameTimeout: c.FrameTimeout, PingInterval: c.PingInterval, PingTimeout: c.PingTimeout,
		CloseTimeout: c.CloseTimeout, SlowTimeout: c.SlowTimeout, CloseSlow: c.SlowPolicy == SlowClose,
		PublishRate: c.PublishRate, PublishBurst: c.PublishBurst, PublishBytes: c.PublishBytes, Tick: c.Tick, Logger: c.Logger, OnFatal: c.OnFatal,
	}
}

func (s *Server) mailConfig() mailbox.Config {
	loops := s.node.Loops
	c := mailbox.Config{
		Users: loops.Users, Broker: s.node.Broker, Pool: s.node.Pool, AckTimeout: s.cfg.AckTimeout,
		Payer: func(c *conn.Client) fair.Payer { return loops.Of(c).Payer(c) },
		Post:  func(c *conn.Client, f func()) { loops.Of(c).Post(c, f) },
	}
	if s.node.Clustered {
		c.Presence = s.node.Presence
	}
	return c
}

func (s *Server) handshakeConfig() handshake.Config {
	c := &s.cfg
	origins, _ := frame.ParseOrigins(c.AllowedOrigins) // New has checked them
	return handshake.Config{
		Node: s.node, Protocols: s.protocols, Page: s.page, SocketPaths: s.socketPaths, Guest: &s.anonymous, GuestsToo: c.Anonymous,
		DefaultRoom: c.DefaultRoom, AllowedOrigins: origins, RequireOrigin: c.RequireOrigin, Keys: c.Keys, TokenCookie: c.TokenCookie, Proxies: c.Proxies, Deflate: c.Compression, MaxBody: c.MaxMessage,
		Timeout: c.HandshakeTimeout, CloseTimeout: c.CloseTimeout, Logger: c.Logger,
	}
}

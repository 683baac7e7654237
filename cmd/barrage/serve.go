package main

// This file wires the server: edge, with the viewer page, and Redis where it is
// set.

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/api"
	"barrage/edge"
	"barrage/edge/admin"
	"barrage/edge/tcp"
	"barrage/internal/metrics"
	"barrage/redisbridge"
	"barrage/redisbridge/queues"
	"barrage/web"
)

// node is an edge server, what joins it to other nodes, and what it has of other
// programs.
type node struct {
	admin.Server
	bridge   *redisbridge.Bridge   // nil on a single node
	redis    redis.UniversalClient // of the presence, the persistent orders and the event stream; likewise
	backends backends
	queues   *queues.Set // nil where there are none
	log      *slog.Logger
}

// newNode builds the node that serve runs.
func newNode(p nodeDeps) (server, error) {
	n := &node{log: p.log}
	if err := n.make(p); err != nil {
		n.release()
		return nil, err
	}
	return n, nil
}

// make makes a node's parts, which release lets go.
func (n *node) make(p nodeDeps) error {
	ec, err := edgeConfig(p)
	if err != nil {
		return err
	}
	if p.cfg.Redis != "" {
		if err := n.store(p, &ec); err != nil {
			return err
		}
	}
	if n.backends, err = newBackends(p.cfg, ec.Node, n.redis, p.log); err != nil {
		return err
	}
	ec.Auth, ec.Events, ec.Caller, ec.Hooks = n.backends.verifier, n.backends.emitter, n.backends.caller, n.backends.hooks
	es, err := edge.New(ec)
	if err != nil {
		return err
	}
	n.Server = admin.Server{Server: es}
	if p.cfg.Redis != "" {
		if err := n.join(p, &ec); err != nil {
			return err
		}
		if err := n.feed(p); err != nil {
			return err
		}
	}
	b := &n.backends
	return p.registry.Register(&metrics.Collector{Server: es, Bridge: n.bridge, Tokens: b.verifier, Emitter: b.emitter, Caller: b.caller, Hooks: b.hooks, Queues: n.queues, Log: p.lines})
}

// store makes what keeps in Redis who is where, and the persistent orders.
func (n *node) store(p nodeDeps, ec *edge.Config) (err error) {
	c := p.cfg
	redisbridge.RouteClientLog(p.log)
	if n.redis, err = redisbridge.NewClient(redisbridge.Config{URL: c.Redis, Node: ec.Node, Timeout: c.RedisTimeout}); err != nil {
		return err
	}
	ec.Presence, err = redisbridge.NewPresence(redisbridge.PresenceConfig{Client: n.redis, Prefix: "barrage:here:" + c.RedisPrefix, Node: ec.Node, Timeout: c.RedisTimeout})
	if err != nil {
		return err
	}
	ec.Orders, err = redisbridge.NewOrders(redisbridge.OrdersConfig{Client: n.redis, Prefix: "barrage:orders:" + c.RedisPrefix, Timeout: c.RedisTimeout})
	return err
}

// join makes the bridge to the other nodes.
func (n *node) join(p nodeDeps, ec *edge.Config) (err error) {
	n.bridge, err = redisbridge.New(redisbridge.Config{
		URL: p.cfg.Redis, Sharded: p.cfg.RedisSharded, Retention: n.Moderation.Retention, Target: n.Moderation.Target, History: ec.History.String(), Prefix: p.cfg.RedisPrefix, Channels: p.cfg.RedisChannels, Node: ec.Node,
		Linger: p.cfg.RedisLinger, Timeout: p.cfg.RedisTimeout, Outage: p.cfg.RedisOutage, Logger: p.log,
	}, n.Server.Delivery)
	if err != nil {
		return err
	}
	n.SetBroker(n.bridge)
	return nil
}

// feed makes what publishes the entries of lists and streams.
func (n *node) feed(p nodeDeps) error {
	c := p.cfg
	all, err := c.Queues()
	if err != nil || len(all) == 0 {
		return err
	}
	blocking, err := redisbridge.NewClient(redisbridge.Config{URL: c.Redis, Timeout: c.RedisTimeout})
	if err != nil {
		return err
	}
	n.queues, err = queues.New(queues.Config{
		Queues: all, Client: n.redis, Blocking: blocking, Publisher: n.Server,
		Members: func(ctx context.Context, room string) (int, error) {
			l, err := n.Registry().Cluster(ctx, room, 0)
			return l.Connections, err
		},
		MaxMessage: int(c.MaxMessageBytes), Rate: c.RedisQueueRate, Timeout: c.RedisTimeout, Logger: p.log,
	})
	return err
}

func edgeConfig(p nodeDeps) (edge.Config, error) {
	c := p.cfg
	rules, err := c.HistoryRules()
	if err != nil {
		return edge.Config{}, fmt.Errorf("history: %w", err)
	}
	targets, err := c.Targets()
	if err != nil {
		return edge.Config{}, fmt.Errorf("target_rate: %w", err)
	}
	lanes, err := c.LanesOfKinds()
	if err != nil {
		return edge.Config{}, fmt.Errorf("lanes: %w", err)
	}
	proxies, err := c.Proxies()
	if err != nil {
		return edge.Config{}, fmt.Errorf("trusted_proxies: %w", err)
	}
	ring, err := c.Ring()
	if err != nil {
		return edge.Config{}, err
	}
	mode, err := c.SocketPermissions()
	if err != nil {
		return edge.Config{}, fmt.Errorf("tcp_socket_mode: %w", err)
	}
	ec := edge.Config{
		Node:   edge.NewNode(),
		Listen: c.Listen, ListenTCP: c.ListenTCP, TCPFraming: tcp.Framing(c.TCPFraming), SocketMode: mode, Shards: c.Shards,
		MaxConnections: p.capacity.Connections, MaxSockets: p.capacity.Sockets, MaxPerIP: c.MaxConnectionsPerIP, IPv6Prefix: c.IPv6PrefixLength, MaxRooms: c.MaxRoomsPerConn,
		DefaultRoom: c.DefaultRoom, AllowedOrigins: c.AllowedOrigins, RequireOrigin: c.RequireOrigin, SocketPaths: c.SocketPaths, TokenCookie: c.AuthCookie, Proxies: proxies, Echo: c.Echo,
		MaxMessage: int(c.MaxMessageBytes), HandshakeTimeout: c.HandshakeTimeout, FrameTimeout: c.FrameTimeout,
		PingInterval: c.PingInterval, PingTimeout: c.PingTimeout, CloseTimeout: c.CloseTimeout,
		PublishRate: c.PublishRate, PublishBurst: c.PublishBurst, PublishBytes: int(c.PublishBytes), MaxPublish: int(c.MaxPublishBytes),
		SlowPolicy: edge.SlowPolicy(c.SlowPolicy), SlowTimeout: c.SlowTimeout,
		RoomLogBytes: int(c.RoomLogBytes), LogBytes: int(c.LogBytes), UnreadBytes: int(c.UnreadBytes), UnfinishedBytes: int(c.UnfinishedBytes),
		SendBuffer: int(c.SendBufferBytes), UserTimeout: c.TCPUserTimeout, Backlog: c.Backlog,
		Keys: ring, Anonymous: c.Anonymous, AuthTimeout: c.AuthTimeout, AckTimeout: c.AckTimeout, LastSeen: c.LastSeen, RequestTimeout: c.RequestTimeout, Compression: c.Compression, CompressWait: c.CompressWait, History: rules, Targets: targets, Lanes: lanes,
		Logger: p.log,
		OnFatal: func(err error) {
			select {
			case p.fatal <- err:
			default: // one is enough
			}
		},
	}
	return ec, addPage(&ec)
}

// addPage adds the viewer page, and the client that other pages load.
func addPage(ec *edge.Config) error {
	page, err := web.Assets()
	if err != nil {
		return err
	}
	client, err := web.Client()
	if err != nil {
		return err
	}
	ec.AssetHeaders = headerLines(web.Headers())
	for _, a := range append(page, client...) {
		ec.Assets = append(ec.Assets, edge.Asset{Path: a.Path, ContentType: a.ContentType, Headers: headerLines(a.Headers), Body: a.Body})
	}
	return nil
}

// dashboard is what the admin listener serves to browsers.
func dashboard() ([]api.Page, error) {
	files, err := web.Dashboard()
	if err != nil {
		return nil, err
	}
	headers := make(map[string]string)
	for _, h := range web.Headers() {
		headers[h.Name] = h.Value
	}
	pages := make([]api.Page, len(files))
	for i, f := range files {
		pages[i] = api.Page{Path: f.Path, ContentType: f.ContentType, Headers: headers, Body: f.Body}
	}
	return pages, nil
}

func headerLines(list []web.Header) string {
	var lines strings.Builder
	for _, h := range list {
		fmt.Fprintf(&lines, "%s: %s\r\n", h.Name, h.Value)
	}
	return lines.String()
}

// redisStart bounds how long the first clients are kept out while Redis is
// connected: earlier they would be let in without the other nodes' messages.
const redisStart = 2 * time.Second

// Start follows Redis and begins to listen.
func (n *node) Start() error {
	if n.bridge != nil {
		n.bridge.Start()
		for end := time.Now().Add(redisStart); n.bridge.Err() != nil; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				n.log.Warn("serving without Redis until it answers", "err", n.bridge.Err())
				break
			}
		}
	}
	err := n.Server.Start()
	if err != nil {
		n.release()
		return err
	}
	if n.queues != nil {
		n.queues.Start()
	}
	return nil
}

// Drain takes nothing more of queues before viewers go.
func (n *node) Drain(ctx context.Context, window time.Duration) error {
	n.stopQueues()
	return n.Server.Drain(ctx, window)
}

func (n *node) stopQueues() {
	if n.queues != nil {
		n.queues.Close()
	}
}

// Close ends what calls the server first.
func (n *node) Close() {
	n.stopQueues()
	if n.bridge != nil {
		_ = n.bridge.Close() // it can only say that Redis was already gone
	}
	n.Server.Close()
	n.release()
}

// release ends what does not need the server. It may be called again.
func (n *node) release() {
	n.stopQueues()
	if n.bridge != nil {
		_ = n.bridge.Close() // as above
	}
	n.backends.close() // which may still tell the event stream something
	n.backends = backends{}
	if n.redis != nil {
		_ = n.redis.Close() // it has nothing to lose
		n.redis = nil
	}
}

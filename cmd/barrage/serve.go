package main

// This file wires the server: edge, with the viewer page, and Redis where it is
// set.

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"barrage/edge"
	"barrage/redisbridge"
	"barrage/web"
)

// wired is an edge server and the bridge that joins it to other nodes.
type wired struct {
	*edge.Server
	bridge *redisbridge.Bridge // nil on a single node
	log    *slog.Logger
}

// newNode builds the node that serve runs.
func newNode(p parts) (node, error) {
	ec := edgeConfig(p)
	assets, err := web.Assets()
	if err != nil {
		return nil, err
	}
	for _, a := range assets {
		ec.Assets = append(ec.Assets, edge.Asset(a))
	}
	var headers strings.Builder
	for _, h := range web.Headers() {
		fmt.Fprintf(&headers, "%s: %s\r\n", h.Name, h.Value)
	}
	ec.AssetHeaders = headers.String()
	server, err := edge.New(ec)
	if err != nil {
		return nil, err
	}
	n := &wired{Server: server, log: p.log}
	if p.cfg.Redis == "" {
		return n, p.registry.Register(&collector{server: server})
	}
	redisbridge.RouteClientLog(p.log)
	n.bridge, err = redisbridge.New(redisbridge.Config{
		URL: p.cfg.Redis, Prefix: p.cfg.RedisPrefix, Channels: p.cfg.RedisChannels, Node: server.Node(),
		Linger: p.cfg.RedisLinger, Timeout: p.cfg.RedisTimeout, Outage: p.cfg.RedisOutage,
		Deliver: server.Deliver, Members: server.Members, Ready: server.RoomReady, Logger: p.log,
	})
	if err != nil {
		return nil, err
	}
	server.SetBroker(n.bridge)
	return n, p.registry.Register(&collector{server, n.bridge})
}

func edgeConfig(p parts) edge.Config {
	c := p.cfg
	return edge.Config{
		Listen: c.Listen, Shards: c.Shards,
		MaxConnections: p.capacity.connections, MaxSockets: p.capacity.sockets, MaxPerIP: c.MaxConnectionsPerIP, MaxRooms: c.MaxRoomsPerConn,
		DefaultRoom: c.DefaultRoom, AllowedOrigins: c.AllowedOrigins, RequireOrigin: c.RequireOrigin, Echo: c.Echo,
		MaxMessage: int(c.MaxMessageBytes), HandshakeTimeout: c.HandshakeTimeout, FrameTimeout: c.FrameTimeout,
		PingInterval: c.PingInterval, PingTimeout: c.PingTimeout, CloseTimeout: c.CloseTimeout,
		PublishRate: c.PublishRate, PublishBurst: c.PublishBurst,
		SlowPolicy: edge.SlowPolicy(c.SlowPolicy), SlowTimeout: c.SlowTimeout,
		RoomLogBytes: int(c.RoomLogBytes), LogBytes: int(c.LogBytes),
		SendBuffer: int(c.SendBufferBytes), UserTimeout: c.TCPUserTimeout, Backlog: c.Backlog,
		Logger: p.log,
		OnFatal: func(err error) {
			select {
			case p.fatal <- err:
			default: // one is enough
			}
		},
	}
}

// redisStart bounds how long the first clients are kept out while Redis is
// connected: earlier they would be let in without the other nodes' messages.
const redisStart = 2 * time.Second

// Start follows Redis and begins to listen.
func (n *wired) Start() error {
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
	if err != nil && n.bridge != nil {
		_ = n.bridge.Close() // the listener's error is the one to tell
	}
	return err
}

// Close ends the bridge first, as it delivers to the server.
func (n *wired) Close() {
	if n.bridge != nil {
		// It can only say that Redis was already gone.
		_ = n.bridge.Close()
	}
	n.Server.Close()
}

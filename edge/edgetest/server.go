// Package edgetest is what the tests of a server and those of its protocols share: a
// server that lives as long as a test, a WebSocket viewer, a broker that waits.
package edgetest

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/conn"
	"barrage/edge/hooks"
	"barrage/edge/node"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

// Patience bounds every wait of the tests; nothing is decided by it but that a
// thing never happens.
const Patience = 20 * time.Second

// Server is a server, with what its protocols are given.
type Server struct {
	*edge.Server
	Config edge.Config
	Node   *node.Node
}

// Start starts a server whose settings are those of change, after setup.
func Start(t testing.TB, change func(*edge.Config), setup ...func(*Server)) *Server {
	t.Helper()
	s := &Server{Config: edge.Config{
		Node: edge.NewNode(), Listen: "127.0.0.1:0", Shards: 2, MaxConnections: 10000,
		PublishRate: 1e6, PublishBurst: 1000000,
		Tick: 10 * time.Millisecond, History: broker.DefaultRules(),
		PingInterval: time.Hour, // most tests count what comes, and may take long on a busy machine
		Protocols:    edge.Protocols(), Logger: slog.New(slog.DiscardHandler),
	}}
	if change != nil {
		change(&s.Config)
	}
	last := &s.Config.Protocols[len(s.Config.Protocols)-1]
	start := last.Start
	last.Start = func(n *node.Node) func(*conn.Loop) conn.Protocol {
		s.Node = n
		return start(n)
	}
	var err error
	s.Server, err = edge.New(s.Config)
	Must(t, err)
	for _, f := range setup {
		f(s)
	}
	Must(t, s.Server.Start())
	t.Cleanup(s.Close)
	return s
}

// NewHooks returns what asks backends, until the test ends.
func NewHooks(t testing.TB, cfg hooks.Config) *hooks.Hooks {
	t.Helper()
	cfg.Node, cfg.Secrets = "n1", []string{"0123456789abcdef"}
	h, err := hooks.New(cfg)
	Must(t, err)
	t.Cleanup(h.Close)
	return h
}

// StartHooked is Start with backends that are asked.
func StartHooked(t testing.TB, cfg hooks.Config, change func(*edge.Config)) *Server {
	t.Helper()
	h := NewHooks(t, cfg)
	return Start(t, func(c *edge.Config) {
		c.Hooks = h
		if change != nil {
			change(c)
		}
	})
}

// Must ends the test at an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// WaitFor waits until something is so.
func WaitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// PublishTo sends a text through the API's entrance.
func PublishTo(t testing.TB, s *Server, room, text string) (deliveredTo int) {
	t.Helper()
	r, err := s.Publish(context.Background(), &broker.Publication{Room: room, Format: broker.Text, Payload: []byte(text)})
	Must(t, err)
	return r.Members
}

// WaitMembers waits until a room has so many members here.
func WaitMembers(t testing.TB, s *Server, room string, n int) {
	t.Helper()
	WaitFor(t, fmt.Sprintf("%d members of %s", n, room), func() bool { return s.Delivery.Members(room) == n })
}

// WantCount waits until a room has so many users and connections.
func WantCount(t testing.TB, s *Server, room string, users, connections int) {
	t.Helper()
	WaitFor(t, fmt.Sprintf("%d users and %d connections in %s", users, connections, room), func() bool {
		u, c := s.Node.Count(room)
		return u == users && c == connections
	})
}

// Balanced checks the accounting of all shards once nothing is pending.
func Balanced(t testing.TB, s *Server) {
	t.Helper()
	WaitFor(t, "offered = delivered + skipped", func() bool {
		for _, f := range s.Stats().Fanout {
			sum := f.Delivered + f.Pending
			for _, n := range f.Skipped {
				sum += n
			}
			if f.Offered != sum {
				t.Fatalf("offered %d, delivered %d, skipped %v, pending %d", f.Offered, f.Delivered, f.Skipped, f.Pending)
			}
			if f.Pending != 0 {
				return false
			}
		}
		return true
	})
}

// NewMemory makes the broker in memory that a test's broker is in front of.
func NewMemory(t testing.TB, s *Server, cfg memory.Config) *memory.Broker {
	t.Helper()
	m, err := memory.New(cfg, s.Delivery)
	Must(t, err)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

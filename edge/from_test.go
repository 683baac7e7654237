// Whom publishes are counted for.

package edge_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/conn"
	"barrage/edge/edgetest"
	"barrage/edge/proxy"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

// A notingBroker tells where publishes come from.
type notingBroker struct {
	broker.Broker
	from chan netip.Addr
}

func (b notingBroker) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	b.from <- p.From
	return b.Broker.Publish(ctx, p)
}

func (b notingBroker) TryPublish(p *broker.Publication, done func(broker.Receipt, error)) bool {
	b.from <- p.From
	return b.Broker.TryPublish(p, done)
}

func startNoting(t testing.TB, change func(*edge.Config)) (*edgetest.Server, notingBroker) {
	t.Helper()
	b := notingBroker{from: make(chan netip.Addr, 1)}
	s := edgetest.Start(t, change, func(s *edgetest.Server) {
		b.Broker = edgetest.NewMemory(t, s, memory.Config{})
		s.SetBroker(b)
	})
	return s, b
}

// TestPublishedFrom: what a client publishes is counted for its address, in each protocol,
// also where its number was another's before; a trusted proxy's for the viewer; and a
// backend's for none.
func TestPublishedFrom(t *testing.T) {
	t.Parallel()
	s, b := startNoting(t, func(c *edge.Config) {
		behindProxies(proxy.Config{Header: proxy.XForwardedFor})(c)
		c.Shards = 1 // so that numbers are used again
	})
	const v1 = "Sec-WebSocket-Protocol: barrage.v1\r\n"
	for _, x := range []struct{ name, from, headers, want string }{
		{"raw", "127.0.0.7", "", "127.0.0.7"},
		{"another", "127.0.0.8", "", "127.0.0.8"},
		{"v1", "127.0.0.9", v1, "127.0.0.9"},
		{"through a proxy", "127.0.0.1", "X-Forwarded-For: 203.0.113.9\r\n", "203.0.113.9"},
		{"of an IPv6 network", "127.0.0.1", v1 + "X-Forwarded-For: 2001:db8::1:2:3\r\n", "2001:db8::"},
		{"a proxy that says nothing", "127.0.0.1", "", "127.0.0.1"},
	} {
		c, _ := edgetest.ShakeOn(t, from(t, s, x.from), edgetest.UpgradeRequest("/ws?room=a", x.headers))
		for range 2 {
			c.Send(frame.Text, `{"id":1,"cmd":"publish","room":"a","data":"hello"}`)
			if got := <-b.from; got != netip.MustParseAddr(x.want) {
				t.Errorf("%s: from %v, want %s", x.name, got, x.want)
			}
		}
		_ = c.Conn.Close()
		edgetest.WaitFor(t, "its end", func() bool { return s.Stats().Connections == 0 })
	}
	go edgetest.PublishTo(t, s, "a", "news")
	if got := <-b.from; got.IsValid() {
		t.Errorf("a backend's is from %v", got)
	}
}

// BenchmarkFrom is what it costs to know where a message comes from.
func BenchmarkFrom(b *testing.B) {
	s := edgetest.Start(b, func(c *edge.Config) { c.Shards = 1 })
	edgetest.Join(b, s, "/ws?room=a")
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	b.ReportAllocs()
	_, err := conn.Gather(ctx, s.Node.Loops, func(l *conn.Loop) int {
		id := conn.ID(0)
		for !l.From(id).IsLoopback() {
			id++
		}
		for b.Loop() {
			l.From(id)
		}
		return 0
	})
	edgetest.Must(b, err)
}

package redisbridge

// How much of what the client library can receive is left after parsing and
// delivering. Redis and both ends share the machine's cores: compare the two,
// do not quote either alone.

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"barrage/edge/broker"
)

// pump keeps at most window messages in flight, so that Redis's output buffer
// limit never cuts the subscriber.
func pump(b *testing.B, s *server, channel, payload string, received *atomic.Int64, count int64) {
	const batch, window = 256, 16384
	pipe := s.Pipeline()
	for sent := int64(0); sent < count; {
		for sent-received.Load() > window {
			runtime.Gosched()
		}
		n := min(batch, count-sent)
		for range n {
			pipe.Publish(context.Background(), channel, payload)
		}
		if _, err := pipe.Exec(context.Background()); err != nil {
			b.Error(err)
			return
		}
		sent += n
	}
}

func BenchmarkReceive(b *testing.B) {
	plain := strings.Repeat("x", 200)
	enveloped := string(appendBody(appendEnvelope(nil, 1), "other-node", 1, message("a", plain)))
	report := func(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s") }

	bridged := func(channel, payload string) func(b *testing.B) {
		return func(b *testing.B) {
			s := startRedis(b)
			var received atomic.Int64
			done := make(chan struct{})
			n := &node{t: b, members: map[string]int{"a": 1}, ready: make(map[string]int)}
			br, err := New(calmConfig(s.url()), counting{(*receiver)(n), func(*broker.Message) {
				if received.Add(1) == int64(b.N) {
					close(done)
				}
			}})
			if err != nil {
				b.Fatal(err)
			}
			n.Bridge = br
			br.Start()
			defer br.Close()
			n.waitUp()
			n.join("a")
			b.ReportAllocs()
			b.SetBytes(int64(len(plain)))
			b.ResetTimer()
			go pump(b, s, channel, payload, &received, int64(b.N))
			<-done
			report(b)
		}
	}
	b.Run("via=bridge/channel=plain", bridged("room:a", plain))
	b.Run("via=bridge/channel=internal", bridged(newLayout("room:").message("a"), enveloped))
	b.Run("via=go-redis", func(b *testing.B) {
		s := startRedis(b)
		c := redis.NewClient(&redis.Options{Addr: s.addr()})
		defer c.Close()
		sub := c.Subscribe(context.Background(), "room:a")
		defer sub.Close()
		if _, err := sub.Receive(context.Background()); err != nil {
			b.Fatal(err)
		}
		var received atomic.Int64
		b.ReportAllocs()
		b.SetBytes(int64(len(plain)))
		b.ResetTimer()
		go pump(b, s, "room:a", plain, &received, int64(b.N))
		for received.Load() < int64(b.N) {
			if _, err := sub.ReceiveMessage(context.Background()); err != nil {
				b.Fatal(err)
			}
			received.Add(1)
		}
		report(b)
	})
}

// counting has a receiver that keeps nothing.
type counting struct {
	*receiver
	count func(*broker.Message)
}

func (c counting) Deliver(m *broker.Message) int {
	c.count(m)
	return 1
}

// What appending to a history costs more than bare PUBLISH, and what the bridge
// adds to either.
func BenchmarkTryPublish(b *testing.B) {
	payload := make([]byte, 64)
	report := func(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s") }
	bridged := func(rules broker.Rules) func(b *testing.B) {
		return func(b *testing.B) {
			s := startRedis(b)
			cfg := calmConfig(s.url())
			cfg.Rules = rules
			n := healthyNode(b, cfg)
			p := &broker.Publication{Room: "a", Format: broker.Binary, Payload: payload}
			b.ReportAllocs()
			for b.Loop() {
				for !n.TryPublish(p, nil) {
					runtime.Gosched()
				}
			}
			eventually(b, "the queue is empty", func() bool { return n.Stats().Queued == 0 })
			report(b)
			if st := n.Stats(); st.Published != uint64(b.N) {
				b.Errorf("published %d of %d", st.Published, b.N)
			}
		}
	}
	b.Run("via=bridge/history=off", bridged(nil))
	b.Run("via=bridge/history=on", bridged(broker.DefaultRules()))
	b.Run("via=go-redis", func(b *testing.B) {
		s := startRedis(b)
		var none atomic.Int64
		none.Store(int64(b.N)) // nobody receives: no window
		b.ReportAllocs()
		b.ResetTimer()
		pump(b, s, "room:a", string(payload), &none, int64(b.N))
		report(b)
	})
}

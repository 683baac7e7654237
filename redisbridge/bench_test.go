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
	enveloped := string(appendEnvelope(nil, "other-node", 1, false, []byte(plain)))
	report := func(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s") }

	bridged := func(channel, payload string) func(b *testing.B) {
		return func(b *testing.B) {
			s := startRedis(b)
			var received atomic.Int64
			done := make(chan struct{})
			cfg := calmConfig(s.url())
			cfg.Members = func(string) int { return 1 }
			ready := make(chan struct{}, 1)
			cfg.Ready = func(string) { ready <- struct{}{} }
			cfg.Deliver = func(string, bool, []byte) {
				if received.Add(1) == int64(b.N) {
					close(done)
				}
			}
			br, err := New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			br.Start()
			defer br.Close()
			eventually(b, "up", func() bool { return br.Err() == nil })
			if !br.Want("a") {
				<-ready
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(plain)))
			b.ResetTimer()
			go pump(b, s, channel, payload, &received, int64(b.N))
			<-done
			report(b)
		}
	}
	b.Run("via=bridge/channel=plain", bridged("room:a", plain))
	b.Run("via=bridge/channel=internal", bridged("barrage:msg:room:a", enveloped))
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

func BenchmarkTryPublish(b *testing.B) {
	s := startRedis(b)
	cfg := calmConfig(s.url())
	cfg.Deliver, cfg.Members, cfg.Ready = func(string, bool, []byte) {}, func(string) int { return 0 }, func(string) {}
	br, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	br.Start()
	defer br.Close()
	eventually(b, "up", func() bool { return br.Err() == nil })
	payload := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		for !br.TryPublish("a", true, payload) {
			runtime.Gosched()
		}
	}
	eventually(b, "the queue is empty", func() bool { return br.Stats().Queued == 0 })
	b.ReportMetric(float64(br.Stats().Published)/b.Elapsed().Seconds(), "msg/s")
}

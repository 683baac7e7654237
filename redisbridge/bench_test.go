package redisbridge

// How much of what the client library can receive is left after parsing and
// delivering. Redis and both ends share the machine's cores: compare the two,
// do not quote either alone.

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker"
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
			br, err := New(calmConfig(s.URL()), counting{(*receiver)(n), func(*broker.Message) {
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
		c := redis.NewClient(&redis.Options{Addr: s.Addr})
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

// A window bounds what is under way and has the sender sleep, not spin, when it
// is full. Places are given back a step at a time, so that a message costs both
// sides one addition.
type window struct {
	steps chan struct{}
	taken int64 // by the one sender
	done  atomic.Int64
}

const (
	windowStep  = 512
	windowSteps = 4
)

func newWindow() *window {
	w := &window{steps: make(chan struct{}, windowSteps)}
	for range windowSteps {
		w.steps <- struct{}{}
	}
	return w
}

func (w *window) enter() {
	if w.taken%windowStep == 0 {
		<-w.steps
	}
	w.taken++
}

func (w *window) leave(broker.Receipt, error) {
	if w.done.Add(1)%windowStep == 0 {
		w.steps <- struct{}{}
	}
}

// usedCPU is of this process alone: Redis is another.
func usedCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measured runs publish, which returns when all b.N messages are acknowledged.
func measured(b *testing.B, publish func()) {
	b.ReportAllocs()
	runtime.GC() // what the preparation left
	cpu := usedCPU(b)
	b.ResetTimer()
	publish()
	b.StopTimer()
	cpu = usedCPU(b) - cpu
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(b.N)/cpu.Seconds(), "msg/cpu-s")
}

// What the bridge adds to a go-redis pipeline of the same commands, and what
// appending to a history costs more than bare PUBLISH. Compare msg/cpu-s: what a
// core of ours publishes, whatever Redis takes.
func BenchmarkTryPublish(b *testing.B) {
	payload := make([]byte, 64)
	bridged := func(rules broker.Rules) func(b *testing.B) {
		return func(b *testing.B) {
			s := startRedis(b)
			cfg := calmConfig(s.URL())
			cfg.Retention = rules.For
			n := healthyNode(b, cfg)
			p := &broker.Publication{Room: "a", Format: broker.Binary, Payload: payload}
			w := newWindow()
			done := w.leave
			measured(b, func() {
				for range b.N {
					w.enter()
					if !n.TryPublish(p, done) {
						b.Fatal("refused within the window")
					}
				}
				eventually(b, "all is acknowledged", func() bool { return w.done.Load() == int64(b.N) })
			})
			if st := n.Stats(); st.Published != uint64(b.N) {
				b.Errorf("published %d of %d", st.Published, b.N)
			}
		}
	}
	bare := func(issue func(redis.Pipeliner)) func(b *testing.B) {
		return func(b *testing.B) {
			s := startRedis(b)
			if err := publishScript.Load(context.Background(), s).Err(); err != nil {
				b.Fatal(err)
			}
			measured(b, func() {
				pipe := s.Pipeline()
				for i := range b.N {
					issue(pipe)
					if (i+1)%batchLen != 0 && i+1 < b.N {
						continue
					}
					if _, err := pipe.Exec(context.Background()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	b.Run("history=off/via=bridge", bridged(nil))
	b.Run("history=off/via=go-redis", bare(func(pipe redis.Pipeliner) {
		pipe.Publish(context.Background(), "room:a", payload)
	}))
	names, script, number := newLayout("room:"), publishScript, uint64(0)
	keep := broker.DefaultRules().For("a")
	b.Run("history=on/via=bridge", bridged(broker.DefaultRules()))
	b.Run("history=on/via=go-redis", bare(func(pipe redis.Pipeliner) {
		number++
		id := messageID("node", number)
		script.EvalSha(context.Background(), pipe, []string{names.meta("a"), names.log("a"), names.result("a", "", "", id)},
			"epoch", keep.Messages, keep.Age.Milliseconds(), (keep.Age + metaKeep).Milliseconds(), ownKeyAge.Milliseconds(),
			id, payload, names.message("a"), "PUBLISH", "", 0, keep.MaxBytes("a"))
	}))
}

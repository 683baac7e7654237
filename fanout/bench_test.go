// What publishing and flushing cost, without sockets.

package fanout

import (
	"fmt"
	"testing"
	"time"
)

// nullSink takes everything.
type nullSink struct{ n int }

func (f *nullSink) Send(_ uint32, p []byte) int { f.n++; return len(p) }
func (f *nullSink) Sendv(_ uint32, b [][]byte) int {
	n := 0
	for _, p := range b {
		n += len(p)
	}
	return n
}
func (f *nullSink) Queue(uint32, []byte)                           {}
func (*nullSink) Subscriber(uint64) (uint32, bool)                 { return 0, false }
func (f *nullSink) Blocked(uint32) bool                            { return false }
func (f *nullSink) Skipped(uint32, string, uint64, uint64, uint64) {}

// forever is a Publication and its Message in all encodings, never given back,
// so that publishing allocates nothing but what fanout itself does.
type forever struct {
	b   []byte
	seq uint64
}

func (f *forever) Sequence() uint64        { f.seq++; return f.seq }
func (f *forever) Size() int               { return len(f.b) }
func (f *forever) Encode(Encoding) Message { return f }
func (f *forever) Origin() uint64          { return 0 }

func (f *forever) AppendPart(b []byte, _ Encoding) []byte { return append(b, f.b...) }
func (f *forever) Bytes() []byte                          { return f.b }
func (f *forever) Retain()                                {}
func (f *forever) Release()                               {}

// newNullShard has a room whose members are spread over the encodings.
func newNullShard(t testing.TB, cfg Config, members uint32) (*Hub, *Shard) {
	t.Helper()
	hub, err := NewHub(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := hub.Shard(0)
	s.Attach(new(nullSink), func() {})
	for i := range members {
		s.Join(i, "r", Encoding(int(i)%max(cfg.Encodings, 1)), false)
	}
	return hub, s
}

func BenchmarkFlush(b *testing.B) {
	for _, members := range []uint32{100, 10000} {
		b.Run(fmt.Sprintf("members=%d/msg=64B", members), func(b *testing.B) {
			hub, s := newNullShard(b, Config{}, members)
			benchFlush(b, hub, s)
		})
	}
	b.Run("members=10000/msg=64B/batches=possible", func(b *testing.B) {
		hub, s := newNullShard(b, Config{Encodings: 1}, 10000)
		hub.cfg.Batched = 1 << 1 // nobody is there
		benchFlush(b, hub, s)
	})
	b.Run("members=10000/msg=64B/encodings=4", func(b *testing.B) {
		hub, s := newNullShard(b, Config{Encodings: 4}, 10000)
		benchFlush(b, hub, s)
	})
}

func benchFlush(b *testing.B, hub *Hub, s *Shard) {
	m := &forever{b: make([]byte, 64)}
	b.ReportAllocs()
	start := time.Now()
	for b.Loop() {
		publish(b, hub, "r", m)
		for s.Work() {
		}
	}
	b.ReportMetric(float64(s.Stats().Delivered)/time.Since(start).Seconds(), "deliveries/s")
}

// BenchmarkPublish is for a room with one member in each encoding, so that what
// publishing itself costs is not lost among deliveries.
func BenchmarkPublish(b *testing.B) {
	for _, encodings := range []int{1, 4} {
		b.Run(fmt.Sprintf("encodings=%d", encodings), func(b *testing.B) {
			hub, s := newNullShard(b, Config{Encodings: encodings}, uint32(encodings))
			benchFlush(b, hub, s)
		})
	}
}

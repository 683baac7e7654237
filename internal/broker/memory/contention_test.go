package memory_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

// An encoder does for a message what a server does with members that get JSON,
// plain and deflated.
type encoder struct {
	delivered atomic.Int64
	bytes     atomic.Int64
}

func (e *encoder) Deliver(m *broker.Message) int {
	var text bytes.Buffer
	w := json.NewEncoder(&text)
	w.SetEscapeHTML(false)
	if err := w.Encode(map[string]any{"push": "message", "room": m.Room, "id": m.ID, "offset": m.Offset, "time": m.Time, "data": json.RawMessage(m.Payload)}); err != nil {
		panic(err) // the payloads are valid
	}
	for _, f := range []*frame.Frame{frame.Encode(frame.Text, text.Bytes()), frame.EncodeDeflated(frame.Text, text.Bytes())} {
		e.bytes.Add(int64(len(f.Bytes())))
		f.Release()
	}
	e.delivered.Add(1)
	return 1
}
func (e *encoder) Lost(string, broker.Gap) {}
func (e *encoder) Ready(string)            {}
func (e *encoder) Members(string) int      { return 1 }

// payloadOf is JSON of about so many bytes that compresses as talk does.
func payloadOf(size int) []byte {
	var b strings.Builder
	b.WriteString(`{"text":"`)
	for i := uint32(1); b.Len() < size-2; i = i*1664525 + 1013904223 {
		fmt.Fprintf(&b, "word%d ", i>>22)
	}
	return append([]byte(b.String()[:size-2]), `"}`...)
}

// BenchmarkContention has publishers, each with rooms in turn, publish messages that
// are encoded and deflated for their members. How long a call takes is how long an
// event loop (by=try) serves nobody else, or a request (by=wait) waits.
func BenchmarkContention(b *testing.B) {
	for _, size := range []int{64, 16 << 10} {
		for _, rooms := range []int{1, 1000} {
			for _, publishers := range []int{1, 2, 4} {
				for _, by := range []string{"try", "wait"} {
					b.Run(fmt.Sprintf("msg=%dB/rooms=%d/publishers=%d/by=%s", size, rooms, publishers, by), func(b *testing.B) {
						contend(b, payloadOf(size), rooms, publishers, by == "try")
					})
				}
			}
		}
	}
}

func contend(b *testing.B, payload []byte, rooms, publishers int, try bool) {
	receiver := &encoder{}
	m := newMemory(b, memory.Config{Rules: all(100, time.Hour), MaxBytes: 1 << 30}, receiver)
	names := make([]string, rooms)
	for i := range names {
		names[i] = fmt.Sprint("room", i)
	}
	took := make([][]time.Duration, publishers)
	for i := range took {
		took[i] = make([]time.Duration, 0, b.N/publishers+1)
	}
	var answered, refused atomic.Int64
	done := func(broker.Receipt, error) { answered.Add(1) }
	publish := func(p *broker.Publication) bool {
		if try {
			return m.TryPublish(p, done)
		}
		_, err := m.Publish(context.Background(), p)
		answered.Add(1)
		return err == nil
	}
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for g := range publishers {
		wg.Go(func() {
			p := broker.Publication{Format: broker.JSON, Payload: payload, Sender: broker.Sender{User: "ada", Name: "Ada"}}
			for i := g; i < b.N; i += publishers {
				p.Room = names[i%rooms]
				for ok := false; !ok; {
					start := time.Now()
					if ok = publish(&p); ok {
						took[g] = append(took[g], time.Since(start))
					} else {
						refused.Add(1)
						time.Sleep(100 * time.Microsecond)
					}
				}
			}
		})
	}
	wg.Wait()
	for answered.Load() < int64(b.N) {
		runtime.Gosched()
	}
	b.StopTimer()
	if got := receiver.delivered.Load(); got != int64(b.N) {
		b.Fatalf("%d messages of %d were delivered", got, b.N)
	}
	calls := slices.Concat(took...)
	slices.Sort(calls)
	b.ReportMetric(float64(calls[len(calls)*99/100])/1e3, "p99-us")
	b.ReportMetric(float64(calls[len(calls)/2])/1e3, "p50-us")
	b.ReportMetric(float64(refused.Load())/float64(b.N), "refused/op")
}

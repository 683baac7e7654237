package memory_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

// BenchmarkPublish is the cost of a publish beside its delivery. With all
// processors in one room they wait for each other.
func BenchmarkPublish(b *testing.B) {
	for _, bench := range []struct {
		rooms int
		keep  int
		keys  bool
	}{{1, 0, false}, {1, 100, false}, {1000, 100, false}, {100_000, 100, false}, {1000, 100, true}} {
		b.Run(fmt.Sprintf("rooms=%d/keep=%d/keys=%v/msg=64B", bench.rooms, bench.keep, bench.keys), func(b *testing.B) {
			m := newMemory(b, memory.Config{Rules: all(bench.keep, time.Hour)}, nobody{})
			names := make([]string, bench.rooms)
			for i := range names {
				names[i] = fmt.Sprint("room", i)
			}
			var next atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				p := broker.Publication{Format: broker.Text, Payload: make([]byte, 64), Sender: broker.Sender{User: "ada", Name: "Ada"}}
				for i := int(next.Add(1_000_003)); pb.Next(); i++ {
					p.Room = names[i%len(names)]
					if bench.keys {
						p.Key = fmt.Sprint(i)
					}
					for !m.TryPublish(&p, nil) {
						runtime.Gosched() // more is published than one goroutine can deliver
					}
				}
			})
		})
	}
}

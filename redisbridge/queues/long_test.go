package queues

// Queues that have grown for long while nobody published them.

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"barrage/internal/broker"
	"barrage/internal/redistest"
	"barrage/redisbridge"
)

// counted is a receiver that keeps nothing of what it gets, but knows what should be next.
type counted struct {
	next  atomic.Int64
	wrong atomic.Pointer[string]
}

func (c *counted) Deliver(m *broker.Message) int {
	if want := fmt.Sprint("m", c.next.Load()); string(m.Payload) != want {
		wrong := fmt.Sprintf("%s came, %s should have been next", m.Payload, want)
		c.wrong.CompareAndSwap(nil, &wrong)
	}
	c.next.Add(1)
	return 1
}
func (c *counted) Lost(string, broker.Gap) {}
func (c *counted) Ready(string)            {}
func (c *counted) Members(string) int      { return 1 }

// heap is what is in use, of which some may be garbage.
func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestLongQueue: a queue is published whole and in order however long it is, a part at a time,
// and leaves nothing behind in Redis but what says where it is. BARRAGE_QUEUE=1000000 has it be
// of a million entries (make queues).
func TestLongQueue(t *testing.T) { // not parallel: it looks at the heap
	entries, bound := 3000, int64(64<<20)
	if s := os.Getenv("BARRAGE_QUEUE"); s != "" {
		var err error
		if entries, err = strconv.Atoi(s); err != nil || entries < 1 {
			t.Fatalf("BARRAGE_QUEUE=%q is not a number of entries", s)
		}
	}
	for name, q := range kinds {
		t.Run(name, func(t *testing.T) {
			r, c := redistest.Start(t), new(counted)
			n := &node{}
			var err error
			rule := broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: 1000, Age: time.Hour}}}
			n.Bridge, err = redisbridge.New(redisbridge.Config{URL: r.URL(), Retention: rule.For, Timeout: patience}, c)
			must(t, err)
			n.Start()
			t.Cleanup(func() { _ = n.Bridge.Close() })
			eventually(t, "the room to be subscribed", func() bool { return n.Err() == nil && n.Want("r") })
			const atOnce = 10_000
			for from := 0; from < entries; from += atOnce {
				var some []string
				for i := from; i < min(entries, from+atOnce); i++ {
					some = append(some, fmt.Sprint("m", i))
				}
				push(t, r, q, some...)
			}
			runtime.GC()
			before, most, began := heap(), int64(0), time.Now()
			s := n.newSet(t, r.URL(), func(c *Config) { c.Timeout, c.Lease = patience, 5*patience }, q)
			for at, since := int64(-1), time.Now(); ; time.Sleep(5 * time.Millisecond) {
				most = max(most, heap()-before)
				now := c.next.Load()
				if now != at {
					at, since = now, time.Now()
				}
				if now >= int64(entries) || time.Since(since) > 5*patience {
					break
				}
			}
			took := time.Since(began)
			if got := c.next.Load(); got != int64(entries) {
				t.Fatalf("%d of %d were delivered", got, entries)
			}
			if wrong := c.wrong.Load(); wrong != nil {
				t.Error(*wrong)
			}
			if most > bound {
				t.Errorf("the heap grew by %d MiB, more than %d", most>>20, bound>>20)
			}
			s.settled(t)
			t.Logf("%d entries in %v, %.0f a second; the heap grew by %d MiB at most; Redis has %s", entries, took.Round(time.Millisecond),
				float64(entries)/took.Seconds(), most>>20, memoryOf(r))
		})
	}
}

func memoryOf(r *redistest.Server) string {
	info, _ := r.Info(context.Background(), "memory").Result()
	_, rest, _ := strings.Cut(info, "used_memory_human:")
	text, _, _ := strings.Cut(rest, "\r")
	return text
}

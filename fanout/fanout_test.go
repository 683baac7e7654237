package fanout

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestStorm joins, leaves and publishes from many goroutines. Run under -race.
func TestStorm(t *testing.T) {
	const shards, subs, publishers, each = 4, 50, 4, 500
	hub, err := NewHub(Config{Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	sinks := make([]*fakeSink, shards)
	var wg, pubs sync.WaitGroup
	done := make(chan struct{})
	for i := range shards {
		wake := make(chan struct{}, 1)
		sinks[i] = newFakeSink(subs, 1<<40)
		s := hub.Shard(i)
		s.Attach(sinks[i], func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		})
		for sub := range subs {
			s.Join(uint32(sub), "steady")
		}
		wg.Go(func() { // stopped by done
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for {
				select {
				case <-wake:
					for s.Work() {
					}
					sub := uint32(rng.IntN(subs))
					if !s.Join(sub, "churn") {
						s.Leave(sub, "churn")
					}
				case <-done:
					for s.Work() {
					}
					return
				}
			}
		})
	}
	for p := range publishers {
		pubs.Go(func() {
			for i := range each {
				for _, room := range []string{"steady", "churn"} {
					m := newMsg(p*each+i, 20)
					if _, _, err := hub.Publish(room, m); err != nil {
						t.Error(err)
					}
					m.Release()
				}
			}
		})
	}
	pubs.Wait()
	close(done)
	wg.Wait()
	checkOneOrder(t, hub, sinks, publishers*each)
}

// checkOneOrder wants every stream to hold the steady room's messages in the
// same order.
func checkOneOrder(t *testing.T, hub *Hub, sinks []*fakeSink, total int) {
	t.Helper()
	var order []int
	for i, sink := range sinks {
		for sub, sock := range sink.socks {
			seen := make(map[int]int)
			var steady []int
			for _, num := range sock.take(t) {
				if seen[num]++; seen[num] > 2 {
					t.Fatalf("message %d came %d times", num, seen[num])
				}
				steady = append(steady, num)
			}
			if len(seen) != total {
				t.Fatalf("sub %d/%d got %d of %d messages", i, sub, len(seen), total)
			}
			if !hub.Shard(i).Leave(uint32(sub), "churn") && len(steady) == total {
				if order == nil {
					order = steady
				}
				for j := range order {
					if order[j] != steady[j] {
						t.Fatalf("sub %d/%d has message %d at %d, another has %d", i, sub, steady[j], j, order[j])
					}
				}
			}
		}
		st := hub.Shard(i).Stats()
		if st.Offered != st.Delivered+st.Skipped[SkipLeft] {
			t.Fatalf("shard %d: offered %d, delivered %d, skipped %v", i, st.Offered, st.Delivered, st.Skipped)
		}
	}
}

func TestFrozenMemberSkipsAndOthersDoNot(t *testing.T) {
	hub, s, sink := newTestShard(t, Config{RoomBytes: segmentSize}, 2)
	s.Join(0, "r")
	s.Join(1, "r")
	sink.socks[0].room = 100 // takes one message and a part of the next
	const n = 10000
	for i := range n {
		publish(t, hub, "r", newMsg(i, 64))
		s.Work()
	}
	if got := len(sink.socks[1].take(t)); got != n {
		t.Fatalf("the reading member got %d of %d", got, n)
	}
	st := s.Stats()
	if st.LogBytes > 2*segmentSize {
		t.Errorf("log holds %d bytes for a frozen member, bound is %d", st.LogBytes, segmentSize)
	}
	if st.Skipped[SkipSlow] == 0 {
		t.Error("nothing was counted as skipped")
	}
	if st.Offered != st.Delivered+st.Skipped[SkipSlow]+s.Stats().Pending {
		t.Errorf("offered %d, delivered %d, skipped %d, pending %d", st.Offered, st.Delivered, st.Skipped[SkipSlow], s.Stats().Pending)
	}
	sink.socks[0].room, sink.socks[0].blocked = 1<<40, false
	s.Drained(0)
	s.Work()
	got := sink.socks[0].take(t)
	if want := n - int(st.Skipped[SkipSlow]); len(got) != want {
		t.Errorf("the frozen member got %d messages, want %d", len(got), want)
	}
	if got[len(got)-1] != n-1 {
		t.Errorf("its last message is %d, want %d", got[len(got)-1], n-1)
	}
	if s.Stats().LogBytes != 0 {
		t.Errorf("log holds %d bytes when all are up to date", s.Stats().LogBytes)
	}
}

// TestAllLogsTogetherAreBounded: many rooms, each with a member that never reads.
func TestAllLogsTogetherAreBounded(t *testing.T) {
	const rooms, bound = 300, 1 << 20
	hub, s, sink := newTestShard(t, Config{ShardBytes: bound}, 2*rooms)
	name := func(i int) string { return fmt.Sprint("room", i) }
	for i := range uint32(rooms) {
		s.Join(2*i, name(int(i)))
		s.Join(2*i+1, name(int(i)))
		sink.socks[2*i].room = 0
	}
	for n := range 60 {
		for i := range rooms {
			publish(t, hub, name(i), newMsg(n, 1000))
		}
		for s.Work() {
		}
		if got := s.Stats().LogBytes; got > bound {
			t.Fatalf("logs hold %d bytes after %d messages in each room, bound is %d", got, n+1, bound)
		}
	}
	for i := range rooms {
		if got := len(sink.socks[2*i+1].take(t)); got != 60 {
			t.Fatalf("the reading member of room %d got %d of 60", i, got)
		}
	}
}

// TestLeavingCostsNoPass: leaves of members that are up to date do not look at
// the whole room because somebody else is frozen.
func TestLeavingCostsNoPass(t *testing.T) {
	hub, s, sink := newTestShard(t, Config{}, 1000)
	for i := range uint32(1000) {
		s.Join(i, "r")
	}
	sink.socks[0].room = 0
	publish(t, hub, "r", newMsg(0, 64))
	for s.Work() {
	}
	before := s.Stats().Passes
	for i := range uint32(200) {
		s.LeaveAll(500 + i)
		for s.Work() {
		}
	}
	if n := s.Stats().Passes - before; n != 0 {
		t.Errorf("%d passes for 200 leaves", n)
	}
}

func TestMessagesOfOnePassShareASend(t *testing.T) {
	hub, s, _ := newTestShard(t, Config{}, 100)
	for i := range uint32(100) {
		s.Join(i, "r")
	}
	for i := range 10 {
		publish(t, hub, "r", newMsg(i, 64))
	}
	for s.Work() {
	}
	if st := s.Stats(); st.Sends != 100 || st.Delivered != 1000 {
		t.Errorf("%d sends for %d deliveries, want 100 for 1000", st.Sends, st.Delivered)
	}
}

func TestHotRoomDoesNotStarveSmallOnes(t *testing.T) {
	hub, s, sink := newTestShard(t, Config{SliceSends: 100}, 10001)
	for i := range uint32(10000) {
		s.Join(i, "hot")
	}
	s.Join(10000, "small")
	publish(t, hub, "hot", newMsg(0, 64))
	s.Work()
	publish(t, hub, "small", newMsg(1, 64))
	s.Work()
	s.Work()
	if len(sink.socks[10000].take(t)) != 1 {
		t.Error("the small room's message waits for the hot room's whole pass")
	}
	if sent := s.Stats().Sends; sent > 301 {
		t.Errorf("%d sends in three slices of 100", sent)
	}
}

func TestOverloadGivesTheMessageToNobody(t *testing.T) {
	hub, err := NewHub(Config{Shards: 2, InboxBytes: segmentSize})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		hub.Shard(i).Attach(newFakeSink(1, 1<<40), func() {})
		hub.Shard(i).Join(0, "r")
	}
	m := newMsg(0, 2*segmentSize)
	publish(t, hub, "r", m)
	hub.Shard(0).Work() // only one of the two catches up
	refused := newMsg(1, 10)
	if _, _, err := hub.Publish("r", refused); err != ErrOverloaded {
		t.Fatalf("error is %v, want ErrOverloaded", err)
	}
	if refused.refs.Load() != 1 {
		t.Error("a refused message was kept")
	}
}

func TestRoomChurnGivesMemoryBack(t *testing.T) {
	hub, s, _ := newTestShard(t, Config{}, 10000)
	churn := func(n int) {
		for i := range n {
			s.Join(uint32(i%10000), fmt.Sprint("room-", i))
		}
		if hub.Rooms() != n {
			t.Fatalf("%d rooms, want %d", hub.Rooms(), n)
		}
		for i := range uint32(10000) {
			s.LeaveAll(i)
		}
		if hub.Rooms() != 0 {
			t.Fatalf("%d rooms after all have left", hub.Rooms())
		}
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	churn(1000)
	before := heap()
	churn(100000)
	// What stays are the pages of links and the free list of room numbers: 28
	// bytes for each of the most memberships there have been at once.
	if grown := heap() - before; grown > 100000*28+1<<20 {
		t.Errorf("heap grew by %d bytes over 100,000 rooms that are gone", grown)
	}
	runtime.KeepAlive(hub)
}

func TestMeter(t *testing.T) {
	var m meter
	for i := range int64(100) {
		m.add(1000 + i/10) // ten a second for ten seconds
	}
	if r := m.perSecond(1009); r < 9 || r > 11 {
		t.Errorf("rate is %v, want about 10", r)
	}
	if r := m.perSecond(1030); r != 0 {
		t.Errorf("rate is %v after 20 silent seconds", r)
	}
}

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
func (f *nullSink) Queue(uint32, []byte)           {}
func (f *nullSink) Blocked(uint32) bool            { return false }
func (f *nullSink) Skipped(uint32, string, uint64) {}

// forever is a Message that is never given back, so that publishing allocates
// nothing but what fanout itself does.
type forever []byte

func (f forever) Bytes() []byte { return f }
func (forever) Retain()         {}
func (forever) Release()        {}

func newNullShard(t testing.TB, members uint32) (*Hub, *Shard) {
	t.Helper()
	hub, err := NewHub(Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := hub.Shard(0)
	s.Attach(new(nullSink), func() {})
	for i := range members {
		s.Join(i, "r")
	}
	return hub, s
}

func BenchmarkFlush(b *testing.B) {
	for _, members := range []uint32{100, 10000} {
		b.Run(fmt.Sprintf("members=%d/msg=64B", members), func(b *testing.B) {
			hub, s := newNullShard(b, members)
			m := Message(forever(make([]byte, 64)))
			b.ReportAllocs()
			start := time.Now()
			for b.Loop() {
				publish(b, hub, "r", m)
				for s.Work() {
				}
			}
			b.ReportMetric(float64(s.Stats().Delivered)/time.Since(start).Seconds(), "deliveries/s")
		})
	}
}

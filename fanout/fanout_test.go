// Slow members, bounds, and what passes cost.

package fanout

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
)

func TestFrozenMemberSkipsAndOthersDoNot(t *testing.T) {
	hub, s, sink := newTestShard(t, Config{RoomBytes: segmentSize}, 2)
	s.Join(0, "r", 0, false)
	s.Join(1, "r", 0, false)
	sink.socks[0].room = 100 // takes one message and a part of the next
	const n = 10000
	for i := range n {
		publish(t, hub, "r", newPub(i, 64))
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
	checkAccounts(t, s)
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
		s.Join(2*i, name(int(i)), 0, false)
		s.Join(2*i+1, name(int(i)), 0, false)
		sink.socks[2*i].room = 0
	}
	for n := range 60 {
		for i := range rooms {
			publish(t, hub, name(i), newPub(n, 1000))
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
		s.Join(i, "r", 0, false)
	}
	sink.socks[0].room = 0
	publish(t, hub, "r", newPub(0, 64))
	for s.Work() {
	}
	passes := 0
	for i := range uint32(200) {
		s.LeaveAll(500 + i)
		passes += s.hot.len()
		for s.Work() {
		}
	}
	if passes != 0 {
		t.Errorf("%d passes for 200 leaves", passes)
	}
}

func TestMessagesOfOnePassShareASend(t *testing.T) {
	hub, s, _ := newTestShard(t, Config{}, 100)
	for i := range uint32(100) {
		s.Join(i, "r", 0, false)
	}
	for i := range 10 {
		publish(t, hub, "r", newPub(i, 64))
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
		s.Join(i, "hot", 0, false)
	}
	s.Join(10000, "small", 0, false)
	publish(t, hub, "hot", newPub(0, 64))
	s.Work()
	publish(t, hub, "small", newPub(1, 64))
	s.Work()
	s.Work()
	if len(sink.socks[10000].take(t)) != 1 {
		t.Error("the small room's message waits for the hot room's whole pass")
	}
	if sent := s.Stats().Sends; sent > 301 {
		t.Errorf("%d sends in three slices of 100", sent)
	}
}

// TestTurnsByBytes: a room of long messages keeps a small one waiting no longer than one
// of short messages does, about: a slice ends by bytes as well as by sends.
func TestTurnsByBytes(t *testing.T) {
	const slice, size = 256, 64 << 10
	hub, s, sink := newTestShard(t, Config{SliceSends: slice}, 1001)
	for i := range uint32(1000) {
		s.Join(i, "hot", 0, false)
	}
	s.Join(1000, "small", 0, false)
	for i := range 20 { // all ride along, so a send is as long as can be
		publish(t, hub, "hot", newPub(i, size))
	}
	s.Work()
	publish(t, hub, "small", newPub(20, 64))
	s.Work()
	s.Work()
	if len(sink.socks[1000].take(t)) != 1 {
		t.Error("the small room's message waits for the hot room's whole pass")
	}
	sent := 0
	for _, c := range sink.socks {
		sent += len(c.stream)
	}
	if most := 3 * (slice*sendBytes + MaxVectors*(size+msgHeader)); sent > most {
		t.Errorf("%d bytes were sent in three slices, want at most %d", sent, most)
	}
}

// priceSink takes everything, and adds up what it costs the subscribers of each room.
type priceSink struct {
	nullSink
	perRoom int // subscribers, by number
	spent   []int
}

func (f *priceSink) Send(sub uint32, p []byte) int {
	f.spent[int(sub)/f.perRoom] += price(len(p))
	return len(p)
}

func (f *priceSink) Sendv(sub uint32, bufs [][]byte) int {
	n := f.nullSink.Sendv(sub, bufs)
	f.spent[int(sub)/f.perRoom] += price(n)
	return n
}

// TestRoomsShareTurns: rooms that all have more to say than there is time for get as much
// of it each, whatever the length of their messages: they differ by a slice and the
// longest send at most.
func TestRoomsShareTurns(t *testing.T) {
	const members, slice, works = 500, 100, 300
	hub, err := NewHub(Config{SliceSends: slice, RoomBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int{10, 1000, 9000, 60 << 10, 60 << 10}
	s, sink := hub.Shard(0), &priceSink{perRoom: members, spent: make([]int, len(sizes))}
	s.Attach(sink, func() {})
	for i := range sizes {
		for j := range members {
			s.Join(uint32(i*members+j), fmt.Sprint("room", i), 0, false)
		}
	}
	most := price(MaxVectors * 60 << 10)
	for range works {
		for i, size := range sizes { // so that no pass is the last
			publish(t, hub, fmt.Sprint("room", i), &forever{b: make([]byte, size)})
		}
		s.Work()
		if least, greatest := slices.Min(sink.spent), slices.Max(sink.spent); greatest-least > slice+most {
			t.Fatalf("rooms have had %v of the time, of which a slice is %d and a send %d at most", sink.spent, slice, most)
		}
	}
	if slices.Min(sink.spent) < works*slice/len(sizes)/2 {
		t.Errorf("rooms have had %v", sink.spent)
	}
}

// TestCatchingUpTakesTurns: however many sockets take bytes again at once, what goes to
// them between two slices is one slice, and the rest follows by Work.
func TestCatchingUpTakesTurns(t *testing.T) {
	const subs, slice, size, messages = 50, 10, 60 << 10, 20
	hub, s, sink := newTestShard(t, Config{SliceSends: slice}, subs+1)
	for i := range uint32(subs) {
		s.Join(i, "hot", 0, false)
		sink.socks[i].room = 1
	}
	s.Join(subs, "small", 0, false)
	for i := range messages {
		publish(t, hub, "hot", newPub(i, size))
	}
	for s.Work() {
	}
	sent := func() (n int) {
		for _, c := range sink.socks {
			n += len(c.stream)
		}
		return n
	}
	const most = slice*sendBytes + MaxVectors*(size+msgHeader) // one send may go beyond
	before := sent()
	for i := range uint32(subs) {
		sink.socks[i].room, sink.socks[i].blocked = 1<<40, false
		s.Drained(i)
	}
	if n := sent() - before; n == 0 || n > most {
		t.Errorf("%d bytes went out at once, want at most %d", n, most)
	}
	publish(t, hub, "small", newPub(messages, 64))
	before = sent()
	if !s.Work() {
		t.Error("nothing is left to be done")
	}
	if n := sent() - before; n == 0 || n > 2*most {
		t.Errorf("%d bytes went out in one Work, want at most %d", n, 2*most)
	}
	s.Work() // the first slice may have been the hot room's
	if len(sink.socks[subs].take(t)) != 1 {
		t.Error("the small room's message waits for those who catch up")
	}
	for s.Work() {
	}
	for i := range subs {
		if n := len(sink.socks[i].take(t)); n != messages {
			t.Fatalf("subscriber %d got %d messages of %d", i, n, messages)
		}
	}
	if len(s.late) != 0 || s.Stats().LogBytes != 0 {
		t.Errorf("%d are late, logs hold %d bytes", len(s.late), s.Stats().LogBytes)
	}
	checkAccounts(t, s)
}

// TestSendAll: one that is to be closed gets all, whatever the turns are.
func TestSendAll(t *testing.T) {
	const messages = 100
	hub, s, sink := newTestShard(t, Config{SliceSends: 1}, 1)
	s.Join(0, "r", 0, false)
	sink.socks[0].room = 1
	for i := range messages {
		publish(t, hub, "r", newPub(i, 60<<10))
		s.Work()
	}
	lost := int(s.Stats().Skipped[SkipSlow])
	sink.socks[0].room, sink.socks[0].blocked = 1<<40, false
	s.SendAll(0)
	if n := len(sink.socks[0].take(t)); n != messages-lost || n < 10 {
		t.Errorf("%d messages, want %d", n, messages-lost)
	}
}

func TestOverloadGivesTheMessageToNobody(t *testing.T) {
	hub, err := NewHub(Config{Shards: 2, InboxBytes: segmentSize})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		hub.Shard(i).Attach(newFakeSink(1, 1<<40), func() {})
		hub.Shard(i).Join(0, "r", 0, false)
	}
	m := newPub(0, 2*segmentSize)
	publish(t, hub, "r", m)
	hub.Shard(0).Work() // only one of the two catches up
	refused := newPub(1, 10)
	if _, err := hub.Publish("r", refused); err != ErrOverloaded {
		t.Fatalf("error is %v, want ErrOverloaded", err)
	}
	if refused.encodings() != 0 {
		t.Error("a refused message was encoded")
	}
}

func TestRoomChurnGivesMemoryBack(t *testing.T) {
	hub, s, _ := newTestShard(t, Config{}, 10000)
	churn := func(n int) {
		for i := range n {
			s.Join(uint32(i%10000), fmt.Sprint("room-", i), 0, false)
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

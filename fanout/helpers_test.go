package fanout

import (
	"encoding/binary"
	"sync/atomic"
	"testing"
)

// msg is a Message whose release is checked. Its bytes are a length, the number
// of the message, and filling, so that a stream of them can be taken apart.
type msg struct {
	b    []byte
	refs atomic.Int32
}

const msgHeader = 8

func newMsg(num, size int) *msg {
	m := &msg{b: make([]byte, msgHeader+size)}
	binary.BigEndian.PutUint32(m.b, uint32(size))
	binary.BigEndian.PutUint32(m.b[4:], uint32(num))
	m.refs.Store(1)
	return m
}

func (m *msg) Bytes() []byte { return m.b }
func (m *msg) Retain()       { m.refs.Add(1) }
func (m *msg) Release() {
	switch n := m.refs.Add(-1); {
	case n == 0:
		clear(m.b) // poison: nobody may look any more
	case n < 0:
		panic("released too often")
	}
}

// fakeSink is a set of sockets that take as much as they are told to.
type fakeSink struct {
	socks []*fakeSock
}

type fakeSock struct {
	room    int // bytes it still takes
	blocked bool
	stream  []byte
	skipped map[string]uint64
}

func newFakeSink(n, room int) *fakeSink {
	f := new(fakeSink)
	for range n {
		f.socks = append(f.socks, &fakeSock{room: room, skipped: make(map[string]uint64)})
	}
	return f
}

func (f *fakeSink) Send(sub uint32, p []byte) int {
	s := f.socks[sub]
	if s.blocked {
		panic("sent to a blocked socket")
	}
	n := min(len(p), s.room)
	s.stream = append(s.stream, p[:n]...)
	s.room -= n
	s.blocked = n < len(p)
	return n
}

func (f *fakeSink) Sendv(sub uint32, bufs [][]byte) int {
	if len(bufs) > MaxVectors {
		panic("too many vectors")
	}
	var all []byte
	for _, b := range bufs {
		all = append(all, b...)
	}
	return f.Send(sub, all)
}

func (f *fakeSink) Queue(sub uint32, p []byte) {
	f.socks[sub].stream = append(f.socks[sub].stream, p...)
}
func (f *fakeSink) Blocked(sub uint32) bool { return f.socks[sub].blocked }
func (f *fakeSink) Skipped(sub uint32, room string, n uint64) {
	f.socks[sub].skipped[room] += n
}

// take parses and removes what a socket has received.
func (s *fakeSock) take(t interface{ Fatalf(string, ...any) }) []int {
	var nums []int
	for len(s.stream) > 0 {
		if len(s.stream) < msgHeader {
			t.Fatalf("stream ends within a header")
		}
		size := int(binary.BigEndian.Uint32(s.stream))
		if len(s.stream) < msgHeader+size {
			t.Fatalf("stream ends within a message: %d of %d bytes", len(s.stream), msgHeader+size)
		}
		nums = append(nums, int(binary.BigEndian.Uint32(s.stream[4:])))
		s.stream = s.stream[msgHeader+size:]
	}
	return nums
}

func settleAll(shards []*Shard) {
	for more := true; more; {
		more = false
		for _, s := range shards {
			more = s.Work() || more
		}
	}
}

func newTestShard(t testing.TB, cfg Config, subs int) (*Hub, *Shard, *fakeSink) {
	t.Helper()
	hub, err := NewHub(cfg)
	if err != nil {
		t.Fatal(err)
	}
	sink := newFakeSink(subs, 1<<40)
	hub.Shard(0).Attach(sink, func() {})
	return hub, hub.Shard(0), sink
}

func publish(t testing.TB, hub *Hub, room string, m Message) {
	t.Helper()
	if _, _, err := hub.Publish(room, m); err != nil {
		t.Fatal(err)
	}
	m.Release()
}

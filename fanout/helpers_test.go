// Messages, publications and sockets for tests, which notice when they are misused.

package fanout

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// msg is a Message whose release is checked. Its bytes are a length, the number
// of the message, its encoding, and filling, so that a stream of them can be
// taken apart.
type msg struct {
	b    []byte
	refs atomic.Int32
}

const msgHeader = 9

func newMsg(num, size int, e Encoding) *msg {
	m := &msg{b: make([]byte, msgHeader+size)}
	binary.BigEndian.PutUint32(m.b, uint32(size))
	binary.BigEndian.PutUint32(m.b[4:], uint32(num))
	m.b[8] = byte(e)
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

// pub is a Publication that remembers what it was encoded to.
type pub struct {
	num, size int
	seq, from uint64
	encoding  func(Encoding) // if not nil, called by Encode

	mu   sync.Mutex // guards msgs: in batched encodings, any shard may divide a batch
	msgs [MaxEncodings][]*msg
}

func newPub(num, size int) *pub { return &pub{num: num, size: size} }

func (p *pub) Sequence() uint64 { return p.seq }
func (p *pub) Size() int        { return msgHeader + p.size }

func (p *pub) Origin() uint64 { return p.from }

func (p *pub) AppendPart(b []byte, e Encoding) []byte {
	return append(b, newMsg(p.num, p.size, e).b...)
}

func (p *pub) Encode(e Encoding) Message {
	m := newMsg(p.num, p.size, e)
	p.mu.Lock()
	p.msgs[e] = append(p.msgs[e], m)
	again := len(p.msgs[e]) > 1 && e != batched
	p.mu.Unlock()
	if again {
		panic("encoded twice")
	}
	if p.encoding != nil {
		p.encoding(e)
	}
	return m
}

// encodings returns the set of encodings that were asked for.
func (p *pub) encodings() (set EncodingSet) {
	for e, all := range p.msgs {
		if len(all) > 0 {
			set |= 1 << e
		}
	}
	return set
}

// checkReleased wants that nobody holds a reference.
func (p *pub) checkReleased(t interface{ Fatalf(string, ...any) }) {
	for e, all := range p.msgs {
		for _, m := range all {
			if m.refs.Load() != 0 {
				t.Fatalf("message %d in encoding %d still has %d references", p.num, e, m.refs.Load())
			}
		}
	}
}

// batched is the encoding that tests of batches use for them.
const batched Encoding = 2

// batchNum is the number of a message that is a batch.
const batchNum = 1<<32 - 1

// batcher makes the batches of a test, and remembers them.
type batcher struct {
	mu   sync.Mutex // guards all
	all  []*msg
	most int // publications in one
}

// config has batches made for the encoding batched.
func (b *batcher) config(cfg Config, wait time.Duration) Config {
	cfg.Encodings, cfg.Batched, cfg.BatchWait, cfg.Batch = 3, 1<<batched, wait, b.batch
	return cfg
}

func (b *batcher) batch(e Encoding, ps []Publication) Message {
	if len(ps) < 2 {
		panic("a batch of one")
	}
	var body []byte
	for _, p := range ps {
		body = p.AppendPart(body, e)
	}
	m := newMsg(batchNum, len(body), e)
	copy(m.b[msgHeader:], body)
	b.mu.Lock()
	b.all, b.most = append(b.all, m), max(b.most, len(ps))
	b.mu.Unlock()
	return m
}

func (b *batcher) checkReleased(t interface{ Fatalf(string, ...any) }) {
	for _, m := range b.all {
		if m.refs.Load() != 0 {
			t.Fatalf("a batch still has %d references", m.refs.Load())
		}
	}
}

// fakeSink is a set of sockets that take as much as they are told to.
type fakeSink struct {
	socks  []*fakeSock
	onSkip func(sub uint32, room string, n, from, to uint64) // if not nil
	base   uint64                                            // origin of the first subscriber
}

type fakeSock struct {
	room    int // bytes it still takes
	blocked bool
	stream  []byte
	skips   []skip
}

// skip is what a sink was told.
type skip struct{ n, from, to uint64 }

func newFakeSink(n, room int) *fakeSink {
	f := &fakeSink{base: 1}
	for range n {
		f.socks = append(f.socks, &fakeSock{room: room})
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

// Subscriber knows the subscribers of this sink by its base.
func (f *fakeSink) Subscriber(origin uint64) (sub uint32, ok bool) {
	return uint32(origin - f.base), origin >= f.base && origin-f.base < uint64(len(f.socks))
}

func (f *fakeSink) Blocked(sub uint32) bool { return f.socks[sub].blocked }
func (f *fakeSink) Skipped(sub uint32, room string, n, from, to uint64) {
	f.socks[sub].skips = append(f.socks[sub].skips, skip{n, from, to})
	if f.onSkip != nil {
		f.onSkip(sub, room, n, from, to)
	}
}

// got is one message that came.
type got struct {
	num int
	enc Encoding
}

// receive parses and removes what a socket has received. Batches are unpacked.
func (s *fakeSock) receive(t interface{ Fatalf(string, ...any) }) []got {
	var all []got
	for len(s.stream) > 0 {
		if len(s.stream) < msgHeader {
			t.Fatalf("stream ends within a header")
		}
		size := int(binary.BigEndian.Uint32(s.stream))
		if len(s.stream) < msgHeader+size {
			t.Fatalf("stream ends within a message: %d of %d bytes", len(s.stream), msgHeader+size)
		}
		g := got{int(binary.BigEndian.Uint32(s.stream[4:])), Encoding(s.stream[8])}
		if g.num == batchNum {
			size = 0 // go on within it
		} else {
			all = append(all, g)
		}
		s.stream = s.stream[msgHeader+size:]
	}
	return all
}

// take is receive without the encodings.
func (s *fakeSock) take(t interface{ Fatalf(string, ...any) }) []int {
	var nums []int
	for _, g := range s.receive(t) {
		nums = append(nums, g.num)
	}
	return nums
}

func workAll(shards []*Shard) {
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

func publish(t testing.TB, hub *Hub, room string, p Publication) {
	t.Helper()
	if _, err := hub.Publish(room, p); err != nil {
		t.Fatal(err)
	}
}

// checkAccounts wants every message that was offered to be accounted for once.
func checkAccounts(t interface{ Fatalf(string, ...any) }, s *Shard) {
	st := s.Stats()
	sum := st.Delivered + st.Pending
	for _, r := range SkipReasons() {
		sum += st.Skipped[r]
	}
	if st.Offered != sum {
		t.Fatalf("offered %d, delivered %d, skipped %v, pending %d", st.Offered, st.Delivered, st.Skipped, st.Pending)
	}
}

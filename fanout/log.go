// A room's log: the encoded frames that some member still needs.

package fanout

import (
	"slices"
	"sort"

	"github.com/valyala/bytebufferpool"
)

const (
	firstSegmentSize = 4 << 10  // a room that speaks now and then needs no more
	segmentSize      = 64 << 10 // of the further segments of a busy room
	sharedFrameSize  = 4 << 10  // a frame of this size or more is referred to, not copied
)

// segment is a run of whole frames, contiguous in memory so that one send can
// take them. Its bytes are either copied into a pooled buffer or those of one
// large message or batch, held by a reference. Frames are numbered by their messages:
// one that is a batch has several numbers, of which the first is the frame's.
type segment struct {
	first  uint64   // number of the first frame
	data   []byte   // the frames
	ends   []uint32 // where in data each message's frame ends
	seqs   []uint64 // of each message; one without has that of the message before it
	prev   uint64   // sequence of the message before the first
	buf    *bytebufferpool.ByteBuffer
	pool   *bytebufferpool.Pool
	shared Message
	batch  *batch // shared, if it is one
}

func (g *segment) next() uint64 { return g.first + uint64(len(g.ends)) }

// start returns where in data frame num begins.
func (g *segment) start(num uint64) int {
	if num == g.first {
		return 0
	}
	return int(g.ends[num-g.first-1])
}

// log holds the frames before head that some member still needs. Owner: the shard's
// goroutine.
type log struct {
	segs  []*segment
	head  uint64 // number of the next frame
	last  uint64 // sequence of the frame before head
	bytes int    // memory held: the sizes of the segments
}

// find returns the index of the segment that holds frame num. Most members are
// in the last.
func (l *log) find(num uint64) int {
	if i := len(l.segs) - 1; l.segs[i].first <= num {
		return i
	}
	return l.search(num)
}

// search is find for the others. It is kept apart so that find is inlined.
//
//go:noinline
func (l *log) search(num uint64) int {
	return sort.Search(len(l.segs), func(i int) bool { return l.segs[i].first > num }) - 1
}

// before returns the sequence of the frame before num.
func (l *log) before(num uint64) uint64 {
	if num == l.head {
		return l.last
	}
	g := l.segs[l.find(num)]
	if num == g.first {
		return g.prev
	}
	return g.seqs[num-g.first-1]
}

// above returns the first frame from num on whose sequence is greater, head if none
// is.
func (l *log) above(num, seq uint64) uint64 {
	if num == l.head || l.last <= seq {
		return l.head
	}
	i := l.find(num)
	for l.segs[i].seqs[len(l.segs[i].seqs)-1] <= seq {
		i++
	}
	n, _ := slices.BinarySearch(l.segs[i].seqs, seq+1)
	return max(num, l.segs[i].first+uint64(n))
}

// behind returns the frame behind the last one from num on that has a sequence of
// its own, up to the given one; num if none has.
func (l *log) behind(num, seq uint64) uint64 {
	last := l.before(l.above(num, seq))
	if last == l.before(num) {
		return num
	}
	return l.above(num, last-1) + 1
}

// span returns the first and the last sequence that a frame from num to before end
// has of its own, 0 and 0 if none has.
func (l *log) span(num, end uint64) (from, to uint64) {
	prev, last := l.before(num), l.before(end)
	if prev == last {
		return 0, 0
	}
	return l.before(l.above(num, prev) + 1), last
}

// append adds one frame and takes over the caller's reference to m. It returns
// by how many bytes the log grew.
func (l *log) append(s *Shard, m Message, seq uint64) int {
	p := m.Bytes()
	var g *segment
	if n := len(l.segs); n > 0 {
		g = l.segs[n-1]
	}
	before := 0
	switch {
	case len(p) >= sharedFrameSize:
		g = l.add(s)
		g.data, g.shared = p, m
	case g == nil || g.shared != nil || len(g.data)+len(p) > cap(g.data):
		size, pool := segmentSize, &s.hub.large
		if g == nil || g.batch != nil { // few go singly where there are batches
			size, pool = firstSegmentSize, &s.hub.small
		}
		g = l.add(s)
		g.pool, g.buf = pool, getBuffer(pool, size)
		g.data = g.buf.B
	default:
		before = g.size()
	}
	if g.shared == nil {
		g.data = append(g.data, p...)
		m.Release()
	}
	g.ends = append(g.ends, uint32(len(g.data)))
	l.last = max(l.last, seq)
	g.seqs = append(g.seqs, l.last)
	l.head++
	grown := g.size() - before
	l.bytes += grown
	return grown
}

// add appends an empty segment.
func (l *log) add(s *Shard) *segment {
	g := s.newSegment()
	g.first, g.prev = l.head, l.last
	l.segs = append(l.segs, g)
	return g
}

// trim gives back the segments whose frames are all before num. It returns by
// how many bytes the log shrank.
func (l *log) trim(s *Shard, num uint64) int {
	n, freed := 0, 0
	for n < len(l.segs) && l.segs[n].next() <= num {
		freed += l.segs[n].size()
		s.freeSegment(l.segs[n])
		n++
	}
	if n == 0 {
		return 0
	}
	l.bytes -= freed
	rest := copy(l.segs, l.segs[n:])
	clear(l.segs[rest:])
	l.segs = l.segs[:rest]
	if rest == 0 && cap(l.segs) > 4 {
		l.segs = nil // a burst's list is not kept; that of a quiet room is
	}
	return freed
}

// size is the memory that the segment holds.
func (g *segment) size() int {
	lists := 4*cap(g.ends) + 8*cap(g.seqs)
	if g.batch != nil {
		lists += g.batch.size
	}
	if g.shared != nil {
		return len(g.data) + lists
	}
	return cap(g.data) + lists
}

// getBuffer takes an empty buffer of exactly the given capacity from a pool.
func getBuffer(p *bytebufferpool.Pool, size int) *bytebufferpool.ByteBuffer {
	b := p.Get()
	if cap(b.B) != size {
		b.B = make([]byte, 0, size)
	}
	return b
}

// Bounds of the segment records that a shard keeps for reuse: how many, and the
// frames one had room for (segments of tiny frames have long lists).
const (
	maxSpareSegments = 64
	maxSpareEnds     = 4096
)

func (s *Shard) newSegment() *segment {
	if n := len(s.spareSegs); n > 0 {
		g := s.spareSegs[n-1]
		s.spareSegs = s.spareSegs[:n-1]
		return g
	}
	return new(segment)
}

func (s *Shard) freeSegment(g *segment) {
	if g.shared != nil {
		g.shared.Release()
	} else {
		// The pool calibrates itself by lengths: show it the capacity.
		g.buf.B = g.data[:cap(g.data)]
		g.pool.Put(g.buf)
	}
	if len(s.spareSegs) < maxSpareSegments && cap(g.ends) <= maxSpareEnds {
		*g = segment{ends: g.ends[:0], seqs: g.seqs[:0]}
		s.spareSegs = append(s.spareSegs, g)
	}
}

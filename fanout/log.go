// A room's log: the encoded frames that some member still needs.

package fanout

import "github.com/valyala/bytebufferpool"

const (
	firstSegmentSize = 4 << 10  // a room that speaks now and then needs no more
	segmentSize      = 64 << 10 // of the further segments of a busy room
	sharedFrameSize  = 4 << 10  // a frame of this size or more is referred to, not copied
)

// segment is a run of whole frames, contiguous in memory so that one send can
// take them. Its bytes are either copied into a pooled buffer or those of one
// large message, held by a reference.
type segment struct {
	first  uint64   // number of the first frame
	data   []byte   // the frames
	ends   []uint32 // where in data each frame ends
	buf    *bytebufferpool.ByteBuffer
	pool   *bytebufferpool.Pool
	shared Message
}

func (g *segment) next() uint64 { return g.first + uint64(len(g.ends)) }

// start returns where in data frame seq begins.
func (g *segment) start(seq uint64) int {
	if seq == g.first {
		return 0
	}
	return int(g.ends[seq-g.first-1])
}

// log holds the frames before head that some member still needs. Owner: the shard's
// goroutine.
type log struct {
	segs  []*segment
	head  uint64 // number of the next frame
	bytes int    // memory held: the sizes of the segments
}

// find returns the index of the segment that holds frame seq, searching from
// the end, where most members are.
func (l *log) find(seq uint64) int {
	i := len(l.segs) - 1
	for l.segs[i].first > seq {
		i--
	}
	return i
}

// append adds one frame and takes over the caller's reference to m. It returns
// by how many bytes the log grew.
func (l *log) append(s *Shard, m Message) int {
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
		if g == nil {
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
	l.head++
	grown := g.size() - before
	l.bytes += grown
	return grown
}

// add appends an empty segment.
func (l *log) add(s *Shard) *segment {
	g := s.newSegment(l.head)
	l.segs = append(l.segs, g)
	return g
}

// trim gives back the segments whose frames are all before seq. It returns by
// how many bytes the log shrank.
func (l *log) trim(s *Shard, seq uint64) int {
	n, freed := 0, 0
	for n < len(l.segs) && l.segs[n].next() <= seq {
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
	if g.shared != nil {
		return len(g.data) + 4*cap(g.ends)
	}
	return cap(g.data) + 4*cap(g.ends)
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

func (s *Shard) newSegment(first uint64) *segment {
	if n := len(s.spareSegs); n > 0 {
		g := s.spareSegs[n-1]
		s.spareSegs = s.spareSegs[:n-1]
		g.first = first
		return g
	}
	return &segment{first: first}
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
		*g = segment{ends: g.ends[:0]}
		s.spareSegs = append(s.spareSegs, g)
	}
}

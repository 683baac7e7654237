// Batches: several publications in one frame.

package fanout

import "slices"

// part is one publication of a batch, or one that waits to be.
type part struct {
	p    Publication
	seq  uint64
	size int
}

// batch is a Message of several publications. It keeps them, so that it can be
// divided as long as it is in a log: a member that was given a part of them
// otherwise gets the rest.
type batch struct {
	Message
	parts []part // in order; immutable
	size  int    // of the parts
}

// batch encodes parts as one frame.
func (h *Hub) batch(e Encoding, parts []part) *batch {
	b := &batch{parts: parts}
	ps := make([]Publication, len(parts))
	for i := range parts {
		ps[i] = parts[i].p
		b.size += parts[i].size
	}
	if len(ps) == 1 {
		b.Message = ps[0].Encode(e)
	} else {
		b.Message = h.cfg.Batch(e, ps)
	}
	return b
}

// batches encodes parts as frames of up to Config.BatchBytes.
func (h *Hub) batches(e Encoding, parts []part) (all []*batch) {
	for len(parts) > 0 {
		n, size := 1, parts[0].size
		for ; n < len(parts) && size+parts[n].size <= h.cfg.BatchBytes; n++ {
			size += parts[n].size
		}
		all = append(all, h.batch(e, parts[:n]))
		parts = parts[n:]
	}
	return all
}

// hold makes an empty segment that of one batch: a frame with the numbers of all
// its messages, of which only the first is ever a cursor.
func (g *segment) hold(b *batch) {
	g.data, g.shared, g.batch = b.Bytes(), b, b
	last := g.prev
	for i := range b.parts {
		last = max(last, b.parts[i].seq)
		g.ends = append(g.ends, uint32(len(g.data)))
		g.seqs = append(g.seqs, last)
	}
}

// appendBatch is append for a batch.
func (l *log) appendBatch(s *Shard, b *batch) int {
	g := l.add(s)
	g.hold(b)
	l.head, l.last = g.next(), g.seqs[len(g.seqs)-1]
	l.bytes += g.size()
	return g.size()
}

// divide makes num the number of a frame: a batch that goes across it becomes two,
// for all members that have still to get it. So the cost of dividing depends on the
// messages, not on how many members want it. It returns by how many bytes the log grew.
func (l *log) divide(s *Shard, e Encoding, num uint64) int {
	if num == l.head {
		return 0
	}
	i := l.find(num)
	g := l.segs[i]
	if g.batch == nil || g.first == num {
		return 0
	}
	n := num - g.first
	front, back := s.newSegment(), s.newSegment()
	front.first, front.prev = g.first, g.prev
	front.hold(s.hub.batch(e, g.batch.parts[:n]))
	back.first, back.prev = num, front.seqs[n-1]
	back.hold(s.hub.batch(e, g.batch.parts[n:]))
	l.segs = slices.Replace(l.segs, i, i+1, front, back)
	grown := front.size() + back.size() - g.size()
	l.bytes += grown
	s.freeSegment(g)
	return grown
}

// Messages that their own senders are spared.

package fanout

// spareOwn notes that a message that was just appended is not for its sender, if that is a
// member here. origin is Publication.Origin.
func (s *Shard) spareOwn(st *stream, num, origin uint64) {
	if origin == 0 {
		return
	}
	sub, ok := s.sink.Subscriber(origin)
	if !ok {
		return
	}
	l := s.links.first(sub)
	for l != 0 && s.links.At(l).stream != st.index {
		l = s.links.At(l).next
	}
	if l == 0 {
		return
	}
	m := &st.members[s.links.At(l).member]
	if s.own == nil {
		s.own = make(map[uint32][]uint64)
	}
	s.own[l] = append(s.own[l], num)
	m.link |= hasOwn
	if m.at(st) == num && num+1 == st.log.head {
		m.to(num + 1) // it needs nothing else, mostly
		s.passOwn(m, num+1)
	}
}

// passOwn forgets and counts a member's own messages before num, where its cursor goes.
func (s *Shard) passOwn(m *member, num uint64) (n uint64) {
	if m.link&hasOwn == 0 {
		return 0
	}
	own := s.own[m.id()]
	for int(n) < len(own) && own[n] < num {
		n++
	}
	s.stats.Skipped[SkipEcho] += n
	if s.own[m.id()] = own[n:]; int(n) == len(own) {
		delete(s.own, m.id())
		m.link &^= hasOwn
	}
	return n
}

// run is what goes out together to a member: frames in a row of one segment, or a batch
// made for it.
type run struct {
	data  []byte
	first uint64 // number of the first frame
	next  uint64 // behind the last one
	seg   int    // of frames of the log, and where in it they begin
	from  int
	made  *batch // instead
}

// flushAround is flush for a member that has own messages in the log: one send carries
// what is between them. A batch with some is made anew without these, for this member
// alone: who says little costs little, and the others' batches stay whole.
func (s *Shard) flushAround(st *stream, m *member, sub uint32, num uint64) (to uint64, sent int) {
	var array [MaxVectors]run
	runs, to := s.runs(st, array[:0], s.own[m.id()], num)
	total, vec := 0, s.vec[:0]
	for i := range runs {
		vec, total = append(vec, runs[i].data), total+len(runs[i].data)
	}
	if total > 0 {
		sent = s.sink.Sendv(sub, vec)
	}
	clear(vec)
	if sent < total {
		to = s.finishRuns(st, sub, runs, sent)
	}
	for i := range runs {
		if runs[i].made != nil {
			runs[i].made.Release()
		}
	}
	m.to(to)
	own := s.passOwn(m, to)
	if sent > 0 {
		s.stats.Sends++
	}
	s.stats.Delivered += to - num - own
	return to, sent
}

// runs appends those from frame num on to dst, as many as it has room for. It returns the
// number behind them and the own messages that follow.
func (s *Shard) runs(st *stream, dst []run, own []uint64, num uint64) (_ []run, end uint64) {
	for i := st.log.find(num); i < len(st.log.segs); i++ {
		g := st.log.segs[i]
		for num < g.next() {
			for len(own) > 0 && own[0] < num {
				own = own[1:]
			}
			stop := g.next()
			if len(own) > 0 {
				stop = min(stop, own[0])
			}
			switch {
			case len(dst) == cap(dst):
				return dst, num
			case g.batch != nil && stop < g.next():
				if made := s.without(st.enc, g, own); made != nil {
					dst = append(dst, run{data: made.Bytes(), first: num, next: g.next(), made: made})
				}
				num = g.next()
			case stop > num:
				from := g.start(num)
				to := len(g.data)
				if stop < g.next() {
					to = g.start(stop)
				}
				dst = append(dst, run{data: g.data[from:to], first: num, next: stop, seg: i, from: from})
				num = stop
			default:
				num++ // it is the member's own
			}
		}
	}
	return dst, num
}

// without makes a batch of those messages of another that are not own; nil: there is none.
func (s *Shard) without(e Encoding, g *segment, own []uint64) *batch {
	var parts []part
	for i, p := range g.batch.parts {
		if len(own) > 0 && own[0] == g.first+uint64(i) {
			own = own[1:]
			continue
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil
	}
	return s.hub.batch(e, parts)
}

// finishRuns is finishPartial for runs.
func (s *Shard) finishRuns(st *stream, sub uint32, runs []run, sent int) (to uint64) {
	i := 0
	for ; sent >= len(runs[i].data); i++ {
		sent -= len(runs[i].data)
	}
	r := &runs[i]
	switch {
	case sent == 0:
		return r.first
	case r.made != nil:
		s.sink.Queue(sub, r.data[sent:])
		return r.next
	}
	return s.finishPartial(st, sub, r.seg, r.from+sent)
}

// Gaps: what members are told of messages that they will not get.

package edge

import (
	"slices"
	"sync"
	"sync/atomic"

	"barrage/fanout"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/netpoll"
)

// Lost implements broker.Receiver: the members here are told of the gap in its
// place among the messages.
func (s *Server) Lost(room string, gap broker.Gap) {
	j := gapOf(&gap)
	j.Push, j.Room = "gap", room
	var place uint64
	if gap.Reason == broker.GapEpoch {
		place = s.epochs.end(room)
	} else {
		place = s.epochs.place(room, gap.Epoch, gap.To)
	}
	if user, ok := broker.UserOf(room); ok {
		s.inboxes.each(user, func(c *client) {
			sh := s.shards[c.shard]
			sh.post(c, func() { sh.lookAgain(c, room) })
		})
	}
	s.tellGap(room, &gapNotice{notice{j}, j, place})
}

// missed tells of a message that the shards were too far behind to take.
func (s *Server) missed(m *broker.Message, place uint64) {
	s.refused[refusedOverload].Add(1)
	if m.Offset == 0 {
		return // delivered at most once
	}
	j := &gapJSON{Push: "gap", Room: m.Room, Epoch: m.Epoch, From: m.Offset, To: m.Offset, Reason: "overloaded"}
	s.tellGap(m.Room, &gapNotice{notice{j}, j, place})
}

// tellGap has the members here told, now or before the next message of the room
// that they get.
func (s *Server) tellGap(room string, n *gapNotice) {
	if !s.tellUntold(room) {
		s.untold.add(room, n)
		return
	}
	if _, err := s.hub.Publish(room, n); err != nil {
		s.untold.add(room, n)
	}
}

// tellUntold returns false if the members of a room have still to be told of gaps.
func (s *Server) tellUntold(room string) bool {
	if s.untold.rooms.Load() == 0 {
		return true
	}
	for n := s.untold.first(room); n != nil; n = s.untold.first(room) {
		if _, err := s.hub.Publish(room, n); err != nil {
			return false
		}
		s.untold.drop(room)
	}
	return true
}

// untold are the gaps of which the members of rooms have not been told, as the
// shards were too far behind. Any goroutine; one at a time for each room.
type untold struct {
	rooms atomic.Int64 // length of gaps: there is hardly ever one
	mu    sync.Mutex   // guards gaps
	gaps  map[string][]*gapNotice
}

// maxUntold bounds the rooms with such gaps.
const maxUntold = 10_000

func (u *untold) add(room string, n *gapNotice) {
	u.mu.Lock()
	defer u.mu.Unlock()
	list, known := u.gaps[room]
	switch {
	case !known && len(u.gaps) >= maxUntold:
		return
	case known && list[len(list)-1].extend(n):
		return
	case u.gaps == nil:
		u.gaps = make(map[string][]*gapNotice)
	}
	u.gaps[room] = append(list, n)
	u.rooms.Store(int64(len(u.gaps)))
}

func (u *untold) first(room string) *gapNotice {
	u.mu.Lock()
	defer u.mu.Unlock()
	if list := u.gaps[room]; len(list) > 0 {
		return list[0]
	}
	return nil
}

// drop forgets a room's first gap.
func (u *untold) drop(room string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gaps[room] = u.gaps[room][1:]; len(u.gaps[room]) == 0 {
		delete(u.gaps, room)
		u.rooms.Store(int64(len(u.gaps)))
	}
}

// gapNotice is a gap on its way to the members of a room. Raw ones have no words
// for it: they get a ping.
type gapNotice struct {
	notice
	gap    *gapJSON // what is in it
	offset uint64   // who was given the history up to there has no gap
}

// extend makes one gap of two of the same epoch, the second being later, before
// anybody has been told.
func (n *gapNotice) extend(next *gapNotice) bool {
	if n.gap.Epoch != next.gap.Epoch || n.gap.To == 0 || next.gap.To == 0 {
		return false
	}
	n.gap.To, n.offset = next.gap.To, next.offset
	return true
}

func (n *gapNotice) Sequence() uint64 { return n.offset }

func (n *gapNotice) Encode(e fanout.Encoding) fanout.Message {
	if e&encodeJSON == 0 {
		return frame.Encode(frame.Ping, nil)
	}
	return n.notice.Encode(e)
}

// skips are messages that were dropped for a member: how many, and the first and
// the last place (see epochs.place) among them, 0 if none has one.
type skips struct{ n, from, to uint64 }

func (k *skips) add(x skips) {
	k.n += x.n
	if k.from == 0 {
		k.from = x.from
	}
	k.to = max(k.to, x.to)
}

// behind is the part of them that is behind a place, up to which the member has
// the history. Those without a place go with those around them.
func (k skips) behind(after uint64) skips {
	switch {
	case k.to == 0 || k.from > after:
		return k
	case k.to <= after:
		return skips{}
	case k.to>>offsetBits != after>>offsetBits:
		return k // of a newer epoch
	}
	return skips{offsetOf(k.to) - offsetOf(after), after + 1, k.to}
}

func (k skips) gap(room string) *gapJSON {
	g := &gapJSON{Push: "gap", Room: room, Count: k.n, Reason: "slow"}
	if k.from>>offsetBits == k.to>>offsetBits { // else they are of two epochs
		g.From, g.To = offsetOf(k.from), offsetOf(k.to)
	}
	return g
}

// roomGap is a gap of which a client has not been told yet.
type roomGap struct {
	room string
	skips
}

// skipped applies the slow-viewer policy.
func (s *shard) skipped(id netpoll.ID, room string, lost skips) {
	if s.srv.cfg.SlowPolicy == SlowClose {
		s.part(id, CloseSlow, "too slow", closeSlow, s.reconnectWait())
		return
	}
	c := s.clients.at(id)
	if c == nil || !c.json || !isPublicName(room) {
		return
	}
	if s.loop.Blocked(id) {
		c.noteGap(room, lost)
		return
	}
	s.push(c, lost.gap(room))
}

// noteGap keeps one gap for each room: a client that is stuck for long must not be
// owed more and more words about it.
func (c *client) noteGap(room string, lost skips) {
	if i := c.gapIn(room); i >= 0 {
		c.doing.gaps[i].add(lost)
		return
	}
	d := c.begin()
	d.gaps = append(d.gaps, roomGap{room, lost})
}

func (c *client) gapIn(room string) int {
	if c.doing == nil {
		return -1
	}
	return slices.IndexFunc(c.doing.gaps, func(g roomGap) bool { return g.room == room })
}

func (c *client) forgetGap(room string) {
	if i := c.gapIn(room); i >= 0 {
		c.doing.gaps = slices.Delete(c.doing.gaps, i, i+1)
		c.ended()
	}
}

// tellGaps is for a client whose socket takes bytes again. What its rooms say next
// follows.
func (s *shard) tellGaps(c *client) {
	if c.doing == nil {
		return
	}
	gaps := c.doing.gaps
	c.doing.gaps = nil
	c.ended()
	for i := range gaps {
		s.push(c, gaps[i].gap(gaps[i].room))
	}
}

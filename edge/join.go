// Joining rooms with a memory: a member joins held, what it missed is read from
// the history, and what came meanwhile follows without a hole and without a
// repetition.

package edge

import (
	"slices"
	"strconv"
	"time"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// joining is a join under way. Owner: the shard's goroutine.
type joining struct {
	c        *client
	id       uint64 // of the command; 0: the server's own, answered by a push
	room     string
	since    *broker.Position
	history  int
	presence bool
	inbox    bool          // only to look whether there is something in it
	leave    string        // the room to leave once in this one
	waits    bool          // for the broker
	until    time.Duration // when it stops waiting
	lost     skips         // of what came while it was held
}

// joinReply tells what a member has. It is exactly one of: resumed, a gap, or
// (without since) neither.
type joinReply struct {
	Push        string         `json:"push,omitempty"` // "joined", when no command asked for it
	Room        string         `json:"room"`
	Epoch       string         `json:"epoch,omitempty"` // with offset the position from which pushes follow
	Offset      uint64         `json:"offset"`
	Resumed     bool           `json:"resumed,omitempty"` // messages are all that was missed
	Gap         *gapJSON       `json:"gap,omitempty"`
	Messages    []*messageJSON `json:"messages,omitempty"`
	Users       int            `json:"users"`
	Connections int            `json:"connections"`
}

// mayJoin checks a room's name and the client's right to it.
func (s *shard) mayJoin(c *client, room string) error {
	if err := broker.CheckRoom(room); err != nil {
		return err
	}
	if !c.mayJoin(room) {
		return refusal.New(403, "forbidden", "this connection may not join room "+room)
	}
	return s.srv.checkBan(c.user(), room)
}

func (s *shard) cmdJoin(c *client, cmd *command) error {
	if err := s.mayJoin(c, cmd.Room); err != nil {
		return err
	}
	limit, err := bounded("history", cmd.History, 0, maxPage)
	if err != nil {
		return err
	}
	if s.fan.In(uint32(c.id), cmd.Room) || c.joinOf(cmd.Room) != nil {
		return refusal.New(409, "already_joined", "this connection is in room "+cmd.Room+" already")
	}
	j := &joining{c: c, id: cmd.ID, room: cmd.Room, since: cmd.Since.position(), history: limit, presence: cmd.Presence, leave: cmd.Leave}
	if j.leave != "" && !s.mayLeaveFor(c, j.leave) {
		return refusal.New(409, "not_joined", "this connection is not in room "+j.leave)
	}
	if s.counts(c, j.room) && s.roomsOf(c)+s.weight(j) > s.srv.cfg.MaxRooms {
		return refusal.New(403, "too_many_rooms", "a connection may be in "+strconv.Itoa(s.srv.cfg.MaxRooms)+" rooms")
	}
	s.join(j)
	return nil
}

// joinOf returns the join of a room that is under way, nil if there is none.
func (c *client) joinOf(room string) *joining {
	for _, j := range c.joining() {
		if j.room == room {
			return j
		}
	}
	return nil
}

// mayLeaveFor tells whether the client is in a room that no other join leaves.
func (s *shard) mayLeaveFor(c *client, room string) bool {
	return isPublicName(room) && s.fan.In(uint32(c.id), room) && c.joinOf(room) == nil &&
		!slices.ContainsFunc(c.joining(), func(j *joining) bool { return j.leave == room })
}

// counts tells whether a room counts among those that the client may be in: its
// own room does not.
func (s *shard) counts(c *client, room string) bool {
	return isPublicName(room) && !c.isInbox(room)
}

// weight is by how many rooms more the client is in after a join.
func (s *shard) weight(j *joining) int {
	n := 0
	if s.counts(j.c, j.room) {
		n++
	}
	if s.counts(j.c, j.leave) {
		n--
	}
	return n
}

// roomsOf counts the rooms that the client is in once all its joins are done.
func (s *shard) roomsOf(c *client) int {
	n := 0
	for room := range s.fan.Rooms(uint32(c.id)) {
		if s.counts(c, room) && c.joinOf(room) == nil {
			n++
		}
	}
	for _, j := range c.joining() {
		n += s.weight(j)
	}
	return n
}

// join begins: first the broker must bring the room's messages here.
func (s *shard) join(j *joining) {
	d := j.c.begin()
	d.joining = append(d.joining, j)
	if s.srv.want(j.room) {
		s.enter(j)
		return
	}
	j.waits, j.until = true, s.srv.now()+brokerWait
	s.joins = append(s.joins, j)
	s.joinsFor[j.room] = append(s.joinsFor[j.room], j)
	s.srv.waiters.Add(1)
	if s.srv.want(j.room) { // it may have got ready before this was written down
		s.joinsReady(j.room)
	}
}

// joinsReady goes on with those who waited for a room.
func (s *shard) joinsReady(room string) {
	ready := s.joinsFor[room]
	delete(s.joinsFor, room)
	for _, j := range ready {
		s.waited(j)
	}
}

// waited goes on with a join that has waited for the broker.
func (s *shard) waited(j *joining) {
	j.waits = false
	s.srv.waiters.Add(-1)
	if s.stillJoining(j) {
		s.guard(j.c.id, func() { s.enter(j) })
	}
}

// stillJoining tells whether the client is still there and has not left the room
// before it was in it.
func (s *shard) stillJoining(j *joining) bool {
	return s.alive(j.c) && slices.Contains(j.c.joining(), j)
}

// joinsLate lets in those who have waited long enough: better without the other
// nodes than not at all.
func (s *shard) joinsLate() {
	now, n := s.srv.now(), 0
	for ; n < len(s.joins) && (!s.joins[n].waits || s.joins[n].until <= now); n++ {
		j := s.joins[n]
		if !j.waits {
			continue
		}
		// Those for one room are in the same order: it is the first of them.
		if rest := s.joinsFor[j.room][1:]; len(rest) > 0 {
			s.joinsFor[j.room] = rest
		} else {
			delete(s.joinsFor, j.room)
		}
		s.waited(j)
		s.srv.want(j.room) // a long wait may have outlasted the broker's interest
	}
	if n > 0 {
		s.joins = slices.Delete(s.joins, 0, n)
	}
	if len(s.joins) == 0 {
		s.joins = nil // an outage must not be remembered for ever
	}
}

// enter makes the client a member, held until the history has been read.
func (s *shard) enter(j *joining) {
	if j.inbox {
		s.lookIntoInbox(j)
		return
	}
	c := j.c
	// A room that forgets has to say so to who asks for what it missed.
	kept := s.srv.Retention(j.room).On() || j.since != nil
	s.fan.Join(uint32(c.id), j.room, c.enc, kept)
	if !kept {
		s.entered(j, &broker.Page{})
		return
	}
	limit := j.history
	switch {
	case j.since != nil:
		limit = 0 // all that was missed
	case limit == 0:
		limit = 1 // only the head is wanted
	}
	if !s.srv.fetcher.get(j.room, broker.Query{After: j.since, Limit: limit}, func(page broker.Page, err error) {
		s.post(c, func() {
			if s.stillJoining(j) {
				s.fetched(j, &page, err)
			}
		})
	}) {
		s.notEntered(j, refusal.TooMany("overloaded", "too many histories are being read", time.Second))
	}
}

// fetched has the room's history, or knows that it cannot be had, or that it is worth
// nothing, as what is published next may not come here. Who asked for no history is
// let in without, and without a position: the room goes on here while the store is
// away.
func (s *shard) fetched(j *joining, page *broker.Page, err error) {
	if err == nil && !s.follows(j.room) {
		err = broker.ErrUnavailable
	}
	if err != nil {
		if j.since != nil || j.history > 0 {
			s.notEntered(j, err)
			return
		}
		page = &broker.Page{}
	}
	s.entered(j, page)
}

// follows tells whether all that is published to a room from now on comes here.
func (s *shard) follows(room string) bool { return s.srv.broker.Err() == nil && s.srv.want(room) }

func (s *shard) notEntered(j *joining, err error) {
	s.endJoin(j)
	s.fan.Leave(uint32(j.c.id), j.room)
	if j.id != 0 {
		s.replyError(j.c, j.id, err)
		return
	}
	s.push(j.c, &leftJSON{Push: "left", Room: j.room, Error: errorOf(err)})
	if j.c.isInbox(j.room) {
		s.lookSoon(j.c, j.room)
	}
}

// leftJSON tells that the server took a client out of a room.
type leftJSON struct {
	Push   string     `json:"push"` // "left"
	Room   string     `json:"room"`
	Reason string     `json:"reason,omitempty"`
	Error  *errorJSON `json:"error,omitempty"`
}

// entered tells the client what it has, and lets what came meanwhile follow.
func (s *shard) entered(j *joining, page *broker.Page) {
	c := j.c
	s.endJoin(j)
	if j.leave != "" {
		_ = s.leave(c, j.leave) // it is in it: else leave would be ""
	}
	if j.presence {
		s.fan.Join(uint32(c.id), presencePrefix+j.room, c.enc, false)
	}
	s.arrive(c, j.room)
	if c.isInbox(j.room) {
		for _, m := range page.Messages {
			s.owes(c, m)
		}
	}
	r := &joinReply{Room: j.room, Epoch: page.Head.Epoch, Offset: page.Head.Offset}
	r.Users, r.Connections = s.srv.count(j.room)
	if j.since != nil || j.history > 0 {
		fillJoin(r, j, page, s.pageRoom(c))
	}
	if j.id != 0 {
		s.reply(c, j.id, r)
	} else {
		r.Push = "joined"
		s.push(c, r)
	}
	after := s.srv.epochs.place(j.room, page.Head.Epoch, page.Head.Offset)
	if lost := j.lost.behind(after); lost.n > 0 {
		s.skipped(c.id, j.room, lost)
	}
	if c.id == s.cur && s.reading {
		s.sendReplies(c.id) // the reply goes out before what the room says
	}
	s.fan.Resume(uint32(c.id), j.room, after)
}

// fillJoin puts the missed messages into the reply, as far as one reply takes
// them: if not all, the client is told which it lacks, and may ask for them.
func fillJoin(r *joinReply, j *joining, page *broker.Page, left int) {
	from := len(page.Messages)
	for ; from > 0; from-- {
		m := messageOf(page.Messages[from-1])
		if left -= m.size(); left < 0 {
			break
		}
		r.Messages = append(r.Messages, m)
	}
	slices.Reverse(r.Messages)
	r.Gap = gapOf(page.Gap)
	switch {
	case from == 0 || j.since == nil:
	case r.Gap == nil:
		r.Gap = &gapJSON{Epoch: page.Head.Epoch, From: j.since.Offset + 1, To: page.Messages[from-1].Offset, Reason: "large"}
	case r.Gap.To != 0:
		r.Gap.To = page.Messages[from-1].Offset
	}
	r.Resumed = j.since != nil && r.Gap == nil
}

func (s *shard) endJoin(j *joining) {
	c := j.c
	if i := slices.Index(c.joining(), j); i >= 0 {
		c.doing.joining = slices.Delete(c.doing.joining, i, i+1)
		c.ended()
	}
}

func (s *shard) cmdLeave(c *client, cmd *command) error {
	if err := s.leave(c, cmd.Room); err != nil {
		return err
	}
	s.reply(c, cmd.ID, empty{})
	return nil
}

// leave ends a membership, or a join under way.
func (s *shard) leave(c *client, room string) error {
	if c.isInbox(room) {
		s.settle(c)
	}
	if j := c.joinOf(room); j != nil {
		s.endJoin(j)
		s.fan.Leave(uint32(c.id), room)
		if j.id != 0 { // every command is answered
			s.replyError(c, j.id, refusal.New(409, "not_joined", "room "+room+" was left before the join was done"))
		}
		return nil
	}
	if !isPublicName(room) || !s.fan.Leave(uint32(c.id), room) {
		return refusal.New(409, "not_joined", "this connection is not in room "+room)
	}
	s.fan.Leave(uint32(c.id), presencePrefix+room)
	c.forgetGap(room)
	for _, j := range c.joining() {
		if j.leave == room {
			j.leave = ""
		}
	}
	s.depart(c, room)
	return nil
}

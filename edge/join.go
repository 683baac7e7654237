// Joining rooms with a memory: a member joins held, what it missed is read from
// the history, and what came meanwhile follows without a hole and without a
// repetition.

package edge

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"barrage/edge/broker"
	"barrage/fanout"
	"barrage/frame"
)

// joining is a join under way. Owner: the shard's goroutine.
type joining struct {
	c        *client
	id       uint64 // of the command; 0: the server's own, answered by a push
	room     string
	since    *broker.Position
	history  int
	presence bool
	until    time.Duration // when it stops waiting for the broker; 0: it does not wait
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
	if err := CheckRoom(room); err != nil {
		return err
	}
	if !c.ident.MayJoin(room) {
		return refuse(403, "forbidden", "this connection may not join room "+room)
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
	if s.fan.In(uint32(c.id), cmd.Room) || c.isJoining(cmd.Room) {
		return refuse(409, "already_joined", "this connection is in room "+cmd.Room+" already")
	}
	if cmd.Leave != "" {
		if err := s.leave(c, cmd.Leave); err != nil {
			return err
		}
	}
	if s.roomsOf(c)+len(c.joining) >= s.srv.cfg.MaxRooms {
		return refuse(403, "too_many_rooms", "a connection may be in "+strconv.Itoa(s.srv.cfg.MaxRooms)+" rooms")
	}
	s.join(&joining{c: c, id: cmd.ID, room: cmd.Room, since: cmd.Since.position(), history: limit, presence: cmd.Presence})
	return nil
}

func (c *client) isJoining(room string) bool {
	return slices.ContainsFunc(c.joining, func(j *joining) bool { return j.room == room })
}

// roomsOf counts the rooms a client has joined by its own wish.
func (s *shard) roomsOf(c *client) int {
	n := 0
	for room := range s.fan.Rooms(uint32(c.id)) {
		if isPublicName(room) && room != userPrefix+c.user() {
			n++
		}
	}
	return n
}

// join begins: first the broker must bring the room's messages here.
func (s *shard) join(j *joining) {
	j.c.joining = append(j.c.joining, j)
	if s.srv.want(j.room) {
		s.enter(j)
		return
	}
	j.until = s.srv.now() + brokerWait
	s.joins = append(s.joins, j)
	s.srv.waiters.Add(1)
	if s.srv.want(j.room) { // it may have got ready before this was written down
		s.joinsReady(j.room)
	}
}

// joinsReady goes on with those who waited for a room.
func (s *shard) joinsReady(room string) {
	for i := 0; i < len(s.joins); {
		j := s.joins[i]
		if j.room != room {
			i++
			continue
		}
		s.joins = slices.Delete(s.joins, i, i+1)
		s.srv.waiters.Add(-1)
		if s.stillJoining(j) {
			s.enter(j)
		}
	}
}

// stillJoining tells whether the client is still there and has not left the room
// before it was in it.
func (s *shard) stillJoining(j *joining) bool { return s.alive(j.c) && slices.Contains(j.c.joining, j) }

// joinsLate lets in those who have waited long enough: better without the other
// nodes than not at all.
func (s *shard) joinsLate() {
	for len(s.joins) > 0 && s.joins[0].until <= s.srv.now() {
		j := s.joins[0]
		s.joins = slices.Delete(s.joins, 0, 1)
		s.srv.waiters.Add(-1)
		if s.stillJoining(j) {
			s.enter(j)
		}
	}
}

// enter makes the client a member, held until the history has been read.
func (s *shard) enter(j *joining) {
	c := j.c
	kept := s.srv.cfg.History.For(j.room).On()
	s.fan.Join(uint32(c.id), j.room, c.encoding(), kept)
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
		s.loop.Post(func() {
			if s.stillJoining(j) {
				s.fetched(j, &page, err)
			}
		})
	}) {
		s.notEntered(j, retryIn("overloaded", "too many histories are being read", time.Second))
	}
}

// fetched has the room's history, or knows that it cannot be had. Who asked for
// no history is let in without: the room goes on here while the store is away.
func (s *shard) fetched(j *joining, page *broker.Page, err error) {
	if err != nil {
		if j.since != nil || j.history > 0 {
			s.notEntered(j, err)
			return
		}
		page = &broker.Page{}
	}
	s.entered(j, page)
}

func (s *shard) notEntered(j *joining, err error) {
	s.endJoin(j)
	s.fan.Leave(uint32(j.c.id), j.room)
	if j.id != 0 {
		s.replyError(j.c, j.id, err)
		return
	}
	s.push(j.c, &leftJSON{Push: "left", Room: j.room, Error: errorOf(err)})
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
	if j.presence {
		s.fan.Join(uint32(c.id), presencePrefix+j.room, c.encoding(), false)
	}
	s.arrive(c, j.room)
	r := &joinReply{Room: j.room, Epoch: page.Head.Epoch, Offset: page.Head.Offset}
	r.Users, r.Connections = s.srv.count(j.room)
	if j.since != nil || j.history > 0 {
		fillJoin(r, j, page)
	}
	if j.id != 0 {
		s.reply(c, j.id, r)
	} else {
		r.Push = "joined"
		s.push(c, r)
	}
	if c.id == s.cur && s.reading {
		s.sendReplies(c.id) // the reply goes out before what the room says
	}
	s.fan.Resume(uint32(c.id), j.room, s.srv.epochs.place(j.room, page.Head.Epoch, page.Head.Offset))
}

// fillJoin puts the missed messages into the reply, as far as one reply takes
// them: if not all, the client is told which it lacks, and may ask for them.
func fillJoin(r *joinReply, j *joining, page *broker.Page) {
	from, size := len(page.Messages), 0
	for from > 0 && size+jsonSize(page.Messages[from-1]) <= pageBytes {
		from--
		size += jsonSize(page.Messages[from])
	}
	r.Gap = gapOf(page.Gap)
	switch {
	case from == 0 || j.since == nil:
	case r.Gap == nil:
		r.Gap = &gapJSON{Epoch: page.Head.Epoch, From: j.since.Offset + 1, To: page.Messages[from-1].Offset, Reason: "large"}
	case r.Gap.To != 0:
		r.Gap.To = page.Messages[from-1].Offset
	}
	r.Resumed = j.since != nil && r.Gap == nil
	for _, m := range page.Messages[from:] {
		r.Messages = append(r.Messages, messageOf(m))
	}
}

func (s *shard) endJoin(j *joining) {
	c := j.c
	if i := slices.Index(c.joining, j); i >= 0 {
		c.joining = slices.Delete(c.joining, i, i+1)
	}
	if len(c.joining) == 0 {
		c.joining = nil
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
	if i := slices.IndexFunc(c.joining, func(j *joining) bool { return j.room == room }); i >= 0 {
		s.endJoin(c.joining[i])
		s.fan.Leave(uint32(c.id), room)
		return nil
	}
	if !isPublicName(room) || !s.fan.Leave(uint32(c.id), room) {
		return refuse(409, "not_joined", "this connection is not in room "+room)
	}
	s.fan.Leave(uint32(c.id), presencePrefix+room)
	s.depart(c, room)
	return nil
}

// Lost implements broker.Receiver: the members here are told of the gap in its
// place among the messages.
func (s *Server) Lost(room string, gap broker.Gap) {
	j := gapOf(&gap)
	j.Push, j.Room = "gap", room
	if _, err := s.hub.Publish(room, &gapNotice{notice{j}, s.epochs.place(room, gap.Epoch, gap.To)}); err != nil {
		s.refused[refusedOverload].Add(1)
	}
}

// gapNotice is a gap on its way to the members of a room. Raw ones have no words
// for it: they get a ping.
type gapNotice struct {
	notice
	offset uint64 // who was given the history up to there has no gap
}

func (n *gapNotice) Offset() uint64 { return n.offset }

func (n *gapNotice) Encode(e fanout.Encoding) fanout.Message {
	if e&encodeJSON == 0 {
		return frame.Encode(frame.Ping, nil)
	}
	return n.notice.Encode(e)
}

// skipped tells a client that it was too slow for a part of a room.
func (s *shard) skipped(c *client, room string, n, from, to uint64) {
	if !isPublicName(room) {
		return
	}
	gap := &gapJSON{Push: "gap", Room: room, Count: n, From: offsetOf(from), To: offsetOf(to), Reason: "slow"}
	buf := jsonBuffers.Get().(*bytes.Buffer)
	defer putJSON(buf)
	s.loop.Queue(c.id, frame.AppendFrame(nil, frame.Text, appendJSON(buf, gap)))
}

// The commands join and leave. A member of a room with a memory joins held, what it
// missed is read from the history, and what came meanwhile follows without a hole and
// without a repetition.

package v1

import (
	"fmt"
	"slices"
	"sync/atomic"

	"barrage/edge/conn"
	"barrage/edge/delivery"
	"barrage/edge/history"
	"barrage/edge/share"
	"barrage/edge/wait"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// joining is a join under way. Owner: the loop's goroutine.
type joining struct {
	c        *client
	id       uint64 // of the command; 0: the server's own, answered by a push
	room     string
	since    *broker.Position
	history  int
	presence bool
	noEcho   bool           // of what it sends there itself
	hidden   bool           // from the others in the room
	leave    string         // the room to leave once in this one
	wait     *wait.Wait     // for the broker; nil: no more
	lost     delivery.Skips // of what came while it was held
	gone     atomic.Bool    // it is over; any goroutine
}

// joinReply tells what a member has. It is exactly one of: resumed, a gap, or
// (without since) neither.
type joinReply struct {
	Push        string   `json:"push,omitempty"` // "joined", when no command asked for it
	Room        string   `json:"room"`
	Epoch       string   `json:"epoch,omitempty"` // with offset the position from which pushes follow
	Offset      uint64   `json:"offset"`
	Resumed     bool     `json:"resumed,omitempty"` // messages are all that was missed
	Gap         *gapPush `json:"gap,omitempty"`
	Messages    messages `json:"messages,omitempty"`
	Users       int      `json:"users"`
	Connections int      `json:"connections"`
}

func (a *joinReply) list() messages { return a.Messages }

func cmdJoin(p *protocol, r *conn.Read, c *client, cmd *command) error {
	if err := p.mayJoin(c, cmd.Room); err != nil {
		return err
	}
	limit, err := bounded("history", cmd.History, 0, history.MaxPage)
	if err != nil {
		return err
	}
	if p.loop.In(c.ID, cmd.Room) || c.joining(cmd.Room) != nil {
		return refusal.New(409, "already_joined", "this connection is in room "+cmd.Room+" already")
	}
	if cmd.Since != nil || limit > 0 {
		if err := p.mayAsk(c); err != nil {
			return err
		}
	}
	j := &joining{c: c, id: uint64(cmd.ID), room: cmd.Room, since: cmd.Since.position(), history: limit, presence: cmd.Presence, noEcho: cmd.Echo != nil && !*cmd.Echo, hidden: cmd.Hidden, leave: cmd.Leave}
	if j.leave != "" && !p.mayLeaveFor(c, j.leave) {
		return notJoined(j.leave)
	}
	if c.counts(j.room) && p.roomsOf(c)+j.weight() > p.node.MaxRooms {
		return refusal.New(403, "too_many_rooms", fmt.Sprintf("a connection may be in %d rooms", p.node.MaxRooms))
	}
	p.join(r, j)
	return nil
}

func notJoined(room string) error {
	return refusal.New(409, "not_joined", "this connection is not in room "+room)
}

// mayLeaveFor tells whether the client is in a room that no other join leaves.
func (p *protocol) mayLeaveFor(c *client, room string) bool {
	return conn.IsPublic(room) && p.loop.In(c.ID, room) && c.joining(room) == nil &&
		!slices.ContainsFunc(c.joins(), func(j *joining) bool { return j.leave == room })
}

// counts tells whether a room counts among those that the client may be in: its user's
// own does not.
func (c *client) counts(room string) bool { return room != "" && !c.owns(room) }

// weight is by how many rooms more the client is in after a join.
func (j *joining) weight() int {
	n := 0
	if j.c.counts(j.room) {
		n++
	}
	if j.c.counts(j.leave) {
		n--
	}
	return n
}

// roomsOf counts the rooms that the client is in once all its joins are done.
func (p *protocol) roomsOf(c *client) int {
	n := 0
	for room := range p.loop.Rooms(c.ID) {
		if c.counts(room) && c.joining(room) == nil {
			n++
		}
	}
	for _, j := range c.joins() {
		n += j.weight()
	}
	return n
}

// join begins: first a backend may have to allow it.
func (p *protocol) join(r *conn.Read, j *joining) {
	d := j.c.begin()
	d.joins = append(d.joins, j)
	if !j.c.owns(j.room) && p.node.Hooks.AsksToJoin(j.room) {
		p.askToJoin(j)
		return
	}
	p.await(r, j)
}

// await goes on once the broker brings the room's messages here.
func (p *protocol) await(r *conn.Read, j *joining) {
	if p.waits.Ready([]string{j.room}) {
		p.enter(r, j)
		return
	}
	j.wait = p.waits.For([]string{j.room}, p.node.Loops.Now(), func() {
		j.wait = nil
		p.loop.Guard(j.c.ID, func() { p.enter(nil, j) })
	})
}

// under tells whether the client has not left the room before it was in it.
func (j *joining) under() bool { return slices.Contains(j.c.joins(), j) }

// enter makes the client a member, held until the history has been read.
func (p *protocol) enter(r *conn.Read, j *joining) {
	c := j.c
	// A room that forgets has to say so to a client that asks for what it missed.
	kept := p.node.Moderation.Retention(j.room).On() || j.since != nil
	p.loop.Join(c.ID, j.room, c.Encoding, kept)
	if !kept {
		p.entered(r, j, &page{})
		return
	}
	limit := j.history
	switch {
	case j.since != nil:
		limit = 0 // all that was missed
	case limit == 0:
		limit = 1 // only the head is wanted
	}
	if err := p.fetch(c, history.Ask{
		Class: share.Join, Room: j.room, Gone: &j.gone,
		Query: broker.Query{After: j.since, Limit: limit, Last: true, Begin: true},
	}, func(page *page, err error) {
		if j.under() {
			p.onHistory(j, page, err)
		}
	}); err != nil {
		p.refuseJoin(r, j, err)
	}
}

// onHistory has the room's history, or knows that it cannot be had, or that it is worth
// nothing, as what is published next may not come here. A client that asked for no
// history is let in without, and without a position: the room goes on here while Redis
// is unreachable.
func (p *protocol) onHistory(j *joining, pg *page, err error) {
	if err == nil && !p.follows(j.room) {
		err = broker.ErrUnavailable
	}
	if err != nil {
		if j.since != nil || j.history > 0 {
			p.refuseJoin(nil, j, err)
			return
		}
		pg = &page{}
	}
	p.entered(nil, j, pg)
}

// follows tells whether all that is published to a room from now on comes here.
func (p *protocol) follows(room string) bool {
	return p.node.Broker.Err() == nil && p.node.Broker.Want(room)
}

func (p *protocol) refuseJoin(r *conn.Read, j *joining, err error) {
	p.endJoin(j)
	p.loop.Leave(j.c.ID, j.room)
	if j.id != 0 {
		p.replyError(r, j.c, j.id, err)
		return
	}
	p.push(r, j.c, &leftPush{Push: "left", Room: j.room, Error: errorOf(err)})
	if j.c.owns(j.room) {
		p.mail.Retry(&j.c.Client)
	}
}

// entered tells the client what it has, and lets what came meanwhile follow.
func (p *protocol) entered(r *conn.Read, j *joining, page *page) {
	c := j.c
	p.endJoin(j)
	if j.leave != "" {
		_ = p.leave(r, c, j.leave) // it is in it: else leave would be ""
	}
	if j.noEcho {
		p.loop.SetEcho(&c.Client, j.room, false)
	}
	if j.presence {
		p.loop.Join(c.ID, presencePrefix+j.room, c.Encoding, false)
	}
	if j.hidden {
		p.loop.HideIn(&c.Client, j.room)
	}
	p.arrive(c, j.room)
	if c.owns(j.room) {
		for _, m := range page.Messages {
			p.mail.Given(&c.Client, m)
		}
	}
	a := &joinReply{Room: j.room, Epoch: page.Head.Epoch, Offset: page.Head.Offset}
	a.Users, a.Connections = p.node.Count(j.room)
	if j.since != nil || j.history > 0 {
		a.fill(j, page, p.room(r, c))
	}
	if j.id != 0 {
		p.reply(r, c, j.id, a)
	} else {
		a.Push = "joined"
		p.push(r, c, a)
	}
	after := p.node.Delivery.Sequences.Of(j.room, page.Head.Epoch, page.Head.Offset)
	if lost := j.lost.Behind(after); lost.N > 0 {
		p.skipped(c, j.room, lost)
	}
	r.Flush() // the reply goes out before what the room says
	p.loop.Resume(c.ID, j.room, after)
}

// fill puts the missed messages into the reply, as far as one reply takes them: if not
// all, the client is told which it lacks, and may ask for them.
func (a *joinReply) fill(j *joining, page *page, left int) {
	from := page.json.last(left, 0)
	a.Messages = page.json[from:]
	a.Gap = gapOf(page.Gap)
	if from > 0 && j.since != nil {
		a.Gap = gapOf(page.Without(j.since, page.Messages[from-1].Offset))
	}
	a.Resumed = j.since != nil && a.Gap == nil
}

func (p *protocol) endJoin(j *joining) {
	c := j.c
	if i := slices.Index(c.joins(), j); i >= 0 {
		c.pending.joins = slices.Delete(c.pending.joins, i, i+1)
		j.gone.Store(true)
		c.ended()
	}
	if j.wait != nil {
		p.waits.Cancel(j.wait)
		j.wait = nil
	}
}

func cmdLeave(p *protocol, r *conn.Read, c *client, cmd *command) error {
	if err := p.leave(r, c, cmd.Room); err != nil {
		return err
	}
	p.reply(r, c, uint64(cmd.ID), empty{})
	return nil
}

// leave ends a membership, or a join under way.
func (p *protocol) leave(r *conn.Read, c *client, room string) error {
	if c.owns(room) && p.mail.Leave(&c.Client) {
		return nil
	}
	if j := c.joining(room); j != nil {
		p.endJoin(j)
		p.loop.Leave(c.ID, room)
		if j.id != 0 { // every command is answered
			p.replyError(r, c, j.id, refusal.New(409, "not_joined", "room "+room+" was left before the join was done"))
		}
		return nil
	}
	if !conn.IsPublic(room) || !p.loop.Leave(c.ID, room) {
		return notJoined(room)
	}
	p.loop.Leave(c.ID, presencePrefix+room)
	p.loop.SetEcho(&c.Client, room, true)
	c.forgetGap(room)
	for _, j := range c.joins() {
		if j.leave == room {
			j.leave = ""
		}
	}
	p.depart(c, room)
	return nil
}

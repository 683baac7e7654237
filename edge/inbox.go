// Inboxes: messages to single users. A user's room costs a connection nothing
// until there is something in it.

package edge

import (
	"context"
	"math/rand/v2"
	"time"

	"barrage/internal/broker"
)

// inboxRetry is after how long, and up to as long again, it is looked once more
// whether something waits for a user, if that could not be found out.
const inboxRetry = 2 * time.Second

// wake has those connections of a message's user join the room that are not in it
// yet: they read the message from the history.
func (s *Server) wake(user string, m *broker.Message) {
	s.inboxes.each(user, func(c *client) {
		sh := s.shards[c.shard]
		sh.post(c, func() { sh.woken(c, m) })
	})
}

func (s *shard) woken(c *client, m *broker.Message) {
	s.owes(c, m)
	switch {
	case s.fan.In(uint32(c.id), m.Room):
	case m.Offset == 0:
		s.push(c, pushOf(legible(m))) // in no history; the next one is another's
	case c.joinOf(m.Room) != nil:
	case c.looks():
		c.doing.woken = true // others may wait before it
	default:
		s.join(&joining{c: c, room: m.Room, since: &broker.Position{Epoch: m.Epoch, Offset: m.Offset - 1}})
	}
}

// openInbox begins to receive messages to the client's user, those of the time
// they were away first.
func (s *shard) openInbox(c *client) {
	if !c.json || c.user() == "" {
		return
	}
	s.srv.inboxes.open(c)
	if s.srv.cfg.Presence != nil {
		s.srv.presence.Join(broker.UserPrefix+c.user(), c.who) // other nodes ask whether they are online
	}
	s.join(&joining{c: c, room: broker.UserPrefix + c.user(), inbox: true})
}

func (s *shard) closeInbox(c *client) {
	if !c.json || c.user() == "" {
		return
	}
	s.srv.inboxes.close(c)
	if s.srv.cfg.Presence != nil {
		s.srv.presence.Leave(broker.UserPrefix+c.user(), c.user())
	}
}

// lookIntoInbox has the client join its user's room if something waits there. What
// comes from now on wakes it.
func (s *shard) lookIntoInbox(j *joining) {
	c, room := j.c, j.room
	looks := c.looks()
	c.doing.looks, c.doing.woken = true, looks
	s.endJoin(j)
	if looks {
		return
	}
	if !s.srv.pool.try(func(ctx context.Context) {
		unread, err := s.srv.broker.Unread(ctx, room)
		var pos broker.Position
		if err == nil && unread {
			pos, err = s.srv.broker.Acknowledged(ctx, room)
		}
		s.post(c, func() {
			woken := c.looked()
			switch {
			case err != nil:
				s.lookSoon(c, room)
			case s.fan.In(uint32(c.id), room) || c.joinOf(room) != nil:
			case unread:
				s.join(&joining{c: c, room: room, since: &pos})
			case woken:
				s.lookAgain(c, room)
			}
		})
	}) {
		c.looked()
		s.lookSoon(c, room)
	}
}

// looks tells whether it is being found out what waits for the client.
func (c *client) looks() bool { return c.doing != nil && c.doing.looks }

// looked ends a look, and tells whether there may be more since it began.
func (c *client) looked() (woken bool) {
	woken = c.doing.woken
	c.doing.looks, c.doing.woken = false, false
	c.ended()
	return woken
}

// lookSoon is for a client whose inbox could not be looked into, or not be read.
func (s *shard) lookSoon(c *client, room string) {
	if c.looks() {
		c.doing.woken = true
		return
	}
	c.begin().looks = true
	time.AfterFunc(inboxRetry+rand.N(inboxRetry), func() {
		s.post(c, func() {
			c.looked()
			s.lookAgain(c, room)
		})
	})
}

// lookAgain is for a client that may have missed the message that would have woken
// it.
func (s *shard) lookAgain(c *client, room string) {
	switch {
	case s.fan.In(uint32(c.id), room) || c.joinOf(room) != nil:
	case c.looks():
		c.doing.woken = true
	default:
		s.join(&joining{c: c, room: room, inbox: true})
	}
}

// isInbox tells whether a room is the client's user's.
func (c *client) isInbox(room string) bool {
	user, ok := broker.UserOf(room)
	return ok && c.json && user == c.user()
}

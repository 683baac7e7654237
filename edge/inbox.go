// Inboxes: messages to single users. A user's room costs a connection nothing
// until there is something in it.

package edge

import (
	"context"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"barrage/edge/broker"
)

// inboxes knows which connections of barrage.v1 are whose. They are members of
// their user's room only once a message has come to it, or was waiting: hundreds
// of thousands of rooms that nobody writes to would be most of the memory. Any
// goroutine.
type inboxes struct {
	seed    maphash.Seed
	stripes [64]inboxStripe
}

type inboxStripe struct {
	mu    sync.Mutex         // guards users, and client.mate of all in it
	users map[string]*client // a user's first connection here; the others are its mates
}

func newInboxes() *inboxes { return &inboxes{seed: maphash.MakeSeed()} }

func (b *inboxes) stripe(user string) *inboxStripe {
	return &b.stripes[maphash.String(b.seed, user)%uint64(len(b.stripes))]
}

// open begins to watch for messages to the client's user.
func (b *inboxes) open(c *client) {
	st := b.stripe(c.user())
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.users == nil {
		st.users = make(map[string]*client)
	}
	c.mate = st.users[c.user()]
	st.users[c.user()] = c
}

func (b *inboxes) close(c *client) {
	user := c.user()
	st := b.stripe(user)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.users[user] == c {
		if c.mate == nil {
			delete(st.users, user)
		} else {
			st.users[user] = c.mate
		}
		return
	}
	for p := st.users[user]; p != nil; p = p.mate {
		if p.mate == c {
			p.mate = c.mate
			return
		}
	}
}

// count is how many connections of a user are here.
func (b *inboxes) count(user string) (n int) {
	st := b.stripe(user)
	st.mu.Lock()
	defer st.mu.Unlock()
	for c := st.users[user]; c != nil; c = c.mate {
		n++
	}
	return n
}

// each calls f under the stripe's lock.
func (b *inboxes) each(user string, f func(*client)) {
	st := b.stripe(user)
	st.mu.Lock()
	defer st.mu.Unlock()
	for c := st.users[user]; c != nil; c = c.mate {
		f(c)
	}
}

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
	case s.fan.In(uint32(c.id), m.Room) || c.joinOf(m.Room) != nil:
	case m.Offset == 0:
		s.push(c, pushOf(m)) // in no history; the next one is another's
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
		s.srv.presence.Join(userPrefix+c.user(), c.who) // other nodes ask whether they are online
	}
	s.join(&joining{c: c, room: userPrefix + c.user(), inbox: true})
}

func (s *shard) closeInbox(c *client) {
	if !c.json || c.user() == "" {
		return
	}
	s.srv.inboxes.close(c)
	if s.srv.cfg.Presence != nil {
		s.srv.presence.Leave(userPrefix+c.user(), c.user())
	}
}

// lookIntoInbox has the client join its user's room if something waits there. What
// comes from now on wakes it.
func (s *shard) lookIntoInbox(j *joining) {
	c, room := j.c, j.room
	s.endJoin(j)
	if !s.srv.pool.try(func(ctx context.Context) {
		unread, err := s.srv.broker.Unread(ctx, room)
		var pos broker.Position
		if err == nil && unread {
			pos, err = s.srv.broker.Acknowledged(ctx, room)
		}
		if unread && err == nil {
			s.post(c, func() {
				if !s.fan.In(uint32(c.id), room) && c.joinOf(room) == nil {
					s.join(&joining{c: c, room: room, since: &pos})
				}
			})
		}
	}) {
		s.push(c, &leftJSON{Push: "left", Room: room, Error: errorOf(retryIn("overloaded", "the server has too much to do", time.Second))})
	}
}

// lookAgain is for a client that may have missed the message that would have woken
// it.
func (s *shard) lookAgain(c *client, room string) {
	if !s.fan.In(uint32(c.id), room) && c.joinOf(room) == nil {
		s.join(&joining{c: c, room: room, inbox: true})
	}
}

// isInbox tells whether a room is the client's user's.
func (c *client) isInbox(room string) bool {
	user, ok := userOf(room)
	return ok && c.json && user == c.user()
}

// userOf is the user whose room it is.
func userOf(room string) (user string, ok bool) { return strings.CutPrefix(room, userPrefix) }

// The table of who is connected here, by user.

package edge

import (
	"hash/maphash"
	"sync"

	"barrage/edge/presence"
)

// inboxes knows which connections of barrage.v1 are whose. They are members of
// their user's room only once a message has come to it, or was waiting: hundreds
// of thousands of rooms that nobody writes to would be most of the memory. So
// would a map of their users, which is why this is a hash table that is chained
// through the clients. Any goroutine.
type inboxes struct {
	seed    maphash.Seed
	stripes [64]inboxStripe
}

type inboxStripe struct {
	mu    sync.Mutex // guards what follows, and client.mate and who of all in it
	heads []*client  // by hash: the first of a chain; their number is a power of two
	n     int        // clients
}

// chainLen is how many clients a chain has at most, on average.
const chainLen = 4

func newInboxes() *inboxes { return &inboxes{seed: maphash.MakeSeed()} }

// lock returns the user's stripe, locked, and the user's hash there.
func (b *inboxes) lock(user string) (st *inboxStripe, hash uint64) {
	hash = maphash.String(b.seed, user)
	st = &b.stripes[hash%uint64(len(b.stripes))]
	st.mu.Lock()
	return st, hash / uint64(len(b.stripes))
}

func (st *inboxStripe) head(hash uint64) **client { return &st.heads[hash&uint64(len(st.heads)-1)] }

// open begins to watch for messages to the client's user.
func (b *inboxes) open(c *client) {
	st, hash := b.lock(c.user())
	defer st.mu.Unlock()
	if st.n >= chainLen*len(st.heads) {
		b.resize(st, max(1, 2*len(st.heads)))
	}
	head := st.head(hash)
	c.mate, *head = *head, c
	st.n++
}

// rename gives a client with an open inbox another face, of the same user.
func (b *inboxes) rename(c *client, who *presence.User) {
	st, _ := b.lock(c.user())
	defer st.mu.Unlock()
	c.who = who
}

func (b *inboxes) close(c *client) {
	st, hash := b.lock(c.user())
	defer st.mu.Unlock()
	if st.n == 0 {
		return
	}
	for p := st.head(hash); *p != nil; p = &(*p).mate {
		if *p == c {
			*p, c.mate = c.mate, nil
			st.n--
			break
		}
	}
	if st.n < len(st.heads)/4 {
		b.resize(st, len(st.heads)/2)
	}
}

// resize moves the stripe's clients to another number of chains. Its lock is held.
func (b *inboxes) resize(st *inboxStripe, heads int) {
	old := st.heads
	st.heads = make([]*client, heads)
	for _, c := range old {
		for c != nil {
			next := c.mate
			head := st.head(maphash.String(b.seed, c.user()) / uint64(len(b.stripes)))
			c.mate, *head = *head, c
			c = next
		}
	}
}

// each calls f, under the stripe's lock, for the user's connections here.
func (b *inboxes) each(user string, f func(*client)) {
	st, hash := b.lock(user)
	defer st.mu.Unlock()
	if st.n == 0 {
		return
	}
	for c := *st.head(hash); c != nil; c = c.mate {
		if c.user() == user {
			f(c)
		}
	}
}

// count is how many connections of a user are here.
func (b *inboxes) count(user string) (n int) {
	b.each(user, func(*client) { n++ })
	return n
}

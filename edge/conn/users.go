// The index of clients by user.

package conn

import (
	"sync"

	"barrage/edge/presence"
	"barrage/internal/striped"
)

// UserIndex knows which clients are whose, of those that take messages to their user.
// Hundreds of thousands of users who are never written to must cost little, and a map
// of them would not, so it is a hash table that is chained through the clients. Its
// methods may be called from any goroutine; those that take a client, on the client's
// loop.
type UserIndex struct{ stripes *striped.Set[userStripe] }

type userStripe struct {
	mu    sync.Mutex // guards what follows, and Client.next, who and hidden of all in it
	heads []*Client  // by hash: the first of a chain; their number is a power of two
	n     int        // clients
}

// chainLen is how many clients a chain has at most, on average.
const chainLen = 4

// NewUserIndex returns an empty index.
func NewUserIndex() *UserIndex { return &UserIndex{striped.New[userStripe]()} }

// lock returns the user's stripe, locked, and the user's hash there.
func (x *UserIndex) lock(user string) (st *userStripe, hash uint64) {
	st, hash = x.stripes.Hash(user)
	st.mu.Lock()
	return st, hash
}

func (st *userStripe) head(hash uint64) **Client { return &st.heads[hash&uint64(len(st.heads)-1)] }

// Add puts a client in, under its user.
func (x *UserIndex) Add(c *Client) {
	st, hash := x.lock(c.User())
	defer st.mu.Unlock()
	if st.n >= chainLen*len(st.heads) {
		x.resize(st, max(1, 2*len(st.heads)))
	}
	head := st.head(hash)
	c.next, *head = *head, c
	c.indexed = true
	st.n++
}

// replace gives a client another name and avatar, of the same user, and hides it or not.
func (x *UserIndex) replace(c *Client, who *presence.User, hidden bool) {
	st, _ := x.lock(c.User())
	defer st.mu.Unlock()
	c.who, c.hidden = who, hidden
}

// Remove takes a client out, if it is in.
func (x *UserIndex) Remove(c *Client) {
	if !c.indexed {
		return
	}
	st, hash := x.lock(c.User())
	defer st.mu.Unlock()
	for p := st.head(hash); *p != nil; p = &(*p).next {
		if *p == c {
			*p, c.next = c.next, nil
			break
		}
	}
	c.indexed = false
	st.n--
	if st.n < len(st.heads)/4 {
		x.resize(st, len(st.heads)/2)
	}
}

// resize moves the stripe's clients to another number of chains. Its lock is held.
func (x *UserIndex) resize(st *userStripe, heads int) {
	old := st.heads
	st.heads = make([]*Client, heads)
	for _, c := range old {
		for c != nil {
			next := c.next
			_, hash := x.stripes.Hash(c.User())
			head := st.head(hash)
			c.next, *head = *head, c
			c = next
		}
	}
}

// Of returns a user's clients.
func (x *UserIndex) Of(user string) (clients []*Client) {
	st, hash := x.lock(user)
	defer st.mu.Unlock()
	for c := st.first(hash); c != nil; c = c.next {
		if c.User() == user {
			clients = append(clients, c)
		}
	}
	return clients
}

// Count is how many clients a user has.
func (x *UserIndex) Count(user string) int { return x.count(user, true) }

// Seen is how many of a user's clients others may know of.
func (x *UserIndex) Seen(user string) int { return x.count(user, false) }

func (x *UserIndex) count(user string, hidden bool) (n int) {
	st, hash := x.lock(user)
	defer st.mu.Unlock()
	for c := st.first(hash); c != nil; c = c.next {
		if c.User() == user && (hidden || !c.hidden) {
			n++
		}
	}
	return n
}

// first is the head of a chain, nil if there is none.
func (st *userStripe) first(hash uint64) *Client {
	if st.n == 0 {
		return nil
	}
	return *st.head(hash)
}

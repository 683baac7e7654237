// Reading from the store: lists of the whole cluster, and unique viewers.

package presence

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Cluster is List for the whole cluster: it asks the store. Calls for the same room at
// the same time share an answer. Where that fails it returns this node's list with the
// error.
func (g *Registry) Cluster(ctx context.Context, room string, limit int) (List, error) {
	if !g.clustered() {
		return g.List(room, limit), nil
	}
	l, err := g.lists.get(ctx, listKey{room, limit != 0}, g.cfg.Store, g.cfg.ExactLimit)
	if err != nil {
		return g.List(room, limit), fmt.Errorf("presence: list of %s: %w", room, err)
	}
	g.addLocal(room, &l, limit != 0)
	n := min(g.listed(l.Total, limit), len(l.Users))
	l.Users = l.Users[:n:n]
	l.Complete = l.Complete && len(l.Users) == l.Total
	return l, nil
}

// addLocal adds the users of this node that the store does not know yet, so that a
// client that has just joined finds its user in the list.
func (g *Registry) addLocal(room string, l *List, names bool) {
	if users, conns := g.Count(room); !names {
		l.Total, l.Connections = max(l.Total, users), max(l.Connections, conns)
		return
	}
	known := make(map[string]int, len(l.Users))
	for i, e := range l.Users {
		known[e.User.ID] = i
	}
	local := g.List(room, -1)
	all := slices.Clone(l.Users) // shared
	for _, e := range local.Users {
		if at, ok := known[e.User.ID]; ok {
			all[at].Status = all[at].Status.Newer(e.Status)
		} else {
			all = append(all, e)
		}
	}
	if l.Complete && local.Complete {
		l.Total = len(all)
	}
	l.Total, l.Connections = max(l.Total, local.Total), max(l.Connections, local.Connections)
	sortNewest(all)
	l.Users = all
}

// sortNewest is the order of every list of more than one node.
func sortNewest(users []Entry) {
	slices.SortFunc(users, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(b.Joined, a.Joined), cmp.Compare(a.User.ID, b.User.ID))
	})
}

// Viewers estimates how many users were in a room at any time within the last
// window, which is rounded up to whole Config.ViewerBuckets.
func (g *Registry) Viewers(ctx context.Context, room string, window time.Duration) (int, error) {
	if !g.clustered() {
		return 0, ErrNoStore
	}
	age := g.age()
	n, err := g.cfg.Store.Viewers(ctx, room, g.bucket(age-window), g.bucket(age))
	if err != nil {
		return 0, fmt.Errorf("presence: viewers of %s: %w", room, err)
	}
	return n, nil
}

// Rooms calls found for the rooms of all nodes whose names match a pattern, as
// Store.Rooms does. It is much work for the store: for what operators do.
func (g *Registry) Rooms(ctx context.Context, pattern string, found func(room string) bool) error {
	if !g.clustered() {
		return ErrNoStore
	}
	if err := g.cfg.Store.Rooms(ctx, pattern, found); err != nil {
		return fmt.Errorf("presence: rooms like %s: %w", pattern, err)
	}
	return nil
}

type listKey struct {
	room  string
	names bool
}

// listCalls let many callers that want the same list share an answer. It is always of
// a call that began after they asked: with an older one they could miss what was
// announced in between. (singleflight would join them to the older one.)
type listCalls struct {
	mu    sync.Mutex
	rooms map[listKey]*listQueue // guarded by mu, as what is in it
}

// listQueue is the call under way, and the one that will follow it.
type listQueue struct{ running, next *listCall }

type listCall struct {
	done chan struct{} // closed when the rest is set
	list List
	err  error
}

// get returns the list that store has. Its Users must not be changed.
func (c *listCalls) get(ctx context.Context, key listKey, store Store, exact int) (List, error) {
	l, before := c.call(key)
	if l == nil { // another caller is going to make the next call
		l = before
		select {
		case <-l.done:
			return l.list, l.err
		case <-ctx.Done():
			return List{}, ctx.Err()
		}
	}
	if before != nil {
		<-before.done
	}
	// Others wait for this answer, so it does not end with its caller; the store
	// bounds it.
	l.list, l.err = store.List(context.WithoutCancel(ctx), key.room, exact, key.names)
	c.end(key)
	close(l.done)
	return l.list, l.err
}

// call returns a call to make, after the one before it if there is one; or nil
// and the call to wait for.
func (c *listCalls) call(key listKey) (mine, before *listCall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rooms == nil {
		c.rooms = make(map[listKey]*listQueue)
	}
	q := c.rooms[key]
	switch {
	case q == nil:
		q = &listQueue{running: &listCall{done: make(chan struct{})}}
		c.rooms[key] = q
		return q.running, nil
	case q.next == nil:
		q.next = &listCall{done: make(chan struct{})}
		return q.next, q.running
	default:
		return nil, q.next
	}
}

// end makes way for the next call.
func (c *listCalls) end(key listKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q := c.rooms[key]; q.next != nil {
		q.running, q.next = q.next, nil
	} else {
		delete(c.rooms, key)
	}
}

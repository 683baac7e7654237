// The order of what a connection publishes.

package hooks

import (
	"net/http"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

var errLine = refusal.Retry(http.StatusServiceUnavailable, errOverloaded.Code(), "Too many messages of this connection wait for the backend.", time.Second)

// Line keeps the messages of a connection in their order while a backend is asked about
// some of them: all that it publishes meanwhile waits behind. The backend is asked about
// several at once. What waits counts as questions do. The zero Line is empty. Owner: the
// loop of the connection.
type Line struct {
	items  []*lineItem
	hooks  *Hooks
	closed bool
}

type lineItem struct {
	who     Who
	m       *broker.Publication
	size    int // that counts
	decided bool
	err     error // why it is refused
	out     func(*broker.Publication, error)
}

// Empty tells whether nothing waits.
func (l *Line) Empty() bool { return len(l.items) == 0 }

// Publish asks about a message, which the line keeps, if somebody is to be asked. out gets
// it in its turn, perhaps with another payload, or a refusal; perhaps at once. post has a
// function run on the loop, if the connection is there by then. The error refuses a message
// for which there is no room.
func (l *Line) Publish(h *Hooks, who Who, m *broker.Publication, post func(func()), out func(*broker.Publication, error)) error {
	it := &lineItem{who: who, m: m, size: questionCost + len(m.Payload), out: out}
	if len(l.items) >= bounds.HookMessages {
		h.count(KindPublish, Overloaded)
		return errLine
	}
	if !h.slots.Take(it.size, h.lines, who.User, who.Address) {
		h.count(KindPublish, Overloaded)
		return overloaded
	}
	l.hooks, l.items = h, append(l.items, it)
	if !h.AsksToPublish(m.Room) {
		it.decided = true
		l.advance()
		return nil
	}
	h.Publish(who, m, func(change *Change, err error) {
		post(func() {
			if l.closed {
				return
			}
			if it.decided, it.err = true, err; err == nil && change != nil {
				m.Format, m.Payload = change.Format, change.Payload
			}
			l.advance()
		})
	})
	return nil
}

// advance lets those go that have nobody to wait for.
func (l *Line) advance() {
	for len(l.items) > 0 && l.items[0].decided {
		it := l.items[0]
		l.items = l.items[1:]
		l.give(it)
		it.out(it.m, it.err)
	}
	if len(l.items) == 0 {
		l.items = nil
	}
}

func (l *Line) give(it *lineItem) {
	l.hooks.slots.Give(it.size, l.hooks.lines, it.who.User, it.who.Address)
}

// Close is for a connection that is gone: what waits is not published.
func (l *Line) Close() {
	for _, it := range l.items {
		l.give(it)
	}
	l.items, l.closed = nil, true
}

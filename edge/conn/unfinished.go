// What has begun and not ended: messages and requests that wait for their rest, and the
// bound of all of them together.

package conn

import "math/bits"

// unfinished is what a loop's connections hold of what has not ended. Past the bound the
// largest goes, and of those that are about as large, within a factor of two, the one
// that began first. Owner: the loop's goroutine.
type unfinished struct {
	bound   int // bytes
	total   int
	holders map[ID]*holder
	classes [bits.UintSize + 1]holders // by the length of the number of bytes
}

// holder is a connection that holds something. It is in the list of its class.
type holder struct {
	id         ID
	bytes      int
	prev, next *holder
}

// holders is a list, the one that came first at its head.
type holders struct{ first, last *holder }

// set notes that a connection holds so many bytes, and returns how many more that is.
func (u *unfinished) set(id ID, n int) (more int) {
	h := u.holders[id]
	switch {
	case h == nil && n == 0:
		return 0
	case h == nil:
		h = &holder{id: id}
		u.holders[id] = h
		u.classes[bits.Len(uint(n))].push(h)
	case n == 0:
		delete(u.holders, id)
		u.classes[bits.Len(uint(h.bytes))].remove(h)
	case bits.Len(uint(n)) != bits.Len(uint(h.bytes)):
		u.classes[bits.Len(uint(h.bytes))].remove(h)
		u.classes[bits.Len(uint(n))].push(h)
	}
	more = n - h.bytes
	h.bytes = n
	u.total += more
	return more
}

// largest is who goes first, if somebody must.
func (u *unfinished) largest() (id ID, must bool) {
	if u.total <= u.bound {
		return 0, false
	}
	i := len(u.classes) - 1
	for u.classes[i].first == nil { // bytes are held, so one is not empty
		i--
	}
	return u.classes[i].first.id, true
}

func (l *holders) push(h *holder) {
	h.prev, h.next = l.last, nil
	if l.last != nil {
		l.last.next = h
	} else {
		l.first = h
	}
	l.last = h
}

func (l *holders) remove(h *holder) {
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		l.first = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	} else {
		l.last = h.prev
	}
	h.prev, h.next = nil, nil
}

// Holds notes how many bytes the transport, or the door, keeps of what has not ended,
// instead of what it kept before; 0 is nothing. If all hold too much, some are closed,
// perhaps this one: it is to be the last thing that is done with it.
func (l *Loop) Holds(id ID, bytes int) {
	l.loops.unfinished.Add(int64(l.unfinished.set(id, bytes)))
	for {
		largest, must := l.unfinished.largest()
		if !must {
			return
		}
		l.loops.unfinished.Add(int64(l.unfinished.set(largest, 0)))
		l.Guard(largest, func() { l.crowdOut(largest) })
	}
}

// crowdOut closes a connection for what it holds, and has that be forgotten at once.
func (l *Loop) crowdOut(id ID) {
	switch l.sessions.At(id).state & stateMask {
	case stateHandshake, stateWaiting:
		l.door.Crowded(id)
	case stateOpen:
		l.kind(id).Forget(id)
		l.Close(nil, id, CodeTryAgain, "too much is unfinished", Hoarding, Spread())
	}
}

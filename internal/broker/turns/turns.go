// Package turns keeps the order of what is to be done in a room while nobody holds
// a lock to do it. Whoever comes to a room in which nothing is being done begins a
// [Turn] and does it; others leave what they have with the turn, for whoever has it.
//
//	mu.Lock()
//	t := rooms.Of(name)
//	if t != nil {
//		t.Put(v, size)
//		mu.Unlock()
//		return
//	}
//	t = rooms.Begin(name)
//	mu.Unlock()
//	for ok := true; ok; {
//		do(v)
//		mu.Lock()
//		v, ok = rooms.Next(t)
//		mu.Unlock()
//	}
//
// A turn may be passed to another goroutine between two calls of Next. A room in
// which nothing is being done takes no memory.
package turns

import (
	"github.com/gammazero/deque"

	"barrage/internal/bounds"
)

// Rooms are those in which something is being done. The zero value is ready. It is
// guarded by a lock of its user's, its turns included.
type Rooms[T any] struct {
	// A list, since there are no more of them than goroutines at work.
	busy  *Turn[T]
	spare *Turn[T] // for the next one; it has kept its buffer
}

// A Turn is the right to do what is to be done in a room, and the duty to do what
// was put into it meanwhile.
type Turn[T any] struct {
	room    string
	waiting deque.Deque[item[T]]
	bytes   int
	next    *Turn[T] // of Rooms.busy
}

type item[T any] struct {
	v     T
	bytes int
}

// Of returns the room's turn, nil if nobody has it.
func (r *Rooms[T]) Of(room string) *Turn[T] {
	t := r.busy
	for t != nil && t.room != room {
		t = t.next
	}
	return t
}

// Begin gives the caller the turn of a room that has none. It ends with a call of
// Next that has nothing any more.
func (r *Rooms[T]) Begin(room string) *Turn[T] {
	t := r.spare
	if r.spare = nil; t == nil {
		t = new(Turn[T])
	}
	t.room, t.next = room, r.busy
	r.busy = t
	return t
}

// Next takes what has waited longest. If there is nothing, the turn is over.
func (r *Rooms[T]) Next(t *Turn[T]) (v T, ok bool) {
	if t.waiting.Len() > 0 {
		i := t.waiting.PopFront()
		t.bytes -= i.bytes
		return i.v, true
	}
	p := &r.busy
	for *p != t {
		p = &(*p).next
	}
	*p = t.next
	t.room, t.next, r.spare = "", nil, t
	return v, false
}

// Idle tells whether nothing is being done in any room.
func (r *Rooms[T]) Idle() bool { return r.busy == nil }

// Put has v done after all that waits.
func (t *Turn[T]) Put(v T, bytes int) {
	t.waiting.PushBack(item[T]{v, bytes})
	t.bytes += bytes
}

// Waiting is how much is to be done.
func (t *Turn[T]) Waiting() int { return t.waiting.Len() }

// Full tells whether too much waits for anything more to be put. It may be asked of
// no turn.
func (t *Turn[T]) Full() bool {
	return t != nil && (t.waiting.Len() >= bounds.TurnMessages || t.bytes >= bounds.TurnBytes)
}

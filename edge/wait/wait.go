// Package wait is for connections that cannot go on before the broker brings a room's
// messages to this node: a viewer who is told "you are in" must miss nothing. They wait
// two seconds at most: better without the other nodes than not at all.
package wait

import (
	"slices"
	"time"
)

// Longest is how long one waits.
const Longest = 2 * time.Second

// List holds those who wait on one event loop, with how each goes on. Owner: the loop's
// goroutine.
type List struct {
	want   func(room string) (ready bool) // broker.Broker.Want
	rooms  map[string][]*Wait             // the oldest first
	all    []*Wait                        // the oldest first; those that are done among them
	counts func(int)
}

// Wait is one that waits, for a room or, one after another, for several.
type Wait struct {
	rooms []string // still to come; the first is waited for, nil once it is done
	until time.Duration
	goOn  func()
}

// NewList returns an empty list. want asks the broker for a room's messages; counts is
// told how many more wait now, on any loop, and must be told of before want is asked
// the last time.
func NewList(want func(room string) bool, counts func(more int)) *List {
	return &List{want: want, rooms: make(map[string][]*Wait), counts: counts}
}

// Ready asks the broker for the messages of all rooms, and reports whether they are
// coming already.
func (l *List) Ready(rooms []string) (ready bool) {
	ready = true
	for _, r := range rooms {
		ready = l.want(r) && ready
	}
	return ready
}

// For calls goOn once the messages of all rooms come here, or have been waited for long
// enough: at once, and then it returns nil, if they do already. now is by the caller's
// clock, as in Late.
func (l *List) For(rooms []string, now time.Duration, goOn func()) *Wait {
	if l.Ready(rooms) {
		goOn()
		return nil
	}
	w := &Wait{rooms: rooms, until: now + Longest, goOn: goOn}
	l.all = append(l.all, w)
	for _, r := range rooms {
		l.rooms[r] = append(l.rooms[r], w)
	}
	l.counts(1)
	if l.Ready(rooms) { // they may have got ready before this was written down
		l.done(w)
		return nil
	}
	return w
}

// Arrived goes on with those who waited for this room last.
func (l *List) Arrived(room string) {
	waiting := l.rooms[room]
	delete(l.rooms, room)
	for _, w := range waiting {
		switch {
		case w.rooms == nil: // cancelled by one before it
		case l.Ready(w.rooms):
			l.done(w)
		default:
			l.rooms[room] = append(l.rooms[room], w)
		}
	}
}

// Late goes on with those who have waited long enough.
func (l *List) Late(now time.Duration) {
	n := 0
	for ; n < len(l.all) && (l.all[n].rooms == nil || l.all[n].until <= now); n++ {
		if w := l.all[n]; w.rooms != nil {
			rooms := w.rooms
			l.done(w)
			l.Ready(rooms) // a long wait may have outlasted the broker's interest
		}
	}
	l.all = slices.Delete(l.all, 0, n)
	if len(l.all) == 0 {
		l.all = nil // an outage must not be remembered for ever
	}
}

func (l *List) done(w *Wait) {
	l.Cancel(w)
	w.goOn()
}

// Cancel has w not go on. nil is one that has gone on already.
func (l *List) Cancel(w *Wait) {
	if w == nil || w.rooms == nil {
		return
	}
	for _, r := range w.rooms {
		switch i := slices.Index(l.rooms[r], w); {
		case len(l.rooms[r]) <= 1 && i == 0:
			delete(l.rooms, r)
		case i == 0: // mostly, as the oldest go first
			l.rooms[r] = l.rooms[r][1:]
		case i > 0:
			l.rooms[r] = slices.Delete(l.rooms[r], i, i+1)
		}
	}
	w.rooms = nil
	l.counts(-1)
}

// Len is how many wait.
func (l *List) Len() (n int) {
	for _, w := range l.all {
		if w.rooms != nil {
			n++
		}
	}
	return n
}

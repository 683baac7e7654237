// Sequences: one growing number for each message of a room, across its epochs.

package delivery

import (
	"sync"

	"barrage/internal/striped"
)

// offsetBits is the part of a sequence that is the offset. A room that speaks a
// thousand times a second gets there after 34 years.
const offsetBits = 40

// Sequences numbers the epochs of each room's history. Any goroutine.
type Sequences struct {
	stripes *striped.Set[epochStripe]
	members func(room string) int
}

type epochStripe struct {
	mu    sync.Mutex // guards rooms
	rooms map[string]epochNumber
	sweep int // number of rooms at which those without members are forgotten
}

type epochNumber struct {
	epoch  string
	before string // the epoch before: a history may have been read just as it ended
	number uint64
}

func newSequences(members func(room string) int) *Sequences {
	return &Sequences{striped.New[epochStripe](), members}
}

// Of returns the sequence of a message, 0 if it has no offset.
func (s *Sequences) Of(room, epoch string, offset uint64) uint64 {
	if epoch == "" {
		return 0
	}
	st := s.stripes.Of(room)
	st.mu.Lock()
	defer st.mu.Unlock()
	n := st.rooms[room]
	switch epoch {
	case n.epoch:
		return n.number<<offsetBits | offset
	case n.before:
		return (n.number-1)<<offsetBits | offset
	}
	if n.epoch == "" && n.number > 0 { // end has made room for it
		n.epoch = epoch
		s.set(st, room, n)
		return n.number<<offsetBits | offset
	}
	s.set(st, room, epochNumber{epoch, n.epoch, n.number + 1})
	return (n.number+1)<<offsetBits | offset
}

// end returns the sequence behind all of the present epoch, before the next one.
func (s *Sequences) end(room string) uint64 {
	st := s.stripes.Of(room)
	st.mu.Lock()
	defer st.mu.Unlock()
	n := st.rooms[room]
	if n.epoch != "" {
		n = epochNumber{"", n.epoch, n.number + 1}
		s.set(st, room, n)
	}
	return n.number << offsetBits
}

// set is called with the stripe's lock held.
func (s *Sequences) set(st *epochStripe, room string, n epochNumber) {
	if len(st.rooms) >= max(st.sweep, 64) {
		for name := range st.rooms {
			if s.members(name) == 0 {
				delete(st.rooms, name)
			}
		}
		st.sweep = 2 * len(st.rooms)
	}
	if st.rooms == nil {
		st.rooms = make(map[string]epochNumber)
	}
	st.rooms[room] = n
}

// offsetOf is the offset in a sequence.
func offsetOf(seq uint64) uint64 { return seq & (1<<offsetBits - 1) }

// Skips are messages that were dropped for a member: how many, and the first and the
// last sequence among them, 0 if none has one.
type Skips struct{ N, From, To uint64 }

// Add adds later ones.
func (k *Skips) Add(x Skips) {
	k.N += x.N
	if k.From == 0 {
		k.From = x.From
	}
	k.To = max(k.To, x.To)
}

// Behind is the part of them that is behind a sequence, up to which the member has the
// history. Those without a sequence go with those around them.
func (k Skips) Behind(after uint64) Skips {
	switch {
	case k.To == 0 || k.From > after:
		return k
	case k.To <= after:
		return Skips{}
	case k.To>>offsetBits != after>>offsetBits:
		return k // of a newer epoch
	}
	return Skips{offsetOf(k.To) - offsetOf(after), after + 1, k.To}
}

// Offsets are the first and the last offset, 0 if they are not known, as the messages
// are of two epochs.
func (k Skips) Offsets() (from, to uint64) {
	if k.From>>offsetBits != k.To>>offsetBits {
		return 0, 0
	}
	return offsetOf(k.From), offsetOf(k.To)
}

// Places: one growing number for each message of a room, across its epochs.

package edge

import (
	"hash/maphash"
	"sync"
)

// offsetBits is the part of a place that is the offset. A room that speaks a
// thousand times a second gets there after 34 years.
const offsetBits = 40

// epochs numbers the epochs of each room's history in the order in which this
// node met them. The number and the offset together are the message's place,
// which is what fanout compares: offsets alone begin again with each epoch. Any
// goroutine.
type epochs struct {
	seed    maphash.Seed
	stripes [64]epochStripe
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

func newEpochs(members func(room string) int) *epochs {
	return &epochs{seed: maphash.MakeSeed(), members: members}
}

// place returns 0 for messages without an offset.
func (e *epochs) place(room, epoch string, offset uint64) uint64 {
	if epoch == "" {
		return 0
	}
	st := &e.stripes[maphash.String(e.seed, room)%uint64(len(e.stripes))]
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
		e.set(st, room, n)
		return n.number<<offsetBits | offset
	}
	e.set(st, room, epochNumber{epoch, n.epoch, n.number + 1})
	return (n.number+1)<<offsetBits | offset
}

// end returns the place behind all of the present epoch, before the next one.
func (e *epochs) end(room string) uint64 {
	st := &e.stripes[maphash.String(e.seed, room)%uint64(len(e.stripes))]
	st.mu.Lock()
	defer st.mu.Unlock()
	n := st.rooms[room]
	if n.epoch != "" {
		n = epochNumber{"", n.epoch, n.number + 1}
		e.set(st, room, n)
	}
	return n.number << offsetBits
}

// set is called with the stripe's lock held.
func (e *epochs) set(st *epochStripe, room string, n epochNumber) {
	if len(st.rooms) >= max(st.sweep, 64) {
		for name := range st.rooms {
			if e.members(name) == 0 {
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

// offsetOf is the offset in a place.
func offsetOf(place uint64) uint64 { return place & (1<<offsetBits - 1) }

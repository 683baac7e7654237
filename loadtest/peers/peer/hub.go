package peer

// Rooms, and the goroutines that own their members.

import (
	"iter"
	"maps"
	"sync"
)

// Hub holds rooms of members C. As in the hub of gorilla's chat example, the
// members of a room belong to a goroutine, which does all that is to be done
// with them in the order in which it was asked.
type Hub[C comparable] struct {
	workers int
	deliver func(members iter.Seq[C], payload []byte)

	mu    sync.Mutex // guards what follows, and keeps publications of a room in one order for all its workers
	rooms map[string]*room[C]
}

// room is the workers that share the members of one room. It is never removed:
// the adapters serve a bench's few rooms.
type room[C comparable] struct {
	workers []*Queue[command[C]]
	next    int // the worker of the next member
}

// command is one thing for a worker to do: join, leave, or deliver payload.
type command[C comparable] struct {
	kind    kind
	member  C
	payload []byte
}

type kind int

const (
	join kind = iota
	leave
	publish
)

// NewHub makes a hub that spreads the members of each room over a number of
// goroutines and calls deliver in each of them with its share of the members, for
// one message after another. A deliver that only queues needs one; one that
// writes to sockets needs as many as there are cores.
func NewHub[C comparable](workers int, deliver func(members iter.Seq[C], payload []byte)) *Hub[C] {
	return &Hub[C]{workers: workers, deliver: deliver, rooms: make(map[string]*room[C])}
}

// Join makes c a member of the room until leave is called. Neither waits.
func (h *Hub[C]) Join(name string, c C) (leaveRoom func()) {
	h.mu.Lock()
	r := h.room(name)
	worker := r.workers[r.next]
	r.next = (r.next + 1) % len(r.workers)
	h.mu.Unlock()
	worker.Push(command[C]{kind: join, member: c})
	return func() { worker.Push(command[C]{kind: leave, member: c}) }
}

// Publish queues payload for all who are members of the room by then. The caller
// must not change payload afterwards.
func (h *Hub[C]) Publish(name string, payload []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, worker := range h.room(name).workers {
		worker.Push(command[C]{kind: publish, payload: payload})
	}
}

// room returns the room and makes it if there is none. h.mu is held.
func (h *Hub[C]) room(name string) *room[C] {
	if r := h.rooms[name]; r != nil {
		return r
	}
	r := &room[C]{}
	for range h.workers {
		queue := NewQueue[command[C]](0)
		r.workers = append(r.workers, queue)
		go h.work(queue) // ends with the process
	}
	h.rooms[name] = r
	return r
}

func (h *Hub[C]) work(queue *Queue[command[C]]) {
	members := make(map[C]struct{})
	for range queue.Wake() {
		commands, _ := queue.Take()
		for _, c := range commands {
			switch c.kind {
			case join:
				members[c.member] = struct{}{}
			case leave:
				delete(members, c.member)
			case publish:
				h.deliver(maps.Keys(members), c.payload)
			}
		}
	}
}

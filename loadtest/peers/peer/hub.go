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

// command is something for a worker to do with its members.
type command[C comparable] func(members map[C]struct{})

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
	worker.Push(func(members map[C]struct{}) { members[c] = struct{}{} })
	return func() { worker.Push(func(members map[C]struct{}) { delete(members, c) }) }
}

// Publish queues payload for all who are members of the room by then. The caller
// must not change payload afterwards.
func (h *Hub[C]) Publish(name string, payload []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, worker := range h.room(name).workers {
		worker.Push(func(members map[C]struct{}) { h.deliver(maps.Keys(members), payload) })
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
		go work(queue) // ends with the process
	}
	h.rooms[name] = r
	return r
}

func work[C comparable](queue *Queue[command[C]]) {
	members := make(map[C]struct{})
	for range queue.Wake() {
		commands, _ := queue.Take()
		for _, do := range commands {
			do(members)
		}
	}
}

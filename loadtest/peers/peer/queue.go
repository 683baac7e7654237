package peer

// The queue of rooms and of connections.

import "sync"

// Queue is a queue that costs next to nothing while it is empty. A channel of
// the same depth would hold all of its memory from the start, for every
// connection.
type Queue[T any] struct {
	limit int           // 0 is none
	wake  chan struct{} // capacity 1: something changed since the last Take

	mu     sync.Mutex // guards what follows
	items  []T
	closed bool
}

// NewQueue makes a queue of at most limit items; 0 is no limit.
func NewQueue[T any](limit int) *Queue[T] {
	return &Queue[T]{limit: limit, wake: make(chan struct{}, 1)}
}

// Push appends v. It reports false if the queue is full or closed.
func (q *Queue[T]) Push(v T) bool {
	q.mu.Lock()
	ok := !q.closed && (q.limit == 0 || len(q.items) < q.limit)
	if ok {
		q.items = append(q.items, v)
	}
	q.mu.Unlock()
	if ok {
		q.signal()
	}
	return ok
}

// Close makes Take report false.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

// Wake receives when Take has something to say.
func (q *Queue[T]) Wake() <-chan struct{} { return q.wake }

// Take removes and returns all that is queued, without waiting. It reports false
// once the queue is closed.
func (q *Queue[T]) Take() ([]T, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items, !q.closed
}

func (q *Queue[T]) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // a wake-up that is still unread tells the same
	}
}

// What other goroutines have for a loop to do, batched.

package conn

import "sync"

// Errands is what a loop has still to do. Its methods may be called by any goroutine: who adds
// the first has the loop take all there are, however many are added until it does.
type Errands[T any] struct {
	mu   sync.Mutex // guards list
	list []T
}

// Add tells whether it is the first.
func (e *Errands[T]) Add(one T) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, one)
	return len(e.list) == 1
}

// Take takes all.
func (e *Errands[T]) Take() []T {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.list
	e.list = nil
	return all
}

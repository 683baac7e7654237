// Package lines writes lines to where somebody may have stopped reading: a pipe that
// nobody empties, a terminal under Ctrl-S, a full disk. Whoever has a line to say never
// waits; what there is no room for, or what cannot be written, is counted, and said
// where it is missing, once lines can be written again.
package lines

import (
	"errors"
	"io"
	"sync"
	"syscall"
	"time"

	"barrage/internal/bounds"
)

const (
	overhead = 64 // bytes of a line that waits
	retry    = 50 * time.Millisecond
)

// Writer takes a line with each Write, in any goroutine, and never waits. One goroutine
// of its own writes them, one at a time, so that those of several processes that share
// a pipe stay whole.
type Writer struct {
	to   io.Writer
	note func(missing uint64) []byte

	wake chan struct{} // one is enough: there is something to take, or it is closed
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex // guards what follows
	waiting []entry
	size    int    // of waiting, in bytes
	lost    uint64 // dropped behind the last that waits
	counted Dropped
	closed  bool
}

// entry is a line, and how many are missing just before it.
type entry struct {
	missing uint64
	line    []byte // nil if there is none behind those missing
}

// Dropped counts lines that were not written.
type Dropped struct {
	Full   uint64 // there was no room for them
	Failed uint64 // the write failed
}

// New starts a writer. note makes the line that says how many are missing; nil: they
// are not told of.
func New(to io.Writer, note func(missing uint64) []byte) *Writer {
	w := &Writer{to: to, note: note, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run() // ends after Close, which waits for it as long as it may
	return w
}

// Write takes a line. It keeps none of p and never fails.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	cost := len(p) + overhead
	if w.closed || w.size+cost > bounds.LogLines {
		w.lost++
		w.counted.Full++
		return len(p), nil
	}
	w.waiting = append(w.waiting, entry{w.lost, append([]byte(nil), p...)})
	w.size += cost
	w.lost = 0
	w.poke()
	return len(p), nil
}

func (w *Writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Dropped returns what was counted.
func (w *Writer) Dropped() Dropped {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counted
}

// Close takes no lines any more, and waits until what there is has been written, but
// not longer than patience: then the goroutine is left behind, for the process's end.
func (w *Writer) Close(patience time.Duration) {
	w.mu.Lock()
	w.closed = true
	w.poke()
	w.mu.Unlock()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-w.done:
	case <-t.C:
	}
}

func (w *Writer) run() {
	defer close(w.done)
	out := output{to: w.to}
	missing := uint64(0) // said by no note yet
	for range w.wake {
		entries, closed := w.take()
		for _, e := range entries {
			missing += e.missing
			if missing > 0 && w.note != nil && out.put(w.note(missing)) {
				missing = 0
			}
			if e.line != nil && !out.put(e.line) {
				missing++
				w.failed()
			}
			w.written(e)
		}
		if closed {
			return
		}
	}
}

// take is all that waits. It counts as waiting until it is written.
func (w *Writer) take() (entries []entry, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	entries, w.waiting = w.waiting, nil
	if w.lost > 0 {
		entries, w.lost = append(entries, entry{missing: w.lost}), 0
	}
	return entries, w.closed
}

func (w *Writer) failed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counted.Failed++
}

// written makes room. If lines were dropped meanwhile and none came behind them, they
// are to be told of all the same.
func (w *Writer) written(e entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.line != nil {
		w.size -= len(e.line) + overhead
	}
	if w.lost > 0 {
		w.poke()
	}
}

// output is where lines go. Owner: the goroutine of a Writer.
type output struct {
	to   io.Writer
	torn bool // the last line was written in part
}

// put writes a line and tells whether all of it was.
func (o *output) put(line []byte) bool {
	if o.torn {
		line = append([]byte{'\n'}, line...)
	}
	for {
		n, err := o.to.Write(line)
		if n > 0 {
			o.torn = n < len(line)
			line = line[n:]
		}
		switch {
		case err == nil:
			return true
		case !errors.Is(err, syscall.EAGAIN):
			return false
		}
		time.Sleep(retry) // another process has set the descriptor to not wait; the goroutine has nothing else to do
	}
}

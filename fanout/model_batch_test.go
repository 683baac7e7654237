//go:build !race

// What the model knows of batches.

package fanout

import (
	"math"
	"time"

	"pgregory.net/rapid"
)

// backlogModel is what the oracle knows of a backlog.
type backlogModel struct {
	room   string
	pubs   []*pub
	silent bool // nothing was sent for long
}

// postponed tells whether a message waits for a batch, in a room that has batched
// members.
func (o *oracle) postponed(room string, p *pub) bool {
	w := o.waiting[room]
	if w == nil {
		o.waiting[room] = &backlogModel{room: room}
		return false
	}
	if w.silent && len(w.pubs) == 0 {
		w.silent = false
		return false
	}
	if len(w.pubs) == 0 {
		o.due = append(o.due, w)
	}
	w.pubs = append(w.pubs, p)
	return true
}

// flush sends what has waited longest.
func (o *oracle) flush(t *rapid.T) {
	b, _ := o.hub.due.next(math.MaxInt64)
	if (b != nil) != (len(o.due) > 0) {
		t.Fatalf("due is %v, want %d backlogs", b, len(o.due))
	}
	if b == nil {
		return
	}
	o.hub.flush(b)
	w := o.due[0]
	o.due = o.due[1:]
	if o.waiting[w.room] != w {
		return // nobody wants it any more
	}
	for _, p := range w.pubs {
		for lp, l := range o.logs {
			if lp.room == w.room && lp.enc == batched {
				o.deliver(lp, l, p)
			}
		}
	}
	w.pubs, w.silent = nil, false
}

// silence lets a room be silent for so long that its next message need not wait.
func (o *oracle) silence(room string) {
	if w := o.waiting[room]; w != nil {
		w.silent = true
		o.hub.stripes.Of(room).rooms.Get(room).backlog.last = -time.Hour
	}
}

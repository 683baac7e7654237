// Leaving on purpose: churn and storms.

package swarm

import (
	"time"

	"barrage/frame"
)

const lingerTime = time.Second

// leaveNext has one viewer say goodbye and come back.
func (w *worker) leaveNext() {
	for range w.viewers {
		k := uint32(w.churnK % len(w.viewers))
		w.churnK++
		if v := &w.viewers[k]; v.state == stateOpen {
			w.send(v.id, frame.Close, []byte{1000 >> 8, 1000 & 0xff})
			w.dropped(k)
			w.loop.Shutdown(v.id, reasonLeft, lingerTime)
			return
		}
	}
}

// storm has all viewers vanish without a word and come back.
func (w *worker) storm() {
	for k := range w.viewers {
		if v := &w.viewers[k]; v.state == stateOpen {
			w.dropped(uint32(k))
			w.loop.Abort(v.id, reasonLeft)
		}
	}
}

func (w *worker) dropped(k uint32) {
	v := &w.viewers[k]
	w.leave(k)
	v.state = stateLeaving
	v.flags |= flagComeBack
	w.sum.Open--
	w.sum.Dropped++
}

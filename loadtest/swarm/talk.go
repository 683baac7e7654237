// Viewers that publish from their sockets, each at its own times.

package swarm

import (
	"time"

	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
	"barrage/loadtest/tally"
)

// talk is a worker's talkers: viewers that publish.
type talk struct {
	timer   *time.Timer  // wakes the loop when the first is due
	agenda  *plan.Agenda // of the window; the senders are viewers
	skipped map[laneID][]tally.Span
	payload []byte
	message []byte
}

func (w *worker) startTalking() {
	w.talk.agenda = plan.NewAgenda(w.sched)
	w.talk.skipped = map[laneID][]tally.Span{}
	for k := range w.viewers {
		room, member := w.sched.Layout.Place(w.number(uint32(k)))
		if lane, ok := w.sched.Layout.Talks(room, member); ok {
			w.talk.agenda.Add(room, lane, uint32(k))
		}
	}
	w.sendDue()
}

// sendDue sends every message whose time has come, and sets the timer for the
// next.
func (w *worker) sendDue() {
	if w.talk.agenda == nil || w.talk.agenda.First() == nil {
		return
	}
	now := w.swarm.cfg.Now()
	for t := w.talk.agenda.First(); t != nil; t = w.talk.agenda.First() {
		if t.At > now {
			w.talk.timer.Reset(time.Duration(t.At - now))
			return
		}
		w.say(t)
		w.talk.agenda.Next()
	}
}

// say publishes a talker's message, with the time at which it was due.
func (w *worker) say(t *plan.Turn) {
	v := &w.viewers[t.Sender]
	if v.state != stateOpen { // it was never sent
		id := laneID{v.room, uint32(t.Lane)}
		w.talk.skipped[id] = tally.Append(w.talk.skipped[id], tally.Span{First: t.Seq, Last: t.Seq})
		return
	}
	p := &w.swarm.cfg.Plan
	w.talk.payload = stamp.AppendMessage(w.talk.payload[:0], w.run,
		stamp.Stamp{Due: t.At, Seq: t.Seq, Lane: uint32(t.Lane), Room: v.room}, p.Size)
	w.talk.message = p.AppendSocketMessage(w.talk.message[:0], w.swarm.layout.RoomName(int(v.room)), w.talk.payload)
	w.send(v.id, opcode(p.Binary), w.talk.message)
	w.sum.Published++
}

func (t *talk) unsent() (all []Failure) {
	for lane, spans := range t.skipped {
		all = append(all, Failure{Room: int(lane.room), Lane: int(lane.lane), Spans: spans})
	}
	return all
}

// Viewers that publish from their sockets, each at its own times.

package swarm

import (
	"container/heap"
	"time"

	"barrage/loadtest/stamp"
	"barrage/loadtest/tally"
)

// talker is a viewer that publishes, and its next message.
type talker struct {
	k    uint32
	lane uint32
	seq  uint32
	at   int64
}

// talk is a worker's talkers, the one whose message is due first being the
// first.
type talk struct {
	timer   *time.Timer // wakes the loop when the first is due
	queue   talkQueue
	skipped map[laneID][]tally.Span
	payload []byte
	message []byte
}

type talkQueue []talker

func (q talkQueue) Len() int           { return len(q) }
func (q talkQueue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q talkQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *talkQueue) Push(x any)        { *q = append(*q, x.(talker)) }
func (q *talkQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

func (w *worker) startTalking() {
	w.talk.queue = w.talk.queue[:0]
	w.talk.skipped = map[laneID][]tally.Span{}
	for k := range w.viewers {
		room, member := w.sched.Layout.Place(w.number(uint32(k)))
		lane, ok := w.sched.Layout.Talks(room, member)
		if ok && w.sched.Count(room, lane) > 0 {
			w.talk.queue = append(w.talk.queue, talker{k: uint32(k), lane: uint32(lane), seq: 1, at: w.sched.At(room, lane, 1)})
		}
	}
	heap.Init(&w.talk.queue)
	w.sendDue()
}

// sendDue sends every message whose time has come, and sets the timer for the
// next.
func (w *worker) sendDue() {
	q := &w.talk.queue
	if len(*q) == 0 {
		return
	}
	now := w.swarm.cfg.Now()
	for len(*q) > 0 && (*q)[0].at <= now {
		t := &(*q)[0]
		w.say(t)
		room := int(w.viewers[t.k].room)
		if t.seq++; t.seq > w.sched.Count(room, int(t.lane)) {
			heap.Pop(q)
			continue
		}
		t.at = w.sched.At(room, int(t.lane), t.seq)
		heap.Fix(q, 0)
	}
	if len(*q) > 0 {
		w.talk.timer.Reset(time.Duration((*q)[0].at - now))
	}
}

// say publishes a talker's message, with the time at which it was due.
func (w *worker) say(t *talker) {
	v := &w.viewers[t.k]
	if v.state != stateOpen {
		w.talk.skip(laneID{v.room, t.lane}, t.seq)
		return
	}
	p := &w.swarm.cfg.Plan
	w.talk.payload = stamp.AppendMessage(w.talk.payload[:0], w.run,
		stamp.Stamp{Due: t.at, Seq: t.seq, Lane: t.lane, Room: v.room}, p.Size)
	w.talk.message = p.AppendSocketMessage(w.talk.message[:0], w.swarm.layout.RoomName(int(v.room)), w.talk.payload)
	w.send(v.id, opcode(p.Binary), w.talk.message)
	w.sum.Published++
}

// skip notes a message that was never sent.
func (t *talk) skip(lane laneID, seq uint32) {
	spans := t.skipped[lane]
	if n := len(spans); n > 0 && spans[n-1].Last == seq-1 {
		spans[n-1].Last = seq
		return
	}
	t.skipped[lane] = append(spans, tally.Span{First: seq, Last: seq})
}

func (t *talk) unsent() (all []Failure) {
	for lane, spans := range t.skipped {
		all = append(all, Failure{Room: int(lane.room), Lane: int(lane.lane), Spans: spans})
	}
	return all
}

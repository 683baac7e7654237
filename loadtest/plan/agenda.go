// Which message of several lanes is due next.

package plan

import "container/heap"

// Turn is a lane's next message.
type Turn struct {
	At         int64  // when it is due
	Seq        uint32 // its number, from 1
	Count      uint32 // the number of the lane's last
	Room, Lane int32
	Sender     uint32 // whatever the caller knows the lane's sender by
}

// Agenda is lanes in the order in which their next messages are due. It belongs
// to one goroutine.
type Agenda struct {
	sched *Schedule
	turns turns
}

// turns is a heap of container/heap by At. It grows and shrinks at its end, with a Fix
// of what is out of place then, and so has no use for Push and Pop.
type turns []Turn

func (t turns) Len() int           { return len(t) }
func (t turns) Less(i, j int) bool { return t[i].At < t[j].At }
func (t turns) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t turns) Push(any)           {}
func (t turns) Pop() any           { return nil }

// NewAgenda returns an empty Agenda of a schedule.
func NewAgenda(s *Schedule) *Agenda { return &Agenda{sched: s} }

// Add takes on a lane, unless it has no messages.
func (a *Agenda) Add(room, lane int, sender uint32) {
	n := a.sched.Count(room, lane)
	if n == 0 {
		return
	}
	a.turns = append(a.turns, Turn{
		At: a.sched.At(room, lane, 1), Seq: 1, Count: n, Room: int32(room), Lane: int32(lane), Sender: sender,
	})
	heap.Fix(&a.turns, len(a.turns)-1)
}

// First is the message that is due first; nil if there are no more. It holds
// until Next.
func (a *Agenda) First() *Turn {
	if len(a.turns) == 0 {
		return nil
	}
	return &a.turns[0]
}

// Next puts the first message's lane where its next one belongs, or takes it out
// after its last.
func (a *Agenda) Next() {
	if t := &a.turns[0]; t.Seq < t.Count {
		t.Seq++
		t.At = a.sched.At(int(t.Room), int(t.Lane), t.Seq)
	} else {
		last := len(a.turns) - 1
		a.turns[0] = a.turns[last]
		a.turns = a.turns[:last]
	}
	if len(a.turns) > 0 {
		heap.Fix(&a.turns, 0)
	}
}

// Left are the lanes that have messages left, in no order. They are the
// Agenda's.
func (a *Agenda) Left() []Turn { return a.turns }

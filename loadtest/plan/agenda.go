// Which message of several lanes is due next.

package plan

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
//
// It is a heap: none is due before turns[0], nor turns[2*i+1] and [2*i+2] before
// turns[i]. Container/heap would do it through an interface.
type Agenda struct {
	sched *Schedule
	turns []Turn
}

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
	for i := len(a.turns) - 1; i > 0; {
		parent := (i - 1) / 2
		if a.turns[parent].At <= a.turns[i].At {
			return
		}
		a.turns[parent], a.turns[i] = a.turns[i], a.turns[parent]
		i = parent
	}
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
	t := &a.turns[0]
	if t.Seq < t.Count {
		t.Seq++
		t.At = a.sched.At(int(t.Room), int(t.Lane), t.Seq)
	} else {
		last := len(a.turns) - 1
		a.turns[0] = a.turns[last]
		a.turns = a.turns[:last]
	}
	a.sink()
}

// sink puts the first turn in its place after its time has grown.
func (a *Agenda) sink() {
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(a.turns); child++ {
			if a.turns[child].At < a.turns[least].At {
				least = child
			}
		}
		if least == i {
			return
		}
		a.turns[i], a.turns[least] = a.turns[least], a.turns[i]
		i = least
	}
}

// Left are the lanes that have messages left, in no order. They are the
// Agenda's.
func (a *Agenda) Left() []Turn { return a.turns }

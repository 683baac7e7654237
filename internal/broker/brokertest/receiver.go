// The receiver that records.

package brokertest

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"barrage/internal/broker"
)

// Receiver is a broker.Receiver that records what it is told, by room. Its
// methods may be called from any goroutine.
type Receiver struct {
	mu     sync.Mutex
	rooms  map[string]*record
	wrongs []string // what no broker may do
	sealed bool
	slow   time.Duration // that each call takes
}

// Event is a call of Deliver, which has a Message, or of Lost, which has a Gap.
type Event struct {
	Message *broker.Message
	Gap     *broker.Gap
}

// A record is what happened in one room.
type record struct {
	members  int
	events   []Event
	messages []*broker.Message // those of events
	copies   []broker.Message  // as they were when delivered
	ready    int
	busy     bool // a call is under way
}

// NewReceiver returns one without members.
func NewReceiver() *Receiver { return &Receiver{rooms: make(map[string]*record)} }

// Deliver implements broker.Receiver. It returns the number of members.
func (r *Receiver) Deliver(m *broker.Message) (members int) {
	r.call("Deliver", m.Room, func(rec *record) {
		if (m.Epoch == "") != (m.Offset == 0) || m.Time <= 0 {
			r.wrongs = append(r.wrongs, fmt.Sprintf("message %s at %d in epoch %q with time %d", m.ID, m.Offset, m.Epoch, m.Time))
		}
		rec.events = append(rec.events, Event{Message: m})
		rec.messages = append(rec.messages, m)
		snapshot := *m
		snapshot.Payload = slices.Clone(m.Payload)
		rec.copies = append(rec.copies, snapshot)
		members = rec.members
	})
	return members
}

// Lost implements broker.Receiver.
func (r *Receiver) Lost(room string, gap broker.Gap) {
	r.call("Lost", room, func(rec *record) { rec.events = append(rec.events, Event{Gap: &gap}) })
}

// Ready implements broker.Receiver.
func (r *Receiver) Ready(room string) {
	r.call("Ready", room, func(rec *record) { rec.ready++ })
}

// at gets something of a room's record.
func at[T any](r *Receiver, room string, get func(*record) T) T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return get(r.record(room))
}

// Members implements broker.Receiver. Unlike the others it is no event, so a
// broker may ask at any time.
func (r *Receiver) Members(room string) int {
	return at(r, room, func(rec *record) int { return rec.members })
}

// SetMembers says how many members a room has from now on; at first none.
func (r *Receiver) SetMembers(room string, n int) {
	at(r, room, func(rec *record) any { rec.members = n; return nil })
}

// Messages returns what was delivered in a room, in that order.
func (r *Receiver) Messages(room string) []*broker.Message {
	return at(r, room, func(rec *record) []*broker.Message { return slices.Clone(rec.messages) })
}

// Count returns len(Messages(room)).
func (r *Receiver) Count(room string) int {
	return at(r, room, func(rec *record) int { return len(rec.messages) })
}

// Events returns what was delivered and lost in a room, in that order.
func (r *Receiver) Events(room string) []Event {
	return at(r, room, func(rec *record) []Event { return slices.Clone(rec.events) })
}

// ReadyCalls returns how often Ready was called for a room.
func (r *Receiver) ReadyCalls(room string) int {
	return at(r, room, func(rec *record) int { return rec.ready })
}

// Slow makes every later call, other than Members, take so long.
func (r *Receiver) Slow(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow = d
}

// Seal makes every later call of the broker, other than Members, a wrong one.
func (r *Receiver) Seal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sealed = true
}

// Wrongs returns what the broker did so far that no broker may do, whatever
// happens to its store.
func (r *Receiver) Wrongs() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	wrongs := slices.Clone(r.wrongs)
	for room, rec := range r.rooms {
		for i, m := range rec.messages {
			if !reflect.DeepEqual(*m, rec.copies[i]) {
				wrongs = append(wrongs, fmt.Sprintf("room %s: message %s was changed after its delivery", room, rec.copies[i].ID))
			}
		}
	}
	return wrongs
}

// call notes a call of the broker. It lets other goroutines run in its midst, so
// that calls which may overlap do.
func (r *Receiver) call(name, room string, note func(*record)) {
	r.mu.Lock()
	rec := r.record(room)
	if r.sealed {
		r.wrongs = append(r.wrongs, fmt.Sprintf("room %s: %s was called after Close", room, name))
	}
	if rec.busy {
		r.wrongs = append(r.wrongs, fmt.Sprintf("room %s: %s was called during another call", room, name))
	}
	rec.busy = true
	note(rec)
	slow := r.slow
	r.mu.Unlock()
	runtime.Gosched()
	for end := time.Now().Add(slow); time.Now().Before(end); {
		runtime.Gosched() // to sleep would take a millisecond
	}
	r.mu.Lock()
	rec.busy = false
	r.mu.Unlock()
}

// record returns a room's; r.mu is held.
func (r *Receiver) record(room string) *record {
	rec := r.rooms[room]
	if rec == nil {
		rec = &record{}
		r.rooms[room] = rec
	}
	return rec
}

// check reports wrongs and whatever was lost, which in a healthy cluster is
// nothing, except that a broker may tell the members of a new epoch.
func (n *Node) check(t *testing.T, newEpochs bool) {
	t.Helper()
	for _, wrong := range n.Receiver.Wrongs() {
		t.Errorf("%v: %s", n, wrong)
	}
	n.Receiver.mu.Lock()
	defer n.Receiver.mu.Unlock()
	for room, rec := range n.Receiver.rooms {
		for _, e := range rec.events {
			if e.Gap != nil && !(newEpochs && e.Gap.Reason == broker.GapEpoch) {
				t.Errorf("%v, room %s: Lost(%+v) in a healthy cluster", n, room, *e.Gap)
			}
		}
	}
}

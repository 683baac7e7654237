// The session table: what the server knows of each connection beyond its descriptor
// and its memberships.

package conn

import (
	"math"
	"time"
)

// A session's state, in the lower bits of session.state; above them is the connection's
// kind: its index and 1, or 0 before it is opened.
const (
	stateNone      uint8 = iota
	stateHandshake       // the door reads its request
	stateWaiting         // the door holds it
	stateOpen            // it is of a kind
	stateClosing         // our last bytes are on their way

	stateBits = 3
	stateMask = 1<<stateBits - 1
	// MaxKinds is how many kinds a loop may have.
	MaxKinds = 1<<(8-stateBits) - 1
)

const (
	flagPinged   uint8 = 1 << iota // a ping is unanswered
	flagPartial                    // a message has begun and not ended
	flagBlocked                    // the socket is full; see watch
	flagThrottle                   // reading is paused until the queue is gone
	flagCounted                    // counts against the limits of connections
	flagPlain                      // it is of a plain listener; see Listener
	flagStays                      // a drain leaves it until its end, unless it goes by itself
	flagTraced                     // Loop.tracer is told what it does
)

// session is one connection's record, kept free of pointers so that the garbage
// collector does not look at the table. Owner: the loop's goroutine.
type session struct {
	tat     time.Duration // publish rate: see Rate
	control uint32        // the transport's: see Loop.Control
	refused uint16        // of late, decaying: see Overrun
	state   uint8
	flags   uint8
}

func (ses *session) is(state uint8) bool { return ses.state&stateMask == state }

func (ses *session) become(state uint8) { ses.state = ses.state&^stateMask | state }

func (ses *session) kind() int { return int(ses.state >> stateBits) }

// refusedDecay: something that is not refused forgives a quarter of what was.
const refusedDecay = 4

// overrun notes that something of this weight was refused, and tells whether so
// much was of late that it is a flood.
func (ses *session) overrun(weight, limit int) (flood bool) {
	n := min(int(ses.refused)+weight, math.MaxUint16)
	ses.refused = uint16(n)
	return n > min(limit, math.MaxUint16-1)
}

// forgive is for something that was not refused.
func (ses *session) forgive() {
	ses.refused -= uint16((int(ses.refused) + refusedDecay - 1) / refusedDecay)
}

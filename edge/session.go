// The session table: what the server knows of each connection beyond its
// descriptor and its memberships.

package edge

import (
	"math"
	"time"

	"barrage/netpoll"
)

type sessionState uint8

const (
	stateNone      sessionState = iota
	stateHandshake              // no complete request yet
	stateWaiting                // accepted; 101 waits for the broker
	stateOpen                   // WebSocket
	stateClosing                // our last frame or response is out
)

const (
	flagEcho     uint8 = 1 << iota // on /echo: in no room, unlimited
	flagPinged                     // a ping is unanswered
	flagPartial                    // a message has begun and not ended
	flagBlocked                    // the socket is full since blockedAt
	flagThrottle                   // reading is paused until the queue is gone
	flagCounted                    // counts as a WebSocket connection
	flagClient                     // has a record in shard.clients
	flagDeflate                    // permessage-deflate was negotiated
)

// session is one connection's record, kept free of pointers so that the garbage
// collector does not look at the table. Owner: the shard's goroutine.
type session struct {
	tat     time.Duration // publish rate: see rate
	control uint32        // controlRate: second<<8 | control frames in it
	refused uint16        // recent publishes and commands over the rate, decaying: see overrun
	state   sessionState
	flags   uint8
}

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

const sessionPage = 512

// sessionTable is indexed by netpoll.ID.
type sessionTable struct{ pages []*[sessionPage]session }

func (t *sessionTable) at(id netpoll.ID) *session { return &t.pages[id/sessionPage][id%sessionPage] }

// reset makes the record of a new connection.
func (t *sessionTable) reset(id netpoll.ID) *session {
	for int(id/sessionPage) >= len(t.pages) {
		t.pages = append(t.pages, new([sessionPage]session))
	}
	s := t.at(id)
	*s = session{state: stateHandshake}
	return s
}

// Streams, and the members that read them.

package fanout

import "time"

// stream is what a room's members in one shard and encoding read: one log, and a
// cursor for each of them. There are as many as users where each has a room of its
// own, so it is kept small. Owner: the shard's goroutine.
type stream struct {
	room    string
	members []member
	log     log
	ahead   *ahead // nil if no member was given more by Resume than the log has had
	index   uint32 // in Shard.streams
	enc     Encoding
	usage   Usage

	// The pass under way, while hot.
	hot      bool
	passSent bool          // it has sent something
	again    bool          // another pass must follow
	debt     int           // sends that its turns owe to those of others
	next     int           // index of the next member to visit
	passHead uint64        // log.head when the pass began
	passMin  uint64        // the smallest cursor seen, after sending
	passFrom time.Duration // when it began

	prevHolding, nextHolding *stream // in Shard.holding, while the log is not empty
}

// begin starts a pass.
func (st *stream) begin(now time.Duration) {
	st.next, st.passHead, st.passMin, st.passSent, st.again, st.passFrom = 0, st.log.head, st.log.head, false, false, now
}

// member is one subscriber's membership of a room. Of its cursor, the number of the
// next frame it needs, only the low half is kept: no log holds 1<<32 frames, so the
// log's head gives the rest.
type member struct {
	low  uint32
	link uint32 // and the bits below, which are thus found where one looks anyway
}

// Bits of member.link.
const (
	held    = 1 << 31 // nothing is sent to the member
	isAhead = 1 << 30 // the member is among those of stream.ahead
	hasOwn  = 1 << 29 // the member has messages in Shard.own
)

// id is the member's link.
func (m *member) id() uint32 { return m.link &^ (held | isAhead | hasOwn) }

// at is the member's cursor.
func (m *member) at(st *stream) uint64 { return st.log.head - uint64(uint32(st.log.head)-m.low) }

// to moves the member's cursor.
func (m *member) to(num uint64) { m.low = uint32(num) }

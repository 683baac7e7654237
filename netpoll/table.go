// The table of connections: fixed-size pages of pointer-free records, so that
// the garbage collector has nothing to walk and growth copies nothing.

package netpoll

import "barrage/internal/paged"

// ID names a connection within its loop: the slot of its record. IDs are small
// and reused before new ones are made, so users may index their own tables by
// them. An ID is valid from Handler.Opened, or Dial's return,
// until Handler.Closed returns.
type ID uint32

type connState uint8

const (
	stateFree       connState = iota
	stateConnecting           // dialled: blocked until the kernel knows how it ends
	stateOpen                 // reads go to the handler
	stateFlushing             // Shutdown was called, queued bytes are still going out
	stateLinger               // our FIN is sent, reads are thrown away until the peer's
	stateDoomed               // will be closed by reap at the end of this event
)

const (
	flagBlocked  uint8 = 1 << iota // the socket took less than offered: wait for EPOLLOUT
	flagPaused                     // the user asked for no more reads
	flagPeerDone                   // the peer's FIN was read
	flagOut                        // EPOLLOUT is in the registered interest
	flagIn                         // EPOLLIN is in the registered interest
)

// conn is one connection's record. Owner: the loop goroutine.
type conn struct {
	fd       int32  // next free slot + 1 while free
	gen      uint32 // incremented at each close; events carry the one they were registered with
	deadline uint32 // in clock units; 0 is none
	state    connState
	flags    uint8
	reason   CloseReason
}

type table struct {
	paged.Table[ID, conn]
	n    uint32 // slots ever handed out
	free uint32 // head of the free list + 1, 0 is empty
}

func (t *table) alloc() ID {
	if t.free != 0 {
		id := ID(t.free - 1)
		t.free = uint32(t.At(id).fd)
		return id
	}
	id := ID(t.n)
	t.Make(id)
	t.n++
	return id
}

func (t *table) release(id ID) {
	c := t.At(id)
	*c = conn{fd: int32(t.free), gen: c.gen + 1}
	t.free = uint32(id) + 1
}

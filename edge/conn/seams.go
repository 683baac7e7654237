// The interfaces between a connection and what is built on it.

package conn

import (
	"time"

	"barrage/edge/auth"
	"barrage/fanout"
	"barrage/internal/broker"
	"barrage/netpoll"
)

// ID names a connection within its loop; see netpoll.ID.
type ID = netpoll.ID

// Door takes sockets that are of no kind yet. One for each loop, whose goroutine
// calls it.
type Door interface {
	// Greet takes a socket of a plain listener, which sends no request.
	Greet(id ID)
	// Data takes bytes of a request, or of what is before a plain connection.
	Data(id ID, p []byte)
	// Late is called when the deadline of a request has passed, or of what Hold waits
	// for.
	Late(id ID)
	// Crowded is called when more requests and messages are unfinished than there is
	// room for, and what is kept of this one must go.
	Crowded(id ID)
	// Dismiss is called when the server stops before the request is answered.
	Dismiss(id ID)
	// Closed is called when the socket is gone, or has become of a kind.
	Closed(id ID)
}

// Kind is what a connection is once it is open.
type Kind struct {
	Transport
	Protocol
	Mute bool // its peers have no way to answer a ping; see alive.go
}

// Transport is how bytes of a socket are messages. One for each loop and kind, on the
// loop's goroutine.
type Transport interface {
	// Data takes bytes that arrived and hands each whole message to Loop.Message.
	Data(r *Read, p []byte)
	// Ping is a question whether the peer is there: one for all, which nobody changes.
	Ping() []byte
	// AppendMessage appends a message as the peer gets it, and AppendGoodbye the last
	// word, with a close code.
	AppendMessage(dst []byte, binary bool, payload []byte) []byte
	AppendGoodbye(dst []byte, code uint16, text string) []byte
	// Forget is called when the connection is gone.
	Forget(id ID)
}

// Protocol is what messages mean. One for each loop and kind, on the loop's
// goroutine.
type Protocol interface {
	// Open begins a connection. It calls o.Answer once: a client that has read the
	// answer must miss nothing that is said in the rooms it was let into. The opening
	// is valid during the call only.
	Open(o *Opening)
	// Message takes a message. Its payload is valid during the call only. An error
	// ends the read: the connection was closed.
	Message(r *Read, binary bool, payload []byte) error
	// Skipped tells of n messages of a room that the connection did not get; from and
	// to are the first and the last sequence among them, 0 if none has one. Only
	// during Work.
	Skipped(id ID, room string, n, from, to uint64)
	// Writable tells that a socket which was full takes bytes again, before what the
	// rooms say goes on.
	Writable(id ID)
	// Farewell may send a last message, before Transport.AppendGoodbye. wait is how
	// long the peer is to wait before it comes back.
	Farewell(r *Read, id ID, code uint16, text string, wait time.Duration)
	// Give gives the connection a message as Loop.Give has it, and tells whether it did.
	Give(id ID, m *broker.Message) (given bool)
	// Evict takes the connection out of a room; one that cannot live without it is
	// closed. It does nothing if the connection is not in it.
	Evict(id ID, room, reason string)
	// Closed ends the connection's memberships and forgets it.
	Closed(id ID, reason Reason)
	// Client is the connection's record, nil if it has none.
	Client(id ID) *Client
}

// Silent is a Protocol's part that deals with rooms, identities and last words, for
// those that know of none. It is to be embedded.
type Silent struct{}

// The methods of Protocol that do nothing.

func (Silent) Skipped(ID, string, uint64, uint64, uint64)        {}
func (Silent) Writable(ID)                                       {}
func (Silent) Farewell(*Read, ID, uint16, string, time.Duration) {}
func (Silent) Give(ID, *broker.Message) bool                     { return false }
func (Silent) Evict(ID, string, string)                          {}
func (Silent) Closed(ID, Reason)                                 {}
func (Silent) Client(ID) *Client                                 { return nil }

// Observer is told who comes and goes, by all loops. It must not block.
type Observer interface {
	// Connected is called once for each client, when its identity is known, and
	// again should an anonymous one get a name.
	Connected(c *Client, from Remote)
	Disconnected(c *Client, reason Reason)
	// Joined and Left are for memberships; c is nil for a connection without a
	// record. A hidden one is in no list and no count.
	Joined(c *Client, room string, hidden bool)
	Left(c *Client, room string, hidden bool)
	// Renamed is for each room that a client is in when it gets a name, or another
	// one, or is hidden or not hidden any more; before is the user it was, "" for none.
	Renamed(c *Client, room, before string, wasHidden, hidden bool)
}

// Opening is a connection that is being opened, and what it is let in with.
type Opening struct {
	ID       ID
	Rooms    []string       // named in the request, or by a backend
	Identity *auth.Identity // nil: it has to say yet who it is
	Rights   auth.Rights    // of the identity
	Guest    bool           // it is nobody's: let in without a token
	Welcome  string         // what a backend has to say to people at first; "" is nothing
	Encoding fanout.Encoding
	Asked    any    // what its protocol has read in the request; see node.Protocol
	NoEcho   bool   // it wants none of what it sends itself
	Device   string // that it says it is; the identity's goes before it
	Own      bool   // see SetOwn

	loop   *Loop
	answer []byte
}

// Answer tells the peer that it is in.
func (o *Opening) Answer() {
	if t := o.loop.tracer; t != nil {
		t.Opened(o)
	}
	o.loop.queue(o.ID, o.answer)
	o.loop.pingAfter(o.ID, o.loop.loops.cfg.firstPing())
}

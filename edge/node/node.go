// Package node is what the protocols of a server are given to work with, and how one is
// registered. A protocol is a package with a function that returns a [Protocol]; the
// server has one line for it.
package node

import (
	"context"
	"sync/atomic"
	"time"

	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/edge/delivery"
	"barrage/edge/events"
	"barrage/edge/hooks"
	"barrage/edge/mailbox"
	"barrage/edge/moderation"
	"barrage/edge/presence"
	"barrage/edge/publish"
	"barrage/edge/requests"
	"barrage/edge/wait"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/refusal"
	"barrage/internal/workers"
)

// RoomRule says how a protocol's connections get into rooms.
type RoomRule uint8

// The rules.
const (
	NoRooms  RoomRule = iota // in none
	AtOnce                   // in those of the request, one at least, as soon as they are let in
	ByDemand                 // in those they ask for; the request may name some
)

// Protocol is one that a server speaks.
type Protocol struct {
	Name        string // as operators see it
	Path        string // of the request; "": there is none, see Speaks
	Subprotocol string // that a WebSocket client asks for; "": for clients that ask for none of the path's
	Alias       string // of no subprotocol: browsers that offer any want one back
	Rooms       RoomRule
	// AuthByMessage: a connection without a token is let in, if there must be one, and
	// says by a message who it is.
	AuthByMessage bool
	// LoginByMessage: where backends are asked whose a connection is by its first message,
	// it is let in, without an identity, and sends one.
	LoginByMessage bool
	// Unread is how many bytes one of its connections may leave unread, of messages up to a
	// size; nil: two of those.
	Unread func(maxMessage int) int
	// Farewell writes the last message to a client that is not let in, for those whose
	// requests a browser makes: it would not tell them why. nil: it is refused by HTTP.
	Farewell func(code uint16, no *refusal.Error) []byte
	// Codec writes what its rooms say; nil without rooms.
	Codec delivery.Codec
	// Transport is what its connections are; nil: WebSockets.
	Transport *Transport
	// Ask reads what is the protocol's own in a request, with the rooms that it names:
	// conn.Opening.Asked. nil: there is nothing.
	Ask func(req *frame.Request, rooms []string) (asked any, err error)
	// Method is that of a protocol with Serve; "" is POST.
	Method string
	// Serve is there for a protocol whose requests are no connections, each of which is answered by
	// itself; Codec, Transport and Start are not then. It is called as Start is.
	Serve func(*Node) Serve
	// Speaks is the name of a protocol before this one, of whose kind connections without a
	// request are: Transport carries what it says, and Start is its. "" for others.
	Speaks string
	// Start is called once for each server, before the broker starts. What it returns
	// makes the protocol of one loop, before that runs; all of the Node is there by
	// then.
	Start func(*Node) func(*conn.Loop) conn.Protocol
}

// Serve answers a request that has a body: with JSON, or with a refusal. answer is called
// once, by any goroutine. The loop's goroutine.
type Serve func(l *conn.Loop, o *conn.Opening, body []byte, answer func(json []byte, err error))

// Transport is one beside WebSocket: how a request becomes a connection, and what its
// bytes are.
type Transport struct {
	// Check tells what is wrong with a request for a connection, and AppendAnswer appends
	// the answer that begins one; headers are lines for it, CRLF after each. They are not
	// there where there is no request.
	Check        func(*frame.Request) error
	AppendAnswer func(dst []byte, headers string) []byte
	Status       int  // of the answer
	Mute         bool // see conn.Kind
	Framing      delivery.Framing
	// Start makes the transport of one loop's connections.
	Start func(*conn.Loop) conn.Transport
}

// Settings are those that protocols go by; see edge.Config.
type Settings struct {
	MaxRooms     int
	PublishRate  float64
	PublishBurst int
	MaxPublish   int // bytes of a message that a connection publishes
	AuthTimeout  time.Duration
}

// Node is what protocols have in common. Its fields are fixed before the first
// connection; those from Broker on are there once loops are attached.
type Node struct {
	Settings
	Loops      *conn.Loops
	Delivery   *delivery.Receiver
	Moderation *moderation.Moderation
	Presence   *presence.Registry
	Events     *events.Emitter // tells backends; may be nil
	Requests   *requests.Exchange
	Hooks      *hooks.Hooks // asks backends who may come, join and publish; nil: nobody is asked
	Waiting    atomic.Int64 // connections that wait for a room, on all loops
	Epochs     *conn.Payers // see history.NewEpochs
	Clustered  bool         // other nodes are asked who is present

	Broker    broker.Broker
	Pool      *workers.Pool
	Publisher *publish.Publisher
	Mailboxes *mailbox.Office
	Tokens    *auth.Checker // nil: there are no tokens
	Waits     []*wait.List  // by loop; each is its loop's

	// Announce are told, by one goroutine, of each change of who is in a room. To be
	// appended to by Protocol.Start.
	Announce []func(*presence.Change)
	// Background has f run, on a goroutine of its own, from the server's start until its
	// end, which waits for it. To be called by Protocol.Start.
	Background func(f func(context.Context))
}

// Count is how many users and connections a room has, in the whole cluster; a user's
// own room, here.
func (n *Node) Count(room string) (users, connections int) {
	if user, ok := broker.UserOf(room); ok {
		c := n.Loops.Users.Seen(user)
		return min(c, 1), c
	}
	return n.Presence.Count(room)
}

// Online tells whether a user is connected to any node, and not hidden, as far as the others
// can be asked. It may block until ctx ends.
func (n *Node) Online(ctx context.Context, user string) bool {
	if n.Loops.Users.Seen(user) > 0 || n.Presence.List(broker.UserRoom(user), 0).Connections > 0 {
		return true
	}
	if !n.Clustered {
		return false
	}
	l, err := n.Presence.Cluster(ctx, broker.UserRoom(user), 0)
	return err == nil && l.Connections > 0
}

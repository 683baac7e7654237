// Package edge is the server: it joins the event loops (netpoll), the WebSocket
// codec (frame) and the rooms (fanout) into connections that publish and
// receive.
//
// # Story of a connection
//
// A loop accepts a descriptor. Bytes of an incomplete request head wait in a
// small buffer; when the head is complete it is checked, and answered: a page,
// a refusal, or 101. Before 101 the broker is asked whether this node gets the
// messages of the rooms already ([Broker].Want); if not yet, the answer waits
// for it, so that a viewer who has been told "you are in" misses nothing. From
// then on the connection is a descriptor, a session record of 24 bytes and a
// cursor per room. A frame that arrives whole leaves nothing behind; a partial
// one holds a pooled assembler until it is complete or its deadline passes.
//
// # Heartbeats
//
// A connection has one coarse deadline. When it passes, the session is pinged
// only if its rooms have been silent for the ping interval: where messages flow,
// TCP_USER_TIMEOUT finds the dead. An unanswered ping closes.
//
// # Publishing
//
// A message from a socket or the API goes to the [Broker]; without one (a single
// node), straight to the hub, which makes the room's order. A broker hands
// messages of other nodes, and our own on their way back, to [Server.Deliver].
//
// # Clients
//
// A connection that speaks barrage.v1 (docs/protocol.md) or has an identity has a
// record more. What a command needs from the broker or a backend is done on another
// goroutine, which posts the answer to the loop; there it counts only if the
// connection is still the same one. A room with a history is joined held: what is
// published meanwhile waits in the room's log until the history has been read.
//
// A client cannot make the server keep much: commands have prices and a rate, large
// answers are refused while earlier ones are unread, and one that is too slow for a
// room is owed one gap, not each message.
//
// # Ownership
//
//	state                                   owner                   everyone else
//	sessions, partial heads and messages    the shard's goroutine   Server posts to the loop
//	clients, their joins and expiries       the shard's goroutine   shard.post
//	debts of acknowledgements               the shard's goroutine   -
//	orders not yet obeyed                   their mutex             Server.sendAway
//	histories and tokens under way          pool, checks, fetcher   any goroutine asks
//	bans and settings of rooms              standing.Book           Server.Lift, Server.SetRoomSettings …
//	Config, hub, broker                     fixed before Start      read
//	counters, connection count              atomic                  read
//	connections per address                 its mutex               -
package edge

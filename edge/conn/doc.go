// Package conn is the life of a connection, whatever bytes it carries and whatever
// they mean: accept, deadlines, heartbeats, slow peers, limits, closing, and the
// memberships of rooms (fanout).
//
// # Seams
//
// A [Loop] is one event loop's connections. It knows neither framing nor protocol. A
// socket begins with the [Door], which reads its request and refuses it, answers it,
// or has it opened ([Loop.Open]) as one of the loop's kinds. A [Kind] is two things:
//
//	Transport   bytes to messages and messages to bytes: parse, frame, ping, goodbye
//	Protocol    what messages mean: opened, message, skipped, writable, closed
//
// So a message goes
//
//	netpoll.Loop -> Loop.Data -> Transport.Data -> Loop.Message -> Protocol.Message
//
// and what rooms say goes past all of it, from fanout to netpoll. A kind is an index
// in spare bits of the session, so a parked connection pays nothing for the choice.
//
// # A read
//
// What a connection's messages are answered with while its bytes are being read goes
// out in one piece, behind all of them: a read may hold thousands. The context is a
// [Read], handed from method to method. Where there is none (nil), because something
// happened to the connection meanwhile, the answer goes out at once.
//
// # Memory
//
// A parked connection has a session of 16 bytes, its cursors in fanout, and nothing
// else. One that has an identity, or speaks a protocol that needs one, has a [Client]
// beside it, embedded in what its protocol keeps. One that came through a proxy, or is
// counted by its address, has a source of 20 bytes: the kernel does not know the
// viewer's address, or may no longer know the peer's when it is to be counted off.
//
// # Ownership
//
//	state                                  owner                    everyone else
//	sessions, clients, expiries, drain,    the loop's goroutine     Loop.Post, Loop.Do
//	sources
//	Loops.all                              complete before started  read
//	UserIndex                              its stripes' mutexes     any goroutine
//	connections per address                its mutex                any goroutine
//	counters                               atomic                   any goroutine
//
// Methods of a Loop must be called on its goroutine, except those that say otherwise.
package conn

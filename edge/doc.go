// Package edge is the server: it joins the event loops (netpoll), the WebSocket
// codec (frame) and the rooms (fanout) into connections that publish and receive.
// This package is the wiring; each part is a package below it.
//
// # Story of a connection
//
// A loop accepts a descriptor ([barrage/edge/conn]). Its request is read, checked and
// answered by [barrage/edge/handshake]: with a page, a refusal, or 101. From then on it
// is of a kind: a transport ([barrage/edge/ws]) makes messages of its bytes, and a
// protocol gives these a meaning: [barrage/edge/raw], [barrage/edge/v1] or
// [barrage/edge/echo]. protocols.go has a line for each.
//
// # Story of a message
//
// A message from a socket or the API is checked and goes to the broker
// ([barrage/edge/publish]). Without another, that is the one in memory, for a single
// node. The broker hands it to all nodes, and there to [barrage/edge/delivery], which
// has it encoded once for each form in which the room has members, and gives it to
// fanout.
//
// # What else there is
//
//	wait        connections that cannot go on before a room's messages come here
//	history     pages of rooms' histories, shared by those who ask for the same
//	mailbox     direct messages: those that come, and those that waited
//	moderation  what operators order, on all nodes; bans, room settings, closing rooms
//	auth        tokens, and what they allow
//	presence    which users are in which room, on all nodes
//	events      what backends are told and asked
//	node        what protocols are given to work with
//
// # Ownership
//
// Each part says what it owns and who may touch it. A [Server]'s own state is fixed
// before Start, but for counters.
package edge

// Package broker is the vocabulary of rooms with a memory: messages, their
// positions, histories, and the interface of what keeps and
// carries them. Package memory implements it for a single node, package
// redisbridge for many, on Redis. Both pass the same suite, package brokertest.
//
// # A room's history
//
// Where history is on for a room, its messages are numbered 1, 2, 3 … by their
// offset. Offsets mean something within an epoch only: when a history is lost
// (the process of a single node ended, Redis came back empty, an operator cleared
// it) the next one has another epoch and begins again at 1. An epoch and an
// offset are a [Position].
//
// What a room keeps may change at any time. It does so with the room's next
// message; where that is nothing, what was kept is not read, but goes on where it
// was should the room keep messages again in time.
//
// # Guarantees
//
// For every room that was wanted ([Broker.Want]) and whose readiness was told,
// the [Receiver] of each node gets each message once, in the order of offsets.
// What cannot be had any more is told by [Receiver.Lost] in its place.
//
// A publish that returned without error and without Receipt.LocalOnly is in the
// history, as long as the store keeps its data. One that returned an error may
// be in the history or not; repeating it with the same Publication.Key puts it
// there once.
//
// Messages that come from outside without a position (a plain PUBLISH on Redis) and
// those of rooms without history have offset 0: at most once, in no history.
package broker

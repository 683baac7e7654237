// Package delivery gives the members of this node's rooms what the broker brings: it is
// the broker's Receiver.
//
// # Encodings
//
// A room's message is encoded once for each of the forms in which it has members. A
// [Form] is a [Codec] (how a protocol writes messages) and a [Framing] (how a transport
// frames them). The forms of a server are in its [Forms], by fanout.Encoding.
//
// # Sequences
//
// A position is an epoch and an offset, and offsets begin again with each epoch. fanout
// compares one number, so [Sequences] numbers the epochs of each room in the order in
// which this node met them; that number and the offset in 64 bits are the message's
// sequence. It means something on this node only.
//
// # Losses
//
// What the broker could not get, or this node could not take as it was too far behind,
// is published into the room as a gap, between the messages that it is missing from:
// members that were given the history beyond do not see it. While the node cannot take even
// that, the gap waits (pendingGaps) and is told before the room's next message.
package delivery

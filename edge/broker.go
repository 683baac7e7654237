// The broker: how nodes share rooms.

package edge

import "context"

// Broker carries messages between nodes. What is published on any node comes to
// Server.Deliver on all of them, this one included, in one order per room. Its
// methods may be called from any goroutine.
type Broker interface {
	// Want tells that the room has, or is about to have, a member here. It
	// returns true if the room's messages are coming already, or if waiting for
	// them is pointless; otherwise Server.RoomReady is called once they do. It
	// never blocks. Rooms without members (Server.Members) may be given up.
	Want(room string) (ready bool)
	// Publish returns once the message is accepted, with its id and, where the
	// room has a history, its offset. localOnly: other nodes will not see it.
	Publish(ctx context.Context, room string, binary bool, payload []byte) (id string, offset uint64, localOnly bool, err error)
	// TryPublish is Publish for event loops: it never blocks, copies payload,
	// and returns false if it had to refuse.
	TryPublish(room string, binary bool, payload []byte) bool
	// Err returns nil while messages flow between the nodes, else why not.
	Err() error
}

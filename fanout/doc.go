// Package fanout delivers each message of a room to every member of it.
//
// A [Hub] has one [Shard] per event loop. A member of a room lives in the shard
// of its connection; the room exists in each shard that has members. A message
// is encoded once by the publisher and appended to the room's log in those
// shards. A member is a cursor: the number of the next message it needs. There
// is no queue per member, so a slow one costs nothing but its lag.
//
// # Encodings
//
// A room can have members of several encodings. Each shard has a log for each
// that it has members of; a message is encoded once for each that is in use
// anywhere, and for no other. A subscriber is in a room in one encoding.
//
// # Batches
//
// An encoding can be batched, for members who take several messages in one frame:
// compressed together they are a fraction of the bytes. The first message after a
// silence goes to these at once; what follows waits in the hub, BatchWait at most,
// and [Hub.Run] makes one frame of it for each batched encoding. A room has one such
// backlog, bounded by all of them together, and its messages go out in their order
// however long the encoding takes. Other encodings get each message at once.
//
// All is counted by messages, a batch in a log too. Who was given the history up to
// a place within a batch is sent what is behind that place: the batch is divided in
// the log, once for all who still need it.
//
// # The flush
//
// A shard sends by passes over a room's members. Each member gets, in one send,
// everything from its cursor to the head of the log: what is published while a
// pass is under way rides along with the members not yet visited, and reaches
// the others in the next pass. So the busier a room is, the more messages one
// send carries. A pass is cut into slices of a few hundred sends, between which
// the loop serves its sockets and other rooms.
//
// A send that the socket takes only in part moves the cursor past the last frame
// begun; the rest of that frame is handed to the sink's queue, so that cursors
// are always at a frame boundary. The member is passed over until the sink says
// that it is writable again ([Shard.Drained]).
//
// # Slow members
//
// A log is bounded. When its oldest segment must go, the members that still
// needed it skip forward to the next one; the skip is counted, and the sink is
// told, which may close the connection instead. When everybody has caught up
// the log is given back whole: a quiet room holds no buffer.
//
// # Joining at a known place
//
// Messages may have an offset, which the publisher gives: their place in a
// history that is kept elsewhere. Who is to have a part of it first joins held:
// from then on the log keeps for it what is published, within the bounds that
// hold for a slow member, and nothing is sent. After it was given the history up
// to an offset, [Shard.Resume] lets it go on behind that, without a gap and
// without a repetition, also when the history was ahead of what was published
// here.
//
// # Guarantees
//
// Every member of a room sees its messages in one order, that of the calls of
// [Hub.Publish], the same in all shards and encodings, none twice, and none left
// out but those counted as skipped:
//
//	offered = delivered + skipped by reason + still in the log
//
// # Ownership
//
//	state                              owner                    everyone else
//	rooms, members, logs, cursors      the shard's goroutine    no access
//	inbox of a shard                   its mutex                Hub.Publish, Hub.Run
//	directory of rooms (Hub)           its stripes' mutexes     Hub's methods
//	backlogs                           their stripes' mutexes   Hub.Publish, Hub.Run
//	the order in which they are due    its mutex                likewise
//	publications, bytes of a message   nobody: immutable        read; bytes, until Release
//
// Lock order: a stripe of the directory, then a shard's inbox, or the queue of what
// is due. The stripe is held while a message is put into all inboxes; that is what
// makes the order of a room the same everywhere. Under none is anything encoded,
// called back or sent.
package fanout

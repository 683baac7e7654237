// Package fanout delivers each message of a room to every member of it.
//
// A [Hub] has one [Shard] per event loop. A member of a room lives in the shard
// of its connection; the room exists in each shard that has members, as a stream:
// one log, and a cursor for each member, which is the number of the next message
// that the member needs. A message is encoded once by the publisher and appended
// to the logs. There is no queue per member, so a slow one costs nothing but its
// lag: a subscriber of one room costs 28 bytes, in tables without pointers, and of
// each further room 24.
//
// # Encodings
//
// A room can have members of several encodings. Each shard has a stream for each
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
// All is counted by messages, a batch in a log too. A member that was given the
// history up to a message within a batch is sent the rest of the batch: it is divided
// in the log, once for all members who still need it.
//
// # The flush
//
// A shard sends by passes over a stream's members. Each member gets, in one send,
// everything from its cursor to the head of the log: what is published while a
// pass is under way rides along with the members not yet visited, and reaches
// the others in the next pass. So the busier a room is, the more messages one
// send carries. A pass is cut into slices of a few hundred sends, or of fewer that are
// long, between which the loop serves its sockets and other rooms.
//
// A send that the socket takes only in part moves the cursor past the last frame
// begun; the rest of that frame is handed to the sink's queue, so that cursors
// are always at a frame boundary. The member is passed over until the sink says
// that it is writable again ([Shard.Drained]). Those who catch up have a slice of
// their own between two others.
//
// # Slow members
//
// A log is bounded. When its oldest segment must go, the members that still
// needed it skip forward to the next one; the skip is counted, and the sink is
// told, which may close the connection instead. When everybody has caught up
// the log is given back whole: a quiet room holds no buffer.
//
// # Own messages
//
// A publication can name the subscriber that it comes from, who is not to get it
// ([Publication].Origin). Most members need nothing else when it comes, and their cursor
// goes past it. For one that is behind, the shard notes the message's number, and what is
// sent to that member goes around it; a batch is made once more without it. Others cost
// nothing by that, and it counts as SkipEcho.
//
// # Joining at a known position
//
// Messages may have a sequence, given by the publisher: their number in the order
// of a history that is kept elsewhere. A member that is to be given a part of the
// history first joins held: from then on the log keeps for it what is published,
// within the bounds that hold for a slow member, and nothing is sent. After it was
// given the history up to a sequence, [Shard.Resume] lets it go on behind that,
// without a gap and without a repetition, also when the history was ahead of what
// was published here.
//
// # Where more would enter
//
// A variant of a message, for some of a room's members, is an encoding: they join
// in it, and [Publication].Encode makes it, once for all of them.
//
// A lane, which is a part of a room's messages with a log, a bound and a priority
// of its own, is one more stream of the room in each encoding: Shard.byRoom finds
// it by encoding and lane. A subscriber has a member in each, so a cursor and a link
// for each lane. The publication says which lane it is in, item carries it, and
// Shard.hot becomes one queue for each priority. Passes, bounds and counters are of
// streams and stay as they are; the order of messages then holds within a lane, and
// Resume goes on in each.
//
// A batch is made in the hub, of what waits in a backlog: the rule of what goes
// together is Hub.batches, and its form is [Config].Batch, made of what
// [Publication].AppendPart appends.
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
//	streams, members, logs, cursors    the shard's goroutine    no access
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

// Package redisbridge is the broker on Redis: it joins many Barrage nodes, and
// keeps the histories of rooms in Redis Streams. It also keeps who is in which
// room ([Presence]), and what operators ordered until further notice ([Orders]).
//
// Any program's plain PUBLISH room:NAME payload reaches every member of NAME
// on every node, at most once and in no history. What a node publishes is
// appended to the room's history, where it has one ([Config].Retention), and
// announced to all nodes, the publishing one included, in one step; it comes
// back through the subscription and is delivered then. The bridge does not know
// members, only rooms: it subscribes the rooms that have members here, hands
// their messages to its [broker.Receiver], and drops a subscription when a room
// has been empty for Config.Linger. The names in Redis are told in keys.go, the
// bytes in envelope.go, and what runs within Redis in scripts.go.
//
// # Histories
//
// A bridge remembers for each room with a history how far it has delivered it.
// The message after that is delivered; what was delivered already is dropped; at
// a hole, and whenever a subscription was made anew, the history is read from
// there before the room goes on (catchup.go). So no loss between Redis and this
// node matters: a lost connection, a failover, a slot that moves, an output
// buffer that Redis would not grow. What the history no longer has is told by
// Receiver.Lost in its place: trimmed messages, or the end of an epoch.
//
// An epoch ends when Redis lost the history, an operator cleared it, or Redis
// went back to an older state of it (a master died before its replica had the
// newest messages; a restart from an older file). The last is recognised by a
// message that is not where it was delivered from, and only by a node that had
// delivered it. An epoch and its offset outlive the messages by a day, so a quiet
// room goes on where it was.
//
// A publish is tried once more if its connection broke; a key in Redis keeps the
// repetition harmless. Config.IdempotencyTTL is for the caller's keys.
//
// # Redis
//
// One server, a set of sentinels, or a Redis Cluster, version 7.0 or later.
// Everything that belongs to a room is in one of 128 partitions, and so on one
// node of a cluster. With Config.Sharded nodes use sharded pub/sub among
// themselves, over one connection to each master that carries rooms wanted here;
// the plain channels then are on a connection of their own, and the order
// between a plain PUBLISH and a node's message is not kept. Without, a cluster
// sends every message to each of its nodes.
//
// Redis pub/sub ignores the database number of the URL. A Redis ACL must allow
// the channels and keys in keys.go: a channel that is refused keeps the bridge
// down, and Err says so. The store is as good as Redis's own: to lose nothing
// with a master, let it write its file always, or want replicas
// (min-replicas-to-write). Keys must not be evicted for want of memory.
//
// # Outages
//
// Healthy means that a probe, published through the ordinary client and
// received on the ordinary subscription connection, came back within
// Config.ProbeTimeout of being sent; a connection that merely looks open does
// not count. In an outage, Config.Outage decides: publishes reach the local
// members only and say so, or are refused. A publish that fails leaves it open
// whether Redis will still execute it (a frozen Redis executes what waits in
// its sockets when it thaws); its number is remembered, and if it does come
// back it is not delivered here a second time. Local members see one order at
// all times, but across the start and the end of an outage it need not be the
// order of the other nodes. In a cluster one dead master does not stop the
// publishing to the others, but a batch of TryPublish waits for the slowest of
// its nodes.
//
// # Who does what
//
//	goroutine   owns                                          stopped by
//	reader      the subscription connection; parses, delivers, Close
//	            builds the next connection when one is lost;
//	            waits for nothing else
//	subscriber  every SUBSCRIBE and UNSUBSCRIBE, so a room    Close
//	            wanted after it was dropped ends subscribed
//	catch-up    reading histories, one pipelined batch at a   Close
//	            time; delivers what was missed
//	prober      the probe, the health, cutting a deaf link    Close
//	inspector   what Redis does with its memory               Close
//	writer      whether Redis takes writes                    Close
//	publisher   the queue of TryPublish, in pipelined batches Close
//	master      asking the sentinels (with sentinels)         Close
//	router      which master carries which partition, and one Close
//	            more reader for each (Config.Sharded)
//
// A method that is named by what has happened (opened, arrived, confirmed,
// unsubscribed, lost, wasRead, subscribedAnew) is called when it has.
//
// Close waits for all of them. All methods may be called by any goroutine; Want
// and TryPublish never wait for Redis. The receiver is called by whichever of them
// has something for a room first, which then has the room's turn: others leave
// what they have with it, and only the rest of a long queue is a goroutine of its
// own. So calls for one room never overlap, and no lock is held meanwhile.
package redisbridge

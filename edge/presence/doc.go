// Package presence knows which users are in a room, how many they are, and what of
// their coming and going the others should be told: exactly while a room is small,
// cheaply when it is large.
//
// # The registry
//
// A [Registry] is a node's own view. Every connection tells it [Registry.Join]
// and [Registry.Leave]; a user with many connections in a room counts once as
// user, each connection counts as connection, and a connection without a user
// counts only. [Registry.List] is complete up to Config.ExactLimit users, and
// names the newest beyond. A member costs 32 bytes and an index entry, a room 64
// and a map entry; what waits to be told or sent is held on top, until it is.
//
// # Changes
//
// [Registry.Due] returns what is to be announced. In a small room, of at most
// Config.EventLimit users, that is a [Join] for each user who came and a [Leave]
// for each who has been gone for Config.Grace; a user who comes back sooner makes no
// event. A client that fetches the list when joining keeps it exact by them; both
// change nothing where they repeat what is known. A bigger room gets
// a [Summary] of counts and a few names, the rarer the bigger it is, beyond
// Config.SampleLimit without names. Anonymous connections make a room big too
// (eight count like a user), since an event is sent to each of them. A room that
// has become small again gets a Summary with Exact set: fetch the list, events
// follow.
//
// # Many nodes
//
// With a [Store], [Registry.Run] tells it the node's users, room by room as
// changes, renews the node's lease on each room, and learns the cluster's
// figures from the same round trip; [Registry.Count] adds the last known ones to
// the node's own. A node that dies is out of the figures when its lease is over,
// by itself. Across the cluster a user counts once while the nodes'
// users of a room add up to Config.ExactLimit at most; beyond, once per node.
// Users who left are in the cluster's figures until their grace is over, so that
// one who reconnects to another node makes no event; which of the nodes tells an
// event is decided by the store, so each is told once. The users of a dead node
// who did not come back are told by the node that first notices.
//
// While the store is out of reach the local view and its events go on, and the
// other nodes' share of the counts stays as it was. When the store answers
// again, every room is compared by version and sent in full where it differs, so
// a store that comes back empty is filled within one pass. Where
// events were told meanwhile, or a node had been given up while it was alive, an
// Exact summary follows. Only the users of a node that dies together with the
// store's data, or before it was told of them, leave without an event.
//
// Unique viewers are estimated by the store, per Config.ViewerBucket of time: of
// users, not of anonymous connections; a user who stays for less than
// Config.SyncInterval may be missed.
//
// # Goroutines
//
// Join, Leave, Count, List, Stats may be called by any goroutine; they hold one
// of 64 locks, by room, for a short while, in List for at most ExactLimit steps.
// Due is for one goroutine, which decides how often; empty rooms that are not
// Quiet are kept until it has been called after their grace. Run is for one
// goroutine and ends with its context. Cluster and Viewers ask the store and
// block. A [User] must not be changed once it was given to Join; it is shared by
// all its connections and rooms, and whoever makes it bounds its strings.
package presence

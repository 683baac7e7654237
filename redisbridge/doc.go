// Package redisbridge joins many Barrage nodes through Redis pub/sub.
//
// Any program's plain PUBLISH room:NAME payload reaches every member of NAME
// on every node, and what one node publishes reaches all nodes, the publishing
// one included, in the order in which Redis executed it. The bridge does not
// know members, only rooms: it subscribes the rooms that have members here,
// hands each payload to Config.Deliver, and drops a subscription when a room
// has been empty for Config.Linger.
//
// # Channels
//
// One SUBSCRIBE takes two channels per room, so the order between them is
// Redis's order too:
//
//	room:NAME              any program; the bare payload, sent on as text if it
//	                       is valid UTF-8, else as binary
//	barrage:msg:room:NAME  Barrage nodes only; a small envelope (envelope.go),
//	                       so that binary stays binary and a node knows its own
//	barrage:probe:NODE     one per node, for the end-to-end probe
//
// "room:" is Config.Prefix; Config.Channels maps further channel names to
// rooms. Redis pub/sub ignores the database number of the URL. A Redis ACL
// must allow all of these channels: one that is refused keeps the bridge down,
// and Err says so.
//
// # Guarantees and limits
//
// One Redis, or one address in front of several; not Redis Cluster. At most
// once, no history: offsets are 0. A published message comes back
// through the subscription and is delivered then, not when it is published.
// What is published while a node's subscription connection is being rebuilt
// (tens of milliseconds after it is cut) does not reach that node's members.
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
// order of the other nodes.
//
// # Who does what
//
//	goroutine   owns                                          stopped by
//	reader      the subscription connection; parses, calls    Close
//	            Deliver and Ready; builds the next connection
//	            when one is lost; waits for nothing else
//	subscriber  every SUBSCRIBE and UNSUBSCRIBE, so a room    Close
//	            wanted after it was dropped ends subscribed
//	prober      the probe, the health, cutting a deaf link    Close
//	publisher   the queue of TryPublish, in pipelined batches Close
//
// Close waits for all of them. Want, Publish, TryPublish, Err and Stats may be
// called by any goroutine; Want and TryPublish never wait for Redis. Calls of
// Deliver never overlap; its payload may not be changed, nor kept after it
// returns. Neither callback may call Publish or Close.
package redisbridge

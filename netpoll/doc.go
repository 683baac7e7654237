// Package netpoll runs event loops over raw socket descriptors on Linux.
//
// A [Loop] is one thread of control: one epoll (mailru/easygo's), a listener for each
// address (SO_REUSEPORT, or a Unix socket that loops share), and a table of connections. A parked connection is a
// descriptor, sixteen bytes of table and an entry in easygo's callback map; it
// has no goroutine, no timer, no buffer and no net.Conn. Bytes that arrive are
// read into the loop's single buffer and handed to the [Handler] during the
// call; bytes that do not fit the socket wait in a pooled queue that exists only
// while the peer is slow.
//
// # Both ends
//
// Connections come from the listener ([Loop.Accept]) or are begun by
// [Loop.Dial]; a loop may have both kinds, and once Opened they are the same. A
// dialled one is connecting first: it has an ID, may have a deadline and can be
// closed, but takes no bytes. It costs what a parked one costs, so a load
// generator can have as many clients as descriptors and source ports. Of those
// there is one range (net.ipv4.ip_local_port_range) for each pair of source
// address and remote; [DialConfig].Local takes further source addresses, of which
// loopback has sixteen million. [Loop.Abort] leaves no TIME_WAIT behind, which
// would hold a port for a minute.
//
// # Ownership
//
//	state                                     owner                 everyone else
//	epoll, eventfd, timerfd, listeners        the loop goroutine    Wake, Post
//	connection table, deadlines, queues       the loop goroutine    Post
//	inbox of posted functions                 its mutex             Post
//	counters                                  written by the loop   read (atomic)
//
// Every method that takes an [ID] must be called on the loop's goroutine: from
// a Handler method or from a function given to [Loop.Post]. The exceptions say
// so. Handler methods are called one after another and must not block: a slow
// one delays every connection of the loop.
//
// # Descriptor discipline
//
// A descriptor is closed in one place (reap), once, after it has left epoll and
// the table, at the end of the event that doomed it. Its slot's generation is
// part of the callback registered with epoll, so an event that was fetched in
// the same batch as the close of its connection is recognised as stale even
// when the number has been reused by an accept in between.
//
// # Where sealed records would enter
//
// Bytes go through one small type, wire, with recv, send and sendv. TLS by the loop
// itself would stand above it, for connections with a flag of their own (conn.flags
// has three bits left), so that plain ones pay for a test of that flag. Loop.send,
// Sendv and Queue would seal what they are given and hand the records to wire; what
// the socket does not take of a record goes into the connection's queue as it is,
// since it must go out byte for byte, and counts as taken. onWritable would send the
// queue past the sealing, onReadable open what recv brought, in place, and keep a
// record that is incomplete, and finish send the alert that comes before a FIN.
//
// In place of the machine's kernel, tests give wire one that takes bytes in parts,
// interrupts, refuses and fails.
//
// # What easygo is not asked to do
//
// Only EpollCreate, Add, Mod, Del and Close are used. Its Poller and Desc layer
// duplicates descriptors and turns them blocking. Its traps and the answers
// here: a failed Add leaves a map entry (Del follows it); its descriptors lack
// CLOEXEC (set right after creation); a wait error ends its goroutine silently
// (OnFatal is called, the process should exit).
package netpoll

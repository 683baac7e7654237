// Package agent is how the controller of a load test drives agents: the
// processes that hold the connections. One process has too few descriptors for
// a large test, and one machine often too few cores.
//
// There are three kinds of agents and one code path: InProcess is the
// controller's own process behind a net.Pipe, Spawn a subprocess on this machine
// behind its stdin and stdout, and Dial a Listener on another machine behind
// TCP. Spawn may as well start ssh, which then starts the agent elsewhere (it
// cannot ask for a password).
//
//	controller (Client)                       agent (Serve, Listener)
//	   hello: version, nonce          ─────>
//	                                  <─────  hello: version, nonce
//	   proof of the secret            ─────>
//	                                  <─────  proof of the secret, capacity; or why not
//	   time, 24 times; offset         ─────>  now() gives the controller's clock
//	   prepare: plan, connections     ─────>  NewDriver
//	   connect, begin, storm,
//	   snapshot, finish               ─────>  the Driver's methods
//	   close                          ─────>  Driver.Close
//
// A message is one JSON object behind its length (4 bytes, big-endian). Requests
// are answered in their order, one at a time.
//
// # Guarantees
//
// No call hangs: each has a time limit besides its context, and when it passes,
// or the connection breaks, the agent is lost, which every later call reports at
// once. A call whose context ends before its time limit is given up without
// harm: the agent may have done it, and the next call works. Every error names
// the agent and what it was doing.
//
// An agent ends its test when its controller is gone: a subprocess on the end of
// its stdin and by a signal of the kernel, a remote one when the connection ends
// or nothing acknowledges its packets.
//
// Both sides must be the same build of the program, as far as its version and commit
// tell: each computes for itself who is in which room and when messages
// are due.
//
// # Clocks
//
// A Clock is wall time at the start of the process plus monotonic time since.
// The offset between two is measured as NTP does (RFC 5905 section 8): of many
// exchanges, that of the smallest round trip counts, and the error is at most
// half of that round trip, if neither clock drifts in between. Cheap oscillators
// drift by tens of microseconds per second, so long tests call Sync now and
// then. An agent's latencies are as wrong as its offset.
//
// # Security
//
// Remote agents and controllers prove to each other that they know a secret, by
// HMAC-SHA256 over both nonces and their role: it is never sent, a recorded
// proof is worth nothing, and neither can be sent back as the other. Nothing
// else is protected: what follows is neither encrypted nor authenticated,
// including credentials in the plan and the secret
// that tokens are signed with. Who can change packets on the way can take
// over a session, and whoever poses as an agent gets a proof to try guesses of
// the secret on. Use a private network, or ssh, where that matters.
//
// # Ownership
//
// A Client's methods may be called from any goroutine; calls wait for each
// other. Each request has a goroutine, which outlives the call only if that is given
// up; Close waits for it and for the subprocess. In an agent, one goroutine reads
// requests, calls the Driver, and answers; Serve returns when it is done.
package agent

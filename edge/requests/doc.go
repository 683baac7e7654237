// Package requests brings what clients and backends ask to who answers it: a configured
// backend ([events.Caller]), which goes first, or a worker, a connection that serves
// methods, on any node. It knows nothing of sockets.
//
// An [Exchange] is a node's part, and has two halves. The asking half (ask.go) keeps what is
// asked here until it is answered, and places it: with whom the longest pattern that fits
// the method says, a pattern without * before others, and of those with the node whose
// workers are least busy. The serving half (serve.go, worker.go) has the workers of this node,
// and for each pattern a queue of what no worker is free for. The halves speak in terms of
// jobs and outcomes; between nodes (nodes.go) these are messages of a room of each node, and
// what a node's workers serve and how busy they are is told to all in another.
//
// # What becomes of a request
//
// It is answered once: by a worker; with timeout at its deadline; with overloaded, if
// there is no room for it; with unavailable, if its last worker has gone; with
// backend_error, if a worker died with it. One that no worker was given yet is placed
// again when its node's workers go, and one whose worker died only if its asker allows
// that. Each placement has a number of its own, so that an outcome of an earlier one is
// nothing.
//
// What is given up, since the asker left or the deadline passed, is cancelled at the
// worker, and counts as under way there until the worker answers all the same, for at most
// [bounds.GivenUp]: so one that is stuck is not given more and more.
//
// # Ownership
//
// All state is under the Exchange's lock, where nothing is called; what is to be called is
// noted, and called after it (Exchange.do), but for what only counts. What a worker is told waits in its outbox, from
// which its connection's goroutine takes it, and what other nodes are told in the
// Exchange's, from which Run publishes: so both come in order.
package requests

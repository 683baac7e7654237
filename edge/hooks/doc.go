// Package hooks asks backends before something happens: who a connection is
// ([Connect]), whether it may join a room, and whether and as what its message is
// published ([Hooks.Join], [Hooks.Publish]). What is told afterwards is package events',
// as are the signatures. It knows nothing of sockets. docs/webhooks.md has the JSON.
//
// # Never blocking
//
// A question is asked with a function that gets the answer, which is called once, by any
// goroutine, perhaps before the asking returns. So an event loop asks and goes on. Each
// URL has a few goroutines, and a queue with fair turns and places (package workers); all
// URLs together have [bounds.HookBytes] of questions, of which no URL, user or address has
// more than they leave free.
//
// Equal questions at the same time are one: those who ask while it is under way get its
// answer. A question has no connection in it, unless it is about a message, so that a
// thousand anonymous viewers who join a room ask once.
//
// # When there is no answer
//
// A backend is away if it cannot be reached, breaks off, takes too long, or answers with
// 5xx; then the setting of the hook decides. Anything else that is no answer (another
// status, what is too long or is not what is wanted) refuses, whatever the setting:
// that is a fault of the backend, not its absence. So does a queue that is full, else a
// flood would be a way around the backend.
//
// After several failures in a row a backend is not asked for a while, and then with one
// question: see breaker.
//
// # Ownership
//
// All methods may be called from any goroutine. Answers are shared and immutable.
package hooks

// Package api is Barrage's HTTP interface for backends and operators: the admin
// listener. Backends publish and ask about rooms, operators and their machines
// ask for health, readiness, metrics and profiles.
//
//	POST /v1/rooms/{room}/messages   publish the body to a room
//	GET  /v1/rooms?prefix=&limit=    the fullest rooms of this node
//	GET  /v1/rooms/{room}            one room of this node
//	GET  /healthz, /health           200 while the process is alive
//	GET  /readyz                     200, or 503 with the reasons
//	GET  /metrics                    Prometheus
//	GET  /debug/pprof/               profiles, where configured
//
// # Guarantees
//
// With a token set, all but health and readiness need it as a bearer token,
// compared in constant time; without one the listener refuses every address
// that is not loopback, and refuses what a browser sends from another site.
// Every error is JSON, {"error":{"code":…,"message":…}}, with a code that stays
// the same from release to release and a sentence that names field and limit. A
// handler that panics answers 500 and the process lives.
//
// A publish repeated with the same Idempotency-Key to the same room is sent
// once per node: whoever comes while it is under way waits for its answer,
// whoever comes later (within a bounded time and number of keys) gets the
// remembered one, marked with the header Idempotent-Replayed. A failed publish
// is not remembered, so a retry tries again.
//
// # Ownership
//
// The package knows the server only through the interface Server, whose methods
// it calls from many goroutines at once. The payload given to Server.Publish is
// a pooled buffer: it is the server's until Publish returns and no longer. An
// API is built by New, serves from Listen and Serve, and ends with Shutdown; it
// starts no goroutine but those net/http starts for its connections.
package api

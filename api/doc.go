// Package api is Barrage's HTTP interface for backends and operators: the admin
// listener. openapi.yaml beside this file describes every request, answer and
// error code; GET /openapi.yaml serves it, and the tests hold each of their
// requests and answers against it.
//
//	POST   /v1/rooms/{room}/messages      publish the body to a room
//	POST   /v1/users/{user}/messages      publish the body to one user
//	POST   /v1/rooms/messages             publish up to 1000 messages
//	POST   /v1/broadcast?pattern=         publish the body to all rooms that match
//	GET    /v1/rooms?prefix=&limit=       the fullest rooms of this node
//	GET    /v1/rooms/{room}               one room
//	GET    /v1/rooms/{room}/messages      its history; DELETE forgets it
//	GET    /v1/rooms/{room}/members       the users in it
//	GET    /v1/rooms/{room}/settings      its settings; also PUT, DELETE
//	POST   /v1/rooms/{room}/kick          put a user out of it
//	POST   /v1/rooms/{room}/close         put all members out, hand out the transcript
//	GET    /v1/settings                   rooms with settings
//	GET    /v1/users/{user}               one user
//	POST   /v1/users/{user}/disconnect    close a user's connections
//	GET    /v1/bans                       the users and addresses that are kept out
//	POST   /v1/bans                       keep an address or a network out
//	DELETE /v1/bans?address=              let it come again
//	DELETE /v1/bans/{user}?room=          let a user come again
//	GET    /v1/connections?user=&room=    connections of this node
//	POST   /v1/connections/{conn}/disconnect
//	GET    /v1/trace?user=                what single connections do, as it happens
//	GET    /healthz, /health              200 while the process is alive
//	GET    /readyz                        200, or 503 with the reasons
//	GET    /metrics                       Prometheus
//	GET    /openapi.yaml, /openapi.json   the description
//	GET    /debug/pprof/                  profiles, where configured
//
// # Guarantees
//
// With tokens set, all but health and readiness need one as a bearer token,
// compared in constant time; without one the listener refuses every address
// that is not loopback, and all but health and readiness whatever names another
// host; it refuses what a browser sends from another site. Connections are bounded
// (Config.MaxConnections).
// Every error is JSON, {"error":{"code":…,"message":…}}, with a code that stays
// the same from release to release and a sentence that names field and limit. A
// handler that panics answers 500 and the process lives. Bodies, lists and
// batches are bounded, and so are the labels of metrics.
//
// A publish repeated with the same Idempotency-Key to the same room by the same
// sender is sent once; the broker sees to that, on all nodes it joins. The
// repeated answer is the first one's, marked with the header
// Idempotent-Replayed.
//
// # Limits
//
// Figures of all nodes are as good as the server tells them; counts of connections
// put out are this node's. Publishing to many rooms is one publish
// after the other, cut off after 20 seconds; with a key, the rest can be had by
// asking again.
//
// # Ownership
//
// The package knows the server only through the interface [Server], whose methods
// it calls from many goroutines at once. What is given to Server.Publish is
// pooled: it is the server's until Publish returns and no longer. An API is
// built by New, serves from Listen and Serve, and ends with Shutdown; it starts
// no goroutine but those net/http starts for its connections.
package api

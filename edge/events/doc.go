// Package events tells backends what happens on the edge, and asks them what
// clients want to know. It knows nothing of sockets: the edge calls
// [Emitter.Emit] and [Caller.Call].
//
// # Events
//
// An [Emitter] takes events from any goroutine without ever blocking it and
// hands them to a [Sink] in batches: a [Webhook], or a [Stream] of Redis. To feed
// two sinks, make two emitters.
//
// An emitter has outlets, each a bounded queue and one goroutine with at most one
// batch under way. An event's room decides its outlet, its connection if it has no
// room. So the events of one room arrive in the order in which they were emitted,
// also when some have to be sent again. Events of different rooms, and those of a
// connection (connect, disconnect) against those of its rooms (join, leave), have
// no order; Event.Time tells.
//
// Delivery is at least once for as long as Config.MaxAge: a batch that fails is
// sent again, with exponential back-off and full jitter, until it is taken,
// refused for good, or too old. A batch whose answer was lost arrives twice: a
// backend that minds remembers the ids it has seen. What is not delivered is
// counted under exactly one [DropReason]. While a backend is down its outlet's queue
// fills, and then the oldest events go, so that a backend that comes back hears
// how things are rather than how they were. An event with a reservation
// ([Emitter.Reserve]) is not pushed out, and while it is the oldest the newest go.
// All outlets together hold at most about QueueBytes waiting, of which none has more than
// it leaves free to the others, and each, for what is under way, a few
// times BatchBytes or one event's JSON, whichever is more. Nothing survives the end
// of the process.
//
// # The JSON form
//
// One event, with all that it can have; what is empty is left out, but for id,
// type, time, node, and a message's id, time, format and data:
//
//	{"id": "1f0c9a52b3d4e-42",  unique; the same when it is sent again
//	 "type": "publish",            connect, disconnect, join, leave, publish or room_closed
//	 "time": 1763738000123,        milliseconds since the Unix epoch, by the node's clock
//	 "node": "edge-1",
//	 "room": "lobby",              absent: connect and disconnect
//	 "user": "u1",                 absent: anonymous, or a backend
//	 "conn": "c7",
//	 "reason": "ping_timeout",     why it ended: disconnect, leave, room_closed
//	 "remote": "203.0.113.9:4711",  where the client comes from: connect
//	 "message": {…},               publish
//	 "part": 1,                    room_closed: counts its events, from 1
//	 "last": true,                 room_closed: no more of them come
//	 "transcript": [{…}, …]}       room_closed, oldest first; [] if nothing was kept
//
//	{"id": "m1", "epoch": "e1", "offset": 7, "time": 1763738000120,
//	 "sender": {"user": "u1", "name": "Ann", "avatar": "https://…", "conn": "c7"},
//	 "kind": "gift",
//	 "format": "json",             text: data is a string; binary: a string of
//	 "data": {"coins": 3}}         base64; json: any value
//
// Members may be added; readers ignore those they do not know.
//
// # Webhooks
//
// A webhook is POSTed {"events":[…]}. Any 2xx takes the batch; 408, 429 and 5xx,
// and no answer in time, have it sent again (Retry-After is honoured, up to
// Config.MaxRetryAfter); any other status, a redirect to another host among them,
// drops it.
//
// # Requests
//
// A [Caller] asks the backend for the request's method, and gives the client the
// answer or an error with a stable code. It POSTs
//
//	{"id": "7", "method": "ask", "room": "lobby", "user": "u1", "conn": "c7", "data": {…}}
//
// ("data" is always there, null if the client sent none; id is the client's own,
// unique in its connection at best) and wants, within the timeout, a 2xx with
// either of
//
//	{"data": any value}
//	{"error": {"code": "sold_out", "message": "A sentence for people."}}
//
// or a 204, which is {"data": null}. A code is 1 to 64 bytes of a-z, 0-9 and _; a
// message at most 1024 bytes. When its client goes away or its time is over the HTTP
// request is cancelled, and an answer after that is thrown away.
//
// Of MaxConcurrent requests under way nobody has more than they leave free: a route, and
// in it each user and each address. What is over that is refused (overloaded), so that a
// slow backend, or a client with many connections, is not in the others' way.
//
// # Connections that end
//
// A POST of either kind whose connection ends before a byte of an answer is made once
// more, at once and by a new connection: that is what becomes of one that is sent just
// as a backend closes an idle connection. So a request may come twice, with the same
// id, and is sent once in all other cases.
//
// # Signatures
//
// Both kinds of POST carry
//
//	Barrage-Signature: t=1763738000,v1=5257a869…
//
// where t is the time of sending in seconds since the Unix epoch and v1 the
// HMAC-SHA256, in lower-case hex, of the decimal t, a full stop and the body's
// bytes, under the shared secret's bytes. While secrets are being changed there is
// a v1 for each. A backend, in any language:
//
//  1. reads the body's bytes, before any parsing;
//  2. splits the header at commas, and each part at its first "=";
//  3. computes v1 from t as it stands there and the body, and compares it with
//     each v1, in constant time: one must be equal;
//  4. refuses a t more than five minutes from its own clock, which bounds replays.
//
// A test vector: secret "0123456789abcdef", body {"events":[]}, t 1763738000 gives
// v1 b83237c9087acd20d780f33511c11ebff3a5bb2b44cebbffc4765bbe20125315.
// verify_test.go does it in Go.
//
// # Goroutines
//
// All methods of Emitter and Caller may be called from any goroutine. [New] starts
// the outlets; [Emitter.Close] ends them and waits. Call blocks its caller, so it is
// not for event loops; it starts nothing that outlives it but idle connections,
// which [Caller.Close] closes.
package events

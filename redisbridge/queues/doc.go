// Package queues publishes what other programs put into lists and streams of Redis: each
// entry into the room that its queue feeds, in the queue's order.
//
// One node at a time holds a queue, by a lease in Redis ([Config].Lease): the others wait to
// take it over, which they do at once when the holder stops, and when its lease is over
// when it died. So many nodes keep the order of one, and what a dead one had taken is what
// its successor begins with.
//
// # What holds
//
// An entry leaves its queue after the broker has acknowledged it, or refused it for good.
// Each is published with an idempotency key, so that one which was published and not yet
// taken out, when its node died, is published once if a successor comes within
// bounds.KeyTime; later it is published again. So it is at least once, and once for as long
// as keys are remembered. While the broker is overloaded or out of reach the entry is tried
// again, and the rest of the queue waits behind it. Of a list what is being published is in
// a list of ours beside it (list.go), where a crash leaves it; of a stream it is pending in
// the group.
//
// An entry that can never be published (too long, malformed, refused) is dropped and
// counted, and the queue goes on.
//
// # Who does what
//
// Each queue has a goroutine, which Close ends and waits for. It owns the queue's source and
// what it has taken. Its commands that wait are on a client of their own, so that they keep
// no connection from others.
package queues

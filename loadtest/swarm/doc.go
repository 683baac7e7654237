// Package swarm is the viewers of a load test: very many WebSocket connections
// of one process, on netpoll's event loops, each costing a few tens of bytes.
//
// A Swarm holds the connections From to To of a plan. They are numbered over the
// whole test, so that a connection's room, its behaviour and what it publishes
// follow from its number (plan.Layout), whichever process holds it, and however
// often it drops and comes back.
//
//	Connect ─> dial, upgrade, opening messages ─> open ──────> receive, count
//	              │                                 │  Begin: counting begins
//	              └─ failed: by address and answer  │  Storm, churn: drop, dial again
//	                                                └─ Finish: what is missing
//
// # Ownership
//
// Each worker is a loop and everything about its share of the connections; only
// its loop's goroutine touches it. The Swarm's methods post to the workers and
// wait for them, and may be called from any goroutine, one at a time.
//
// # What is expected
//
// A viewer that is open when a window begins must get every message of it. One
// that opens later must get what is due from plan.Settle after its upgrade on,
// and everything from the first message it gets. One that the server closes is
// still expected to get all: that is what the server was asked for. One that
// drops on purpose is expected to have got everything up to its last message.
package swarm

// Package brokertest is the conformance suite of package broker: what it says a
// Broker does, as tests that every Broker must pass.
//
//	func TestConformance(t *testing.T) {
//		for n := range 3 {
//			t.Run(fmt.Sprintf("nodes=%d", n+1), func(t *testing.T) { brokertest.Run(t, n+1, start) })
//		}
//	}
//
// The suite knows the broker by its interface only. A [Factory] starts a
// [Cluster]: nodes that share one store, each with a [Receiver] that records
// what its broker tells it and notes what no broker may do: calls for one room
// that overlap, a message changed after its delivery, a call after Close.
//
// The nodes must be well: the suite takes Receipt.LocalOnly, an error, or a Lost
// that nothing explains as failures. Faults are for each broker's own tests,
// which may use the Receiver too.
//
// Nothing is decided by a timing. What must happen is waited for, with patience;
// what must not happen is looked for after a later message of the same room has
// arrived. Only the test of Retention.Age lets time pass: with Cluster.Advance
// where the broker's clock can be set, else a second of real time.
package brokertest

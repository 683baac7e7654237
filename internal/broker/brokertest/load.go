// Order, with more publishers and less time than the receiver has.

package brokertest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/internal/broker"
)

// testLoad has many publishers speak at once in a few rooms, with history and
// without, half of them as event loops do, while the receivers take their time.
// Every node sees one sequence in which each publisher's messages are in order, and
// every receipt tells of the message that was delivered.
func testLoad(t *testing.T, c *Cluster) {
	const publishers, each = 12, 60
	rooms := []string{"load", "off:load", "few:load"}
	c.join(t, rooms...)
	for _, n := range c.Nodes {
		n.Receiver.Slow(50 * time.Microsecond)
	}
	ctx := limited(t)
	var receipts sync.Map // by payload
	var wg, told sync.WaitGroup
	for p := range publishers {
		n := c.node(p / 2)
		wg.Go(func() {
			for i := range each {
				for _, room := range rooms {
					m := text(room, fmt.Sprint(p, " ", i))
					note := func(r broker.Receipt) { receipts.Store(room+" "+string(m.Payload), r) }
					if p%2 == 0 {
						if r, ok := n.try(t, ctx, m); ok {
							note(r)
						}
						continue
					}
					told.Add(1)
					var calls atomic.Int32
					for !n.TryPublish(m, func(r broker.Receipt, err error) {
						if err != nil || calls.Add(1) != 1 {
							t.Errorf("%s in %s: %+v, %v, or told twice", m.Payload, room, r, err)
							return
						}
						note(r)
						told.Done()
					}) {
						time.Sleep(time.Millisecond)
					}
				}
			}
		})
	}
	wg.Wait()
	told.Wait()
	for i, n := range c.Nodes {
		for _, room := range rooms {
			next := make([]int, publishers)
			for k, m := range n.messages(t, room, publishers*each) {
				var p, number int
				if _, err := fmt.Sscan(string(m.Payload), &p, &number); err != nil {
					t.Fatal(err)
				}
				if number != next[p] {
					t.Fatalf("node %d, room %s: message %d of publisher %d came, want %d", i, room, number, p, next[p])
				}
				next[p]++
				if room != "off:load" && m.Offset != uint64(k+1) {
					t.Fatalf("node %d, room %s: offset %d came as number %d", i, room, m.Offset, k+1)
				}
				r, _ := receipts.Load(room + " " + string(m.Payload))
				if r, _ := r.(broker.Receipt); r.ID != m.ID || r.Position != (broker.Position{Epoch: m.Epoch, Offset: m.Offset}) ||
					r.Members != c.node(p/2).Receiver.Members(room) {
					t.Fatalf("node %d, room %s: delivered %+v, receipt %+v", i, room, *m, r)
				}
			}
		}
	}
}

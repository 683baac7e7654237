// Rooms that are sampled.

package brokertest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"barrage/internal/broker"
)

const hotTarget = 20

// Target is what the factory has its nodes ask how many messages a second viewers get.
func Target(room string) float64 {
	if strings.HasPrefix(room, "hot:") {
		return hotTarget
	}
	return 0
}

// testHot: of a flood all nodes and the history have the same, without a hole, and all are
// told how much was left out; what is not sampled is all there.
func testHot(t *testing.T, c *Cluster) {
	const room, flood = "hot:a", 400
	c.join(t, room)
	through, out, gifts := []string{}, 0, 0
	var head broker.Position
	publish := func(i int) {
		p := text(room, fmt.Sprint("comment ", i))
		switch {
		case i%2 == 0: // half of all is one's
			p.Sender.User = "loud"
		case i%7 == 0:
			p.Lane, p.Kind = broker.LaneGift, "gift"
			gifts++
		default:
			p.Sender.User = fmt.Sprint("user ", i%100)
		}
		r := c.node(i).publish(t, p)
		switch {
		case !r.Sampled:
			if r.Position.Offset != uint64(len(through)+1) {
				t.Fatalf("message %d is at %+v, behind %d", i, r.Position, len(through))
			}
			through, head = append(through, r.ID), r.Position
		case p.Lane == broker.LaneGift:
			t.Fatalf("gift %d was left out", i)
		case r.Position != broker.Position{}:
			t.Fatalf("what was left out is at %+v", r.Position)
		default:
			out++
		}
	}
	for i := range flood {
		publish(i)
	}
	if most := 3 * hotTarget; out == 0 || len(through)-gifts < hotTarget || c.Advance != nil && len(through)-gifts > most {
		t.Fatalf("%d were let through of %d, with %d gifts", len(through), flood, gifts)
	}
	told := func(n *Node) (sum int) {
		for _, m := range n.Receiver.Messages(room) {
			if m.Kind == broker.KindLeftOut {
				k, err := strconv.Atoi(string(m.Payload))
				if err != nil || k <= 0 || m.Offset != 0 {
					t.Fatalf("told %q at %d", m.Payload, m.Offset)
				}
				sum += k
			}
		}
		return sum
	}
	for i, end := flood, time.Now().Add(patience); told(c.Nodes[0]) < out; i++ {
		if time.Now().After(end) {
			t.Fatalf("told of %d, want %d", told(c.Nodes[0]), out)
		}
		if publish(i); c.Advance != nil {
			c.Advance(100 * time.Millisecond)
		} else {
			time.Sleep(20 * time.Millisecond)
		}
	}
	for _, n := range c.Nodes {
		eventually(t, fmt.Sprint(n, " has what was let through"), func() bool {
			got := []string{}
			for _, m := range n.Receiver.Messages(room) {
				if m.Kind != broker.KindLeftOut {
					got = append(got, m.ID)
				}
			}
			return strings.Join(got, " ") == strings.Join(through, " ") && told(n) == told(c.Nodes[0])
		})
		n.wantPage(t, room, broker.Query{}, head, nil, 1, uint64(len(through)))
	}
}

// testHotKey: the repetition of what was left out is answered likewise, and nothing is left
// out that has to be acknowledged, or in a room without a target.
func testHotKey(t *testing.T, c *Cluster) {
	const room = "hot:k"
	var left []broker.Receipt
	for i := range 3 * hotTarget {
		if r := c.node(i).publish(t, keyed(room, "hello", fmt.Sprint("key ", i))); r.Sampled {
			left = append(left, r)
			again := c.last().publish(t, keyed(room, "hello", fmt.Sprint("key ", i)))
			r.Replayed = true
			equal(t, again, r, "the repetition")
		}
	}
	if len(left) == 0 {
		t.Fatal("nothing was left out")
	}
	for i := range 3 * hotTarget {
		p := text(room, "receipt")
		p.Confirm = true
		if r := c.node(i).publish(t, p); r.Sampled {
			t.Fatal("what is to be acknowledged was left out")
		}
		if r := c.node(i).publish(t, text("cold", "hello")); r.Sampled {
			t.Fatal("a message of a room without a target was left out")
		}
		told := make(chan broker.Receipt, 1)
		if !c.node(i).TryPublish(text("cold", "hello"), func(r broker.Receipt, _ error) { told <- r }) {
			t.Fatal("refused")
		}
		select {
		case r := <-told:
			equal(t, r.Sampled, false, "left out by TryPublish")
		case <-limited(t).Done():
			t.Fatal(context.DeadlineExceeded)
		}
	}
}

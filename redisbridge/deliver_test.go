package redisbridge

// Calls of the receiver while one of them takes its time.

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/redistest"
)

// holding is a node without Redis whose receiver stands still at the first message
// of a room.
func holding(t *testing.T, room string) (n *node, entered, release chan struct{}) {
	entered, release = make(chan struct{}), make(chan struct{})
	n = &node{t: t, members: map[string]int{room: 2, "other": 1}, ready: make(map[string]int)}
	n.hold = func(m *broker.Message) {
		if m.Room == room && string(m.Payload) == "0" {
			close(entered)
			<-release
		}
	}
	n.begin(hastyConfig(fmt.Sprintf("redis://127.0.0.1:%d", redistest.FreePort(t))))
	return n, entered, release
}

// TestHeldRoom: while a room's receiver is at work, other rooms go on; what comes for
// the room meanwhile keeps its order, and a key that is repeated gets the receipt of
// the first publish when there is one.
func TestHeldRoom(t *testing.T) {
	n, entered, release := holding(t, "held")
	keyed := func(i int) *broker.Publication {
		p := message("held", fmt.Sprint(i))
		p.Key = fmt.Sprint("k", i)
		return p
	}
	publish := func(p *broker.Publication) chan broker.Receipt {
		done := make(chan broker.Receipt, 1)
		go func() {
			r, err := n.Publish(context.Background(), p)
			if err != nil {
				t.Error(err)
			}
			done <- r
		}()
		return done
	}
	receipts := []chan broker.Receipt{publish(keyed(0))}
	<-entered
	select {
	case r := <-publish(message("other", "x")):
		if !r.LocalOnly || r.Members != 1 {
			t.Errorf("receipt %+v in another room", r)
		}
	case <-time.After(patience):
		close(release)
		t.Fatal("another room waits for the receiver")
	}
	s := n.stripes.Of("held")
	for i := range 30 {
		receipts = append(receipts, publish(keyed(i)))
		eventually(t, "it waits", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.turns.Of("held").Waiting() == i+1
		})
	}
	n.Bridge.ready("held")
	if n.times("0") != 0 || n.readyCalls("held") != 0 {
		t.Error("calls for one room overlap")
	}
	close(release)
	first := <-receipts[0]
	if again := <-receipts[1]; first.Members != 2 || first.Replayed || !again.Replayed || again.ID != first.ID || again.Members != 2 {
		t.Errorf("receipt %+v, of the repetition %+v", first, again)
	}
	var want, got []string
	for i, r := range receipts[2:] {
		if r := <-r; r.Replayed || r.Members != 2 {
			t.Errorf("receipt %+v", r)
		}
		want = append(want, fmt.Sprint(i+1))
	}
	eventually(t, "Ready is called behind them", func() bool { return n.readyCalls("held") == 1 })
	for _, d := range n.deliveries() {
		if d.room == "held" && d.payload != "0" {
			got = append(got, d.payload)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}

// TestWaitingIsBounded: whoever has something for a room in which too much waits
// already, waits too.
func TestWaitingIsBounded(t *testing.T) {
	n, entered, release := holding(t, "held")
	go n.received(&broker.Message{Room: "held", Payload: []byte("0")})
	<-entered
	n.received(&broker.Message{Room: "held", Payload: make([]byte, bounds.TurnBytes)}) // the last that may wait
	done := make(chan struct{})
	go func() { defer close(done); n.received(&broker.Message{Room: "held", Payload: []byte("more")}) }()
	s := n.stripes.Of("held")
	eventually(t, "more waits", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.turns.Of("held").Waiting() == 2
	})
	select {
	case <-done:
		t.Error("more was put than may wait")
	default:
	}
	close(release)
	<-done
	if n.times("more") != 1 {
		t.Error("whoever waited goes on before its message is delivered")
	}
}

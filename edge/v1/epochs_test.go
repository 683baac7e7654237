// What joins leave behind in rooms where nothing has been said.

package v1_test

import (
	"fmt"
	"testing"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

// startCounted starts a server whose broker in memory tells how many epochs it has.
func startCounted(t *testing.T, change func(*edge.Config)) (*edgetest.Server, func() int) {
	t.Helper()
	var m *memory.Broker
	s := edgetest.Start(t, change, func(s *edgetest.Server) {
		m = edgetest.NewMemory(t, s, memory.Config{Rules: s.Config.History})
		s.SetBroker(m)
	})
	return s, func() int { return int(m.Stats().Rooms) }
}

// TestLookingBeginsNothing: only a join, which has to be able to resume, leaves something
// behind in a room in which nothing has been said.
func TestLookingBeginsNothing(t *testing.T) {
	t.Parallel()
	s, epochs := startCounted(t, nil)
	c := joinJSON(t, s, "/ws")
	for i, command := range []string{
		`"cmd":"history","room":"a"`,
		`"cmd":"history","room":"a","limit":1,"since":{"offset":0}`,
		`"cmd":"history","room":"a","since":{"epoch":"e","offset":7}`,
		`"cmd":"presence","room":"a"`,
	} {
		v := okOf(t, c.ask(fmt.Sprintf(`{"id":%d,%s}`, i+1, command)))
		if v["epoch"] != nil {
			t.Errorf("%s: %v", command, v)
		}
	}
	if _, err := s.History(t.Context(), "a", broker.Query{Limit: 1}); err != nil {
		t.Fatal(err)
	}
	if n := epochs(); n != 0 {
		t.Errorf("%d epochs were begun by looking", n)
	}
	joined := okOf(t, c.ask(`{"id":9,"cmd":"join","room":"a"}`))
	seen := okOf(t, c.ask(`{"id":10,"cmd":"history","room":"a"}`))
	if joined["epoch"] == nil || seen["epoch"] != joined["epoch"] || epochs() != 1 {
		t.Errorf("joined %v, then %v, %d epochs", joined, seen, epochs())
	}
}

// TestEpochsAreShares: each user, and the clients of one address that are none's, may have
// 100 begun; who has used that up is let in without a position.
func TestEpochsAreShares(t *testing.T) {
	t.Parallel()
	const most = 100
	s, epochs := startCounted(t, func(c *edge.Config) { withAuth(t, c); c.Anonymous, c.MaxRooms = true, 3 })
	visit := func(c *viewer, room string) (epoch any) {
		t.Helper()
		epoch = okOf(t, c.ask(fmt.Sprintf(`{"id":1,"cmd":"join","room":%q}`, room)))["epoch"]
		okOf(t, c.ask(fmt.Sprintf(`{"id":2,"cmd":"leave","room":%q}`, room)))
		return epoch
	}
	edgetest.PublishTo(t, s, "old", "x")
	begun := 1
	for name, query := range map[string]string{"anyone": "", "ann": "?token=" + testToken(t, "ann", nil)} {
		clients := []*viewer{joinJSON(t, s, "/ws"+query), joinJSON(t, s, "/ws"+query)}
		for i := range 2 * most {
			if visit(clients[i%2], "old") == nil { // it costs nothing
				t.Fatalf("%s, join %d: no position in a room that has one", name, i)
			}
		}
		for i := range most {
			if visit(clients[i%2], fmt.Sprintf("%s:%d", name, i)) == nil {
				t.Fatalf("%s: no position in new room %d", name, i)
			}
		}
		begun += most
		late := name + ":late"
		for _, c := range clients {
			if v := okOf(t, c.ask(fmt.Sprintf(`{"id":1,"cmd":"join","room":%q}`, late))); v["epoch"] != nil {
				t.Fatalf("%s: %v in a room beyond %d new ones", name, v, most)
			}
		}
		if n := epochs(); n != begun {
			t.Fatalf("%s: %d epochs, want %d", name, n, begun)
		}
		edgetest.PublishTo(t, s, late, "hello")
		for _, c := range clients {
			if v := c.push("message"); v["room"] != late || v["offset"] != 1.0 || v["epoch"] == nil {
				t.Errorf("%s: got %v", name, v)
			}
		}
		begun++
	}
}

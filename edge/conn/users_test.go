package conn

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"barrage/edge/presence"
)

// TestUserIndex: the table has what a map would have, however it grows and shrinks.
func TestUserIndex(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	b, model := NewUserIndex(), make(map[string]map[*Client]bool)
	var open []*Client
	check := func(user string) {
		t.Helper()
		seen := make(map[*Client]bool)
		for _, c := range b.Of(user) {
			seen[c] = true
		}
		if len(seen) != len(model[user]) || b.Count(user) != len(model[user]) {
			t.Fatalf("%s has %d connections, %d counted, want %d", user, len(seen), b.Count(user), len(model[user]))
		}
		for c := range seen {
			if !model[user][c] {
				t.Fatalf("%s has a connection of %s", user, c.User())
			}
		}
	}
	for _, bias := range []int{80, 20, 60, 0} { // per cent that come
		for range 20000 {
			if r.IntN(100) < bias {
				user := "u" + strconv.Itoa(r.IntN(5000))
				c := &Client{who: &presence.User{ID: user}}
				b.Add(c)
				open = append(open, c)
				if model[user] == nil {
					model[user] = make(map[*Client]bool)
				}
				model[user][c] = true
				check(user)
			} else if len(open) > 0 {
				i := r.IntN(len(open))
				c := open[i]
				open[i], open = open[len(open)-1], open[:len(open)-1]
				if b.replace(c, &presence.User{ID: c.User(), Name: "new"}, true); c.who.Name != "new" || !c.hidden {
					t.Fatal("not renamed")
				}
				b.Remove(c)
				delete(model[c.User()], c)
				check(c.User())
			}
		}
	}
	for _, c := range open {
		b.Remove(c)
	}
	i := 0
	for st := range b.stripes.All() {
		i++
		if st.n != 0 || len(st.heads) > chainLen {
			t.Errorf("stripe %d has %d clients and %d chains in the end", i, st.n, len(st.heads))
		}
	}
}

package replica

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"
)

type notice struct {
	Entry
	Change
}

// TestModel: notices are lost, late and out of order, also while the store is read,
// and the store goes back to what it was before. Once all books have synced they
// have what the store has, and have told exactly that; and a store that lost all
// has what the first of them had.
func TestModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := &memStore{}
		ctx := context.Background()
		books := []*follower{newFollower(t, s), newFollower(t, s), newFollower(t, s)}
		waiting := make([][]notice, len(books))
		var older []state
		hear := func(i int) {
			if len(waiting[i]) == 0 {
				return
			}
			n := rapid.IntRange(0, len(waiting[i])-1).Draw(r, "which")
			x := waiting[i][n]
			waiting[i] = append(waiting[i][:n:n], waiting[i][n+1:]...)
			if !rapid.Bool().Draw(r, "lost") {
				books[i].Heard(x.Entry, x.Change)
			}
		}
		book := func() int { return rapid.IntRange(0, len(books)-1).Draw(r, "book") }
		r.Repeat(map[string]func(*rapid.T){
			"put": func(*rapid.T) {
				older = append(older, s.now())
				e := Entry{Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "name")}
				if !rapid.Bool().Draw(r, "back") {
					e.Value = fmt.Sprint(len(older))
				}
				c, err := books[book()].Put(ctx, e)
				if err != nil {
					r.Fatal(err)
				}
				for i := range waiting {
					waiting[i] = append(waiting[i], notice{e, c})
				}
			},
			"hear": func(*rapid.T) { hear(book()) },
			"sync": func(*rapid.T) {
				i := book()
				s.onLoad = func() {
					for range rapid.IntRange(0, 2).Draw(r, "meanwhile") {
						hear(i)
					}
				}
				if err := books[i].Sync(ctx); err != nil {
					r.Fatal(err)
				}
				s.onLoad = nil
			},
			"go back": func(*rapid.T) {
				if len(older) > 0 {
					s.state = older[rapid.IntRange(max(0, len(older)-3), len(older)-1).Draw(r, "to")]
				}
			},
			"": func(*rapid.T) {
				for i, b := range books {
					if got := b.values(); !maps.Equal(got, b.told) {
						r.Fatalf("book %d has %v and told %v", i, got, b.told)
					}
				}
			},
		})
		before := s.now()
		for range 2 { // the first to find the store empty may not be the first to sync
			for _, b := range books {
				if err := b.Sync(ctx); err != nil {
					r.Fatal(err)
				}
			}
		}
		after := s.now()
		if before.version > 0 && !maps.Equal(before.values(), after.values()) {
			r.Fatalf("%v became %v by reading", before, after)
		}
		for i, b := range books {
			if got, want := b.values(), after.values(); !maps.Equal(got, want) || !b.Read() {
				r.Fatalf("book %d has %v, the store %v", i, got, want)
			}
		}
	})
}

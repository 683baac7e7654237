package fair

import (
	"math/rand/v2"
	"testing"
)

// take takes places one by one until there are none.
func takeAll(p *Places, o Owner) (n int64) {
	for p.Take(o, 1) {
		n++
	}
	return n
}

// TestHeldPlaces: whoever holds what they can, the next one finds some.
func TestHeldPlaces(t *testing.T) {
	p := NewPlaces(1200)
	flood := Owner{host(1), "ada"}
	if n := takeAll(p, flood); n < 300 || n > 400 {
		t.Errorf("one user took %d of 1200", n)
	}
	for i := range 1000 {
		takeAll(p, Owner{host(1), string(rune('a' + i))})
	}
	if p.Taken() < 500 || p.Taken() > 600 {
		t.Errorf("one address took %d of 1200", p.Taken())
	}
	for i := range 5 {
		free := 1200 - p.Taken()
		if n := takeAll(p, Owner{Address: host(2 + i)}); n < free/3-1 || n > free/2 {
			t.Errorf("address %d took %d of %d that were left", i, n, free)
		}
	}
	if p.Take(flood, 1) {
		t.Error("who has most got one more")
	}
	before := p.Taken()
	if p.Take(Owner{Address: host(99)}, 1200) || p.Taken() != before {
		t.Error("more than there are were taken, or a part of them")
	}
}

// TestPlacesGivenBack: nothing is kept of those who hold nothing.
func TestPlacesGivenBack(t *testing.T) {
	p := NewPlaces(10_000)
	r := rand.New(rand.NewPCG(1, 2))
	type held struct {
		o Owner
		n int64
	}
	var all []held
	for range 10_000 {
		if h := (held{Owner{host(r.IntN(100)), string(rune('a' + r.IntN(3)))}, 1 + r.Int64N(50)}); p.Take(h.o, h.n) {
			all = append(all, h)
		} else if len(all) > 0 {
			p.Give(all[0].o, all[0].n)
			all = all[1:]
		}
	}
	for _, h := range all {
		p.Give(h.o, h.n)
	}
	if p.Taken() != 0 || len(p.addresses) != 0 || len(p.owners) != 0 {
		t.Errorf("%d places are taken, of %d addresses and %d owners, though all were given back", p.Taken(), len(p.addresses), len(p.owners))
	}
}

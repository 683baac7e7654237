package fair

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// asker asks for slots, as many as it is given.
type asker struct {
	route   int // 1, 2, …
	user    string
	address string
	wants   int
	want    int // what it gets
}

func (a *asker) address4() netip.Addr {
	if a.address == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(a.address)
}

// TestShares: all ask in turn, one by one, until nobody gets any more.
func TestShares(t *testing.T) {
	const many = 1000
	for _, tt := range []struct {
		name   string
		routes int
		askers []asker
	}{
		{"a single route, nobody known", 1, []asker{{1, "", "", many, 256}}},
		{"a single route, one address", 1, []asker{{1, "", "10.0.0.1", many, 128}}},
		{"a single route, one user", 1, []asker{{1, "ann", "", many, 128}}},
		{"a user with two addresses", 1, []asker{{1, "ann", "10.0.0.1", many, 64}, {1, "ann", "10.0.0.2", many, 64}}},
		{"two users of an address", 1, []asker{{1, "ann", "10.0.0.1", many, 64}, {1, "bob", "10.0.0.1", many, 64}}},
		{"two addresses", 1, []asker{{1, "", "10.0.0.1", many, 86}, {1, "", "10.0.0.2", many, 85}}},
		{"and one who wants less", 1, []asker{{1, "", "10.0.0.1", many, 118}, {1, "", "10.0.0.2", 20, 20}}},
		{"two routes, one is asked", 2, []asker{{1, "", "10.0.0.1", many, 86}}},
		{"two routes", 2, []asker{{1, "", "10.0.0.1", many, 64}, {2, "", "10.0.0.2", many, 64}}},
		{"two routes, one address", 2, []asker{{1, "", "10.0.0.1", many, 64}, {2, "", "10.0.0.1", many, 64}}},
		{"slow and fast ones of an address", 2, []asker{{1, "", "10.0.0.1", many, 69}, {2, "", "10.0.0.1", 50, 50}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSlots[int](256, tt.routes)
			got := make([]int, len(tt.askers))
			for more := true; more; {
				more = false
				for i, a := range tt.askers {
					if got[i] < a.wants && s.Take(1, a.route, a.user, a.address4()) {
						got[i]++
						more = true
					}
				}
			}
			for i, a := range tt.askers {
				if got[i] != a.want {
					t.Errorf("asker %d got %d, want %d", i+1, got[i], a.want)
				}
			}
			for i, a := range tt.askers {
				for range got[i] {
					s.Give(1, a.route, a.user, a.address4())
				}
			}
			if s.used != 0 || len(s.taken) != 0 {
				t.Errorf("%d used, %d noted after all are given back", s.used, len(s.taken))
			}
		})
	}
}

// TestSlots: whoever comes and goes, the rule holds, by a list of all that is under way.
func TestSlots(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const most = 40
	s := NewSlots[int](most, 3)
	type taking struct{ n, route, user, address int }
	var held []taking
	count := func(f func(h taking) bool) (n int) {
		for _, h := range held {
			if f(h) {
				n += h.n
			}
		}
		return n
	}
	for range 100_000 {
		if len(held) > 0 && random.IntN(3) == 0 {
			i := random.IntN(len(held))
			h := held[i]
			held[i], held = held[len(held)-1], held[:len(held)-1]
			s.Give(h.n, h.route, fmt.Sprint(h.user), addressOf(h.address))
			continue
		}
		h := taking{1 + random.IntN(1+random.IntN(5)), random.IntN(3), random.IntN(6), random.IntN(4)}
		ofRoute := count(func(o taking) bool { return o.route == h.route })
		ofUser := count(func(o taking) bool { return o.route == h.route && o.user == h.user })
		ofAddress := count(func(o taking) bool { return o.route == h.route && o.address == h.address })
		free := most - count(func(taking) bool { return true })
		want := ofRoute+h.n <= free && max(ofUser, ofAddress)+h.n <= free-ofRoute
		if got := s.Take(h.n, h.route, fmt.Sprint(h.user), addressOf(h.address)); got != want {
			t.Fatalf("%+v with %d, %d, %d and %d of %d free: let in: %t", h, ofRoute, ofUser, ofAddress, free, most, got)
		}
		if want {
			held = append(held, h)
		}
	}
}

func addressOf(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }

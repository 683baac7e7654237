package fair

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func host(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }

// An item of the model knows who pays.
type item struct {
	class Class
	payer Payer
	cost  int64
}

// served adds up what was taken of a queue, by whatever of the payer it is asked for.
type served map[any]float64

// TestMaxMin has random demands waiting, serves a part of them, and compares what
// everybody got with the shares that water would fill: at each of the three levels
// nobody is further off than two largest items.
func TestMaxMin(t *testing.T) {
	const largest = 100
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		weights := []int{1, 2, 8}
		q := New[item](1<<20, weights...)
		demand := map[any]float64{}
		for range 200 + r.IntN(2000) {
			c := Class(r.IntN(3))
			a := host(r.IntN(1 + r.IntN(6)))
			it := item{c, Payer{a, uint64(r.IntN(1 + r.IntN(5)))}, 1 + r.Int64N(largest)}
			said := it.cost // or found out afterwards, as for answers
			if r.IntN(2) == 0 {
				said = 1
			}
			if !q.Add(it.class, it.payer, said, it) {
				t.Fatal("there was a place")
			}
			demand[it.class] += float64(it.cost)
			demand[[2]any{it.class, it.payer.Address}] += float64(it.cost)
			demand[[2]any{it.class, it.payer}] += float64(it.cost)
			demand["all"] += float64(it.cost)
		}
		got := served{}
		for until := demand["all"] * (0.1 + 0.8*r.Float64()); got["all"] < until; {
			f := q.head()
			claimed := f.items[0].cost
			it, ticket, _ := q.Next()
			q.Settle(ticket, it.cost-claimed)
			got["all"] += float64(it.cost)
			got[it.class] += float64(it.cost)
			got[[2]any{it.class, it.payer.Address}] += float64(it.cost)
			got[[2]any{it.class, it.payer}] += float64(it.cost)
		}
		check := func(level string, total float64, keys []any, weight func(any) float64) {
			t.Helper()
			for key, share := range fill(total, keys, demand, weight) {
				if off := (got[key] - share) / weight(key); off > 2*largest || off < -2*largest {
					t.Fatalf("seed %d, %s: %v got %.0f, its share is %.0f", seed, level, key, got[key], share)
				}
			}
		}
		one := func(any) float64 { return 1 }
		check("classes", got["all"], keysOf(demand, func(k any) bool { _, ok := k.(Class); return ok }), func(k any) float64 { return float64(weights[k.(Class)]) })
		for c := range Class(3) {
			of := keysOf(demand, func(k any) bool { p, ok := k.([2]any); return ok && p[0] == c && isAddress(p[1]) })
			check("addresses", got[c], of, one)
			for _, a := range of {
				check("connections", got[a], keysOf(demand, func(k any) bool {
					p, ok := k.([2]any)
					return ok && p[0] == c && !isAddress(p[1]) && p[1].(Payer).Address == a.([2]any)[1]
				}), one)
			}
		}
	}
}

func isAddress(v any) bool { _, ok := v.(netip.Addr); return ok }

func keysOf(m map[any]float64, want func(any) bool) (keys []any) {
	for k := range m {
		if want(k) {
			keys = append(keys, k)
		}
	}
	return keys
}

// fill is the max-min fair division of a total: whoever wants less than their weight's
// part of what is left gets that, and the others share the rest.
func fill(total float64, keys []any, demand map[any]float64, weight func(any) float64) map[any]float64 {
	share := map[any]float64{}
	left := slices.Clone(keys)
	for len(left) > 0 {
		sum := 0.0
		for _, k := range left {
			sum += weight(k)
		}
		level := total / sum
		rest := left[:0:0]
		for _, k := range left {
			if demand[k] <= level*weight(k) {
				share[k] = demand[k]
			} else {
				rest = append(rest, k)
			}
		}
		if len(rest) == len(left) {
			for _, k := range left {
				share[k] = level * weight(k)
			}
			return share
		}
		for _, k := range left {
			if _, done := share[k]; done && !slices.Contains(rest, k) {
				total -= share[k]
			}
		}
		left = rest
	}
	return share
}

// TestComingBack: who has been served beyond their share and goes away for a moment
// waits as if they had stayed.
func TestComingBack(t *testing.T) {
	q := New[string](100, 1)
	a, b := Payer{host(1), 1}, Payer{host(2), 2}
	q.Add(0, b, 1, "b")
	q.Add(0, a, 1, "a")
	for range 2 {
		it, ticket, _ := q.Next()
		if it == "b" {
			q.Add(0, b, 1, "b") // it always has something waiting
			q.Settle(ticket, 0)
			continue
		}
		q.Settle(ticket, 9)
	}
	q.Add(0, a, 1, "a")
	for i := range 9 {
		it, ticket, _ := q.Next()
		if it == "a" {
			t.Fatalf("turn %d was a's, who has had 10 to b's %d", i, i+1)
		}
		q.Add(0, b, 1, "b")
		q.Settle(ticket, 0)
	}
}

// TestPlaces: who floods leaves places to those who have none.
func TestPlaces(t *testing.T) {
	q := New[int](1000, 1)
	flood := func(p Payer) (n int) {
		for q.Add(0, p, 1, 0) {
			n++
		}
		return n
	}
	if n := flood(Payer{host(1), 1}); n > 334 {
		t.Errorf("one connection took %d of 1000 places", n)
	}
	for i := range uint64(100) {
		flood(Payer{host(1), i})
	}
	if q.Len() > 500 {
		t.Errorf("one address took %d of 1000 places", q.Len())
	}
	for i := range 9 { // however many flood
		free := 1000 - q.Len()
		if n := flood(Payer{host(2 + i), 7}); n == 0 || n > free/2+1 {
			t.Errorf("address %d took %d of %d places left", i, n, free)
		}
	}
}

// TestPlacesForAll: however many addresses take all that they may, one that has nothing
// waiting finds a place, and the number of all has a bound.
func TestPlacesForAll(t *testing.T) {
	q := New[int](1000, 1)
	for i := range 900 {
		for q.Add(0, Payer{host(i), 1}, 1, 0) {
		}
	}
	if !q.Add(0, Payer{host(1000), 1}, 1, 0) {
		t.Error("an address that has nothing waiting finds no place")
	}
	if q.Add(0, Payer{host(1000), 2}, 1, 0) {
		t.Error("there is a second place for it")
	}
	for i := range 5000 {
		q.Add(0, Payer{host(2000 + i), 1}, 1, 0)
	}
	if q.Len() != 2000 {
		t.Errorf("%d wait, in 1000 places and as many again", q.Len())
	}
}

// TestPlacesOfAnAddress: connections behind one address leave places to each other.
func TestPlacesOfAnAddress(t *testing.T) {
	q := New[int](1000, 1)
	for q.Add(0, Payer{host(1), 1}, 1, 0) {
	}
	if !q.Add(0, Payer{host(2), 1}, 1, 0) {
		t.Error("another address finds no place")
	}
	q = New[int](1000, 1)
	for range 200 {
		q.Add(0, Payer{host(1), 1}, 1, 0)
	}
	if !q.Add(0, Payer{host(1), 2}, 1, 0) {
		t.Error("another connection of the address finds no place")
	}
}

// TestForgets: nothing is kept of those who are gone.
func TestForgets(t *testing.T) {
	q := New[int](1<<20, 1, 3)
	r := rand.New(rand.NewPCG(1, 2))
	var under []Ticket[int]
	for range 100_000 {
		switch {
		case r.IntN(2) == 0:
			q.Add(Class(r.IntN(2)), Payer{host(r.IntN(1000)), r.Uint64N(3)}, 1, 0)
		case len(under) > 0 && r.IntN(2) == 0:
			q.Settle(under[0], r.Int64N(100))
			under = under[1:]
		default:
			if _, ticket, ok := q.Next(); ok {
				under = append(under, ticket)
			}
		}
	}
	for {
		_, ticket, ok := q.Next()
		if !ok {
			break
		}
		q.Settle(ticket, 5)
	}
	for _, ticket := range under {
		q.Settle(ticket, 1)
	}
	for i, c := range q.classes {
		if len(c.flows) != 0 || len(c.ready)+len(c.ahead) != 0 {
			t.Errorf("class %d keeps %d flows, %d in its heaps", i, len(c.flows), len(c.ready)+len(c.ahead))
		}
	}
}

// TestSmallFirst: a small item of who has had nothing waits for no large ones of others who
// have had nothing either, but an endless row of small ones starves nobody.
func TestSmallFirst(t *testing.T) {
	q := New[string](1000, 1)
	for i := range 100 {
		q.Add(0, Payer{host(i), 1}, 1000, "large")
	}
	q.Add(0, Payer{host(200), 1}, 10, "small")
	take := func() string {
		it, ticket, _ := q.Next()
		q.Settle(ticket, 0)
		return it
	}
	if got := take(); got != "small" {
		t.Errorf("first comes the %s one", got)
	}
	large := 0
	for i := range 1000 {
		q.Add(0, Payer{host(300 + i), 1}, 10, "small")
		if take() == "large" {
			large++
		}
	}
	if large < 50 {
		t.Errorf("%d large ones had their turn among 1,000 small ones", large)
	}
}

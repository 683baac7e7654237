// What workers may hold of a node, and who has it.

package requests

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"barrage/edge/events"
	"barrage/internal/bounds"
	"barrage/internal/fair"
)

func holder(user string, host byte) Who {
	return Who{User: user, Address: netip.AddrFrom4([4]byte{192, 0, 2, host})}
}

// serveAll makes workers of one who until one is refused, and returns them.
func serveAll(x *Exchange, who Who, patterns func(i int) []string, why error) (all []*Worker, err error) {
	for i := 0; ; i++ {
		w, err := x.Serve(nil, who, &socket{}, patterns(i), 1)
		if errors.Is(err, why) {
			return all, nil
		}
		if err != nil || i > bounds.Workers {
			return all, fmt.Errorf("number %d: %v", i, err)
		}
		all = append(all, w)
	}
}

// TestWorkersHaveShares: nobody takes so many places of workers, or serves so many methods,
// that the next one finds none.
func TestWorkersHaveShares(t *testing.T) {
	for _, tt := range []struct {
		what, counter string
		most          int
		patterns      func(user string) func(int) []string
		err           error
	}{
		{"workers", "workers", bounds.Workers, func(string) func(int) []string { return func(int) []string { return []string{"m"} } }, errWorkers},
		{"methods", "methods", bounds.WorkerPatterns, func(user string) func(int) []string {
			return func(i int) []string { return []string{fmt.Sprint(user, ".", i, "*")} }
		}, errManyMethods},
	} {
		x := newWire(1).nodes[0]
		all, err := serveAll(x, holder("ann", 1), tt.patterns("ann"), tt.err)
		if err != nil || len(all) != (tt.most+2)/3 {
			t.Fatalf("one user has %d %s of %d, %v", len(all), tt.what, tt.most, err)
		}
		for i := range 300 { // of the same address
			user := fmt.Sprint("u", i)
			if _, err := serveAll(x, holder(user, 1), tt.patterns(user), tt.err); err != nil {
				t.Fatal(err)
			}
		}
		if n := int(map[string]*fair.Places{"workers": x.places, "methods": x.served}[tt.what].Taken()); n > tt.most/2+1 {
			t.Errorf("one address has %d %s of %d", n, tt.what, tt.most)
		}
		if others, err := serveAll(x, holder("bob", 2), tt.patterns("bob"), tt.err); err != nil || len(others) < tt.most/7 {
			t.Errorf("another has %d %s, %v", len(others), tt.what, err)
		}
		if n := x.Stats().TurnedAway[tt.counter]; n != 302 {
			t.Errorf("%d are counted as turned away", n)
		}
		for _, w := range all {
			w.Close()
		}
		if again, err := serveAll(x, holder("ann", 1), tt.patterns("ann"), tt.err); err != nil || len(again) == 0 {
			t.Errorf("when they have gone, %d find a place, %v", len(again), err)
		}
	}
}

// TestMethodsInTurn: who has served others before is at no bound of its own making, what is
// known of them is bounded, and the oldest go.
func TestMethodsInTurn(t *testing.T) {
	x := newWire(1).nodes[0]
	var w *Worker
	var err error
	for i := range 2 * bounds.MethodsKnown {
		if w, err = x.Serve(w, holder("ann", 1), &socket{}, []string{fmt.Sprint("a", i), fmt.Sprint("b", i, "*")}, 1); err != nil {
			t.Fatal(err)
		}
		if known := x.Stats().Known; known > bounds.MethodsKnown+2 {
			t.Fatalf("%d methods are known", known)
		}
	}
	wantCode(t, ask(x, of(fmt.Sprint("a", 2*bounds.MethodsKnown-2))), "unavailable")
	wantCode(t, ask(x, of("a0")), events.CodeUnknownMethod)
	w.Close()
	x.do(func() { x.lookLocked(time.Now().Add(bounds.MethodLinger + time.Second)) })
	if len(x.methods)+len(x.patterns)+len(x.idle) != 0 || x.served.Taken()+x.places.Taken() != 0 {
		t.Errorf("%d methods, %d patterns, %d idle ones are kept; %d are served", len(x.methods), len(x.patterns), len(x.idle), x.served.Taken())
	}
}

// TestServedModel: whatever workers do, what is served is what has workers, each in the share of
// one of these, and patterns stand in their order.
func TestServedModel(t *testing.T) {
	x, r := newWire(1).nodes[0], rand.New(rand.NewPCG(1, 2))
	var workers []*Worker
	for range 3000 {
		i := r.IntN(len(workers) + 1)
		switch {
		case i == len(workers) || r.IntN(3) > 0:
			var before *Worker
			who := holder(fmt.Sprint(r.IntN(3)), byte(r.IntN(3)))
			if i < len(workers) {
				before = workers[i]
			}
			var patterns []string
			for p := range 8 {
				if r.IntN(3) == 0 {
					patterns = append(patterns, fmt.Sprint("m", p, []string{"", "*"}[p%2]))
				}
			}
			w, err := x.Serve(before, who, &socket{}, patterns, 1)
			if err != nil {
				t.Fatal(err)
			}
			if before == nil {
				workers = append(workers, w)
			}
		default:
			workers[i].Close()
			workers[i].Close() // which is harmless
			workers = append(workers[:i], workers[i+1:]...)
		}
		want, patterns := map[fair.Owner]int64{}, 0
		for _, m := range x.methods {
			if len(m.workers) > 0 {
				want[m.workers[0].owner()]++
			}
			if m.pattern[len(m.pattern)-1] == '*' {
				patterns++
			}
		}
		for o, n := range want {
			x.served.Give(o, n)
		}
		for i := range 9 {
			who := holder(fmt.Sprint(i%3), byte(i/3))
			if o := who.owner(); !x.served.Fits(o, bounds.WorkerPatterns) || x.served.Fits(o, bounds.WorkerPatterns+1) {
				t.Fatalf("%v has other than %d", o, want[o])
			}
		}
		if patterns != len(x.patterns) || len(workers) != len(x.workers) {
			t.Fatalf("%d patterns of %d, %d workers of %d", len(x.patterns), patterns, len(x.workers), len(workers))
		}
		for o, n := range want {
			x.served.Add(o, n)
		}
	}
}

// TestList: a node's workers, the busiest first, and what others' serve.
func TestList(t *testing.T) {
	w := newWire(2)
	serve(t, w.nodes[0], 4, "idle")
	serve(t, w.nodes[0], 2, "m", "n*")
	serve(t, w.nodes[1], 3, "far")
	w.settle(time.Now())
	ask(w.nodes[0], of("m"))
	here, total, elsewhere := w.nodes[0].List(1)
	if len(here) != 1 || total != 2 || here[0].Busy != 1 || here[0].Limit != 2 || fmt.Sprint(here[0].Methods) != "[m n*]" {
		t.Errorf("%+v of %d", here, total)
	}
	if len(elsewhere) != 1 || elsewhere[0] != (Offered{"n1", "far", 0, 3}) {
		t.Errorf("elsewhere %+v", elsewhere)
	}
}

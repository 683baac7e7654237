package workers

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/fair"
)

func payer(host byte, conn uint64) fair.Payer {
	return fair.Payer{Address: netip.AddrFrom4([4]byte{10, 0, 0, host}), Conn: conn}
}

// TestTurns: one address asks for a thousand things first; another's and another class's
// come in turn, not behind them.
func TestTurns(t *testing.T) {
	p := New(1, 0, 1, 8)
	defer p.Close()
	hold, started := make(chan struct{}), make(chan struct{})
	p.Try(0, payer(9, 9), func(context.Context) int { close(started); <-hold; return 0 })
	<-started
	var order []string // the worker's, then ours
	var wg sync.WaitGroup
	add := func(c fair.Class, who fair.Payer, name string) {
		wg.Add(1)
		if !p.Try(c, who, func(context.Context) int { order = append(order, name); wg.Done(); return 0 }) {
			t.Fatal("no place")
		}
	}
	for i := range 1000 {
		add(0, payer(1, uint64(i)), "flood")
	}
	add(0, payer(2, 1), "other")
	add(1, payer(3, 1), "join")
	if p.Waiting(0) != 1001 || p.Waiting(1) != 1 {
		t.Errorf("%d and %d wait", p.Waiting(0), p.Waiting(1))
	}
	close(hold)
	wg.Wait()
	for i, name := range order[4:] {
		if name != "flood" {
			t.Errorf("%q had to wait for %d others", name, i+4)
		}
	}
}

// TestRate: what answers have beyond the rate is waited for by those who come next, and
// Close does not wait for it.
func TestRate(t *testing.T) {
	p := New(2, 1000, 1)
	made := make(chan struct{})
	make1 := func(host byte) {
		p.Try(0, payer(host, 1), func(context.Context) int {
			p.Make(0, payer(host, 1), 1<<20, func() (own, all int) { made <- struct{}{}; return 1 << 32, 1 << 32 })
			return 0
		})
	}
	make1(1)
	<-made
	for paid := false; !paid; {
		p.gate.mu.Lock()
		paid = time.Until(p.gate.paid) > time.Hour
		p.gate.mu.Unlock()
	}
	make1(2)
	for waits := false; !waits; {
		p.gate.mu.Lock()
		waits = p.gate.queue.Len() == 1
		p.gate.mu.Unlock()
	}
	// A small one waits for nobody, and not behind the large one.
	small := make(chan struct{})
	p.Make(0, payer(3, 1), 100, func() (own, all int) { close(small); return 100, 100 })
	<-small
	select {
	case <-made:
		t.Error("an answer was made before the rate allows it")
	default:
	}
	go func() { <-made }() // ends with the next, which Close lets in
	p.Close()
}

// TestGate: of those that have read all they need, joins make their answers first, and
// who has had none before who has had some; not in the order in which they were read.
func TestGate(t *testing.T) {
	g := newGate(0, []int{1, 8})
	g.free = 1
	var done sync.WaitGroup
	began, hold := make(chan struct{}), make(chan struct{})
	g.enter(0, payer(9, 9), &entrant{0, func() (own, all int) { close(began); <-hold; return 0, 0 }})
	<-began
	var order []string // of who has the gate
	const size = 400 << 10
	add := func(c fair.Class, who fair.Payer, name string) {
		done.Add(1)
		if !g.enter(c, who, &entrant{size, func() (own, all int) { order = append(order, name); done.Done(); return size, size }}) {
			t.Fatal("no place")
		}
	}
	for i := range 50 {
		add(0, payer(1, uint64(i)), "flood")
	}
	add(0, payer(2, 1), "other")
	add(1, payer(3, 1), "join")
	close(hold)
	done.Wait()
	for i, name := range order[4:] {
		if name != "flood" {
			t.Errorf("%q had to wait for %d others", name, i+4)
		}
	}
}

// TestGateIsBounded: what is read and not made yet has a bound in bytes, which small answers
// do not wait for; and of answers nobody waits for, nothing stays.
func TestGateIsBounded(t *testing.T) {
	g := newGate(0, []int{1})
	g.free = 0
	enter := func(host byte, size int) bool {
		return g.enter(0, payer(host, 1), &entrant{size, func() (own, all int) { return size, size }})
	}
	const size = 512 << 10
	for i := range bounds.AnswersWaiting / size {
		if !enter(byte(i), size) {
			t.Fatalf("no place for answer %d", i+1)
		}
	}
	if g.reserve(1) || enter(100, SmallAnswer+1) || !enter(101, SmallAnswer) {
		t.Error("who has no place")
	}
	g.close()
	if g.held != 0 || !g.reserve(size) || !enter(102, size) {
		t.Errorf("%d bytes are held", g.held)
	}
}

// TestTooLate: a task that waited for as long as it may is run without any time left.
func TestTooLate(t *testing.T) {
	p := New(1, 0, 1)
	defer p.Close()
	late := make(chan error)
	p.Try(0, payer(1, 1), func(ctx context.Context) int { <-ctx.Done(); return 0 })
	p.Try(0, payer(1, 1), func(ctx context.Context) int { <-ctx.Done(); late <- ctx.Err(); return 0 })
	if err := <-late; err != context.DeadlineExceeded {
		t.Error(err)
	}
}

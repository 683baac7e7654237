package workers

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

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
	done := make(chan struct{})
	p.Try(0, payer(1, 1), func(context.Context) int { close(done); return 1 << 32 })
	<-done
	for paid := false; !paid; {
		p.mu.Lock()
		paid = time.Until(p.paid) > time.Hour
		p.mu.Unlock()
	}
	p.Try(0, payer(2, 1), func(context.Context) int { t.Error("it was run before the rate allows it"); return 0 })
	p.Close()
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

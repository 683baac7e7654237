package conn

import (
	"math"
	"testing"
	"time"
)

// TestRate: what is taken at once costs as much as one by one.
func TestRate(t *testing.T) {
	r := NewRate(10, 5)
	tat := time.Duration(0)
	if !r.Take(&tat, 0, 3) || r.Take(&tat, 0, 3) || !r.Take(&tat, 0, 2) || r.Take(&tat, 0, 1) {
		t.Error("a burst of 5 is not 3 and 2")
	}
	if w := r.Wait(tat, 0, 2); w != 200*time.Millisecond {
		t.Errorf("two more are to come after %v", w)
	}
	if !r.Take(&tat, 200*time.Millisecond, 2) || r.Take(&tat, 200*time.Millisecond, 1) {
		t.Error("they do not come then")
	}
	if (Rate{}).Take(&tat, time.Hour, 1) {
		t.Error("a rate of 0 allows something")
	}
}

// TestSpend: what costs more than a message is had once there is room for one, and then
// there is none for so much longer; what costs less counts as one.
func TestSpend(t *testing.T) {
	r := NewRate(10, 5)
	tat := time.Duration(0)
	if !r.Spend(&tat, 0, time.Second) || r.Spend(&tat, 0, 0) {
		t.Error("a burst of 5 messages has room for more than one of 10 messages' cost")
	}
	if w := r.Wait(tat, 0, 1); w != 600*time.Millisecond {
		t.Errorf("the next is to come after %v", w)
	}
	if !r.Spend(&tat, 600*time.Millisecond, time.Millisecond) || r.Spend(&tat, 600*time.Millisecond, 0) {
		t.Error("it does not come then, or another with it")
	}
	if (Rate{}).Spend(&tat, time.Hour, 0) {
		t.Error("a rate of 0 allows something")
	}
}

// TestOverrun: refusals are counted far enough for every burst that can be set.
func TestOverrun(t *testing.T) {
	for _, limit := range []int{100, 5 * 13_107, 5_000_000} {
		ses := new(session)
		n := 0
		for ; !ses.overrun(1, limit); n++ {
			if n > math.MaxUint16 {
				t.Fatalf("limit %d: never a flood", limit)
			}
		}
		if want := min(limit, math.MaxUint16-1); n != want {
			t.Errorf("limit %d: a flood after %d", limit, n)
		}
		for ses.refused = math.MaxUint16; ses.refused > 0; {
			before := ses.refused
			if ses.forgive(); ses.refused >= before {
				t.Fatalf("%d refusals are forgiven to %d", before, ses.refused)
			}
		}
	}
}

// TestRenewingCostsNothing: a client has one time at which it must go, however often
// that is put off, and none once it is gone.
func TestRenewingCostsNothing(t *testing.T) {
	var h expiries
	a, b := &Client{expiry: -1}, &Client{expiry: -1}
	h.set(b, 0, time.Hour)
	for i := range 50 {
		h.set(a, 0, time.Duration(1+i%7)*time.Hour/2)
	}
	if len(h) != 2 || h[0].c != a || h[0].at != time.Hour/2 {
		t.Errorf("%d times for two clients, the first %v", len(h), h[0].at)
	}
	h.clear(a)
	h.clear(a)
	if len(h) != 1 || h[0].c != b {
		t.Errorf("%d times for one client", len(h))
	}
	h.clear(b)
	if len(h) != 0 {
		t.Errorf("%d times for no client", len(h))
	}
}

// TestExpiriesInOrder: the heap ends each at its time, whatever was renewed.
func TestExpiriesInOrder(t *testing.T) {
	var h expiries
	var cs []*Client
	for i := range 100 {
		c := &Client{expiry: -1, Serial: uint64(i)}
		cs = append(cs, c)
		h.set(c, 0, time.Duration(i*37%100)*time.Hour)
	}
	for i, c := range cs {
		switch i % 3 {
		case 0:
			h.set(c, 0, time.Duration(i*53%100)*time.Hour)
		case 1:
			h.clear(c)
			h.clear(c)
		}
	}
	for i, e := range h {
		if int(e.c.expiry) != i || i > 0 && h[(i-1)/2].at > e.at {
			t.Fatalf("at %d is %+v", i, e)
		}
	}
	if len(h) != 67 {
		t.Errorf("%d are left", len(h))
	}
}

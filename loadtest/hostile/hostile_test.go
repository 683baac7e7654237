package hostile

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/loadtest/tally"
)

// TestAttacks: each entry has what the table and the test need of it.
func TestAttacks(t *testing.T) {
	who := []string{"anyone", "a user", "a back end", "a node", "an operator"}
	names := map[string]bool{}
	for _, a := range Attacks() {
		if a.Name == "" || names[a.Name] || Find(a.Name) != a {
			t.Errorf("the name %q is not one attack's", a.Name)
		}
		names[a.Name] = true
		if !slices.Contains(who, a.Who) || a.About == "" || strings.ContainsAny(a.About, "|\n") {
			t.Errorf("%s: who %q, about %q", a.Name, a.Who, a.About)
		}
		if len(a.Sizes) == 0 || a.Short == 0 || a.Short > slices.Max(a.Sizes) || a.Memory == 0 || a.Run == nil {
			t.Errorf("%s: sizes %v, short %d, memory %d", a.Name, a.Sizes, a.Short, a.Memory)
		}
		if a.Far > 0 && !a.Redis {
			t.Errorf("%s: Redis is far, and there is none", a.Name)
		}
	}
	if Find("no such attack") != nil {
		t.Error("an attack of no such name")
	}
}

// TestVerdicts: each way to harm the honest is one.
func TestVerdicts(t *testing.T) {
	a := &Attack{Memory: 10}
	good := func() *Result {
		return &Result{Quiet: 20 * time.Millisecond, Under: 60 * time.Millisecond, Join: time.Second, Visits: 1, RSS: (50 + memoryAtRest + 10) << 20, Before: 50 << 20}
	}
	all := func(r *Result) []string { return slices.Concat(r.Harm(), r.Late(), r.Large(a)) }
	if wrong := all(good()); len(wrong) > 0 {
		t.Errorf("%q", wrong)
	}
	for want, change := range map[string]func(*Result){
		"p95":           func(r *Result) { r.Under += time.Millisecond },
		"join took":     func(r *Result) { r.Join += time.Millisecond },
		"no guest":      func(r *Result) { r.Visits = 0 },
		"lost: mail":    func(r *Result) { r.Lost = []string{"mail"} },
		"refused: join": func(r *Result) { r.Refused = []string{"join"} },
		"grew":          func(r *Result) { r.Problems = []string{"Redis grew"} },
		"156 MiB":       func(r *Result) { r.RSS += 1 },
	} {
		r := good()
		change(r)
		if wrong := all(r); len(wrong) != 1 || !strings.Contains(wrong[0], want) {
			t.Errorf("%q instead of %q", wrong, want)
		}
	}
	r := good()
	r.takes("", &seen{latency: tally.NewHistogram(), counts: tally.Counts{Expected: 9, Missing: 1, Duplicated: 2}, closed: 3}, &visited{
		refused: map[string]int{"join: overloaded": 4}, lost: map[string]int{"idempotency key": 5},
	})
	if wrong := r.Harm(); len(wrong) != 5 {
		t.Errorf("%q", wrong)
	}
	if good().Starved() || (&Result{Used: 0.2, Waited: 0.3}).Starved() || !(&Result{Used: 0.2, Waited: 0.3, Others: 0.5}).Starved() {
		t.Error("who is starved")
	}
}

// TestFar: what goes through a long wire comes whole, and not before its time.
func TestFar(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // ends with the wire: an echo
		c, err := l.Accept()
		if err == nil {
			_, _ = io.Copy(c, c)
			c.Close()
		}
	}()
	const there = 40 * time.Millisecond
	f, err := NewFar(l.Addr().String(), there)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", f.Addr())
	if err != nil {
		t.Fatal(err)
	}
	sent := bytes.Repeat([]byte("0123456789"), 100_000)
	began := time.Now()
	go func() { _, _ = c.Write(sent) }() // what comes back is compared
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes came back, %v", len(got), err)
	}
	if took := time.Since(began); took < there {
		t.Errorf("it was back after %v", took)
	}
	f.Close()
	if n, err := c.Read(got); err == nil {
		t.Errorf("read %d bytes of a wire that is cut", n)
	}
	c.Close()
}

// TestServe: attackers in a process of their own are told what to do and tell what
// came of it.
func TestServe(t *testing.T) {
	var out bytes.Buffer
	if err := Serve(t.Context(), strings.NewReader(`{"Attack":"comings","Size":0}`), &out); err != nil {
		t.Fatal(err)
	}
	var o Outcome
	if err := json.Unmarshal(out.Bytes(), &o); err != nil || o.In != 0 {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := Serve(t.Context(), strings.NewReader(`{"Attack":"peace"}`), &out); err == nil || !strings.Contains(err.Error(), `"peace"`) {
		t.Errorf("got %v", err)
	}
}

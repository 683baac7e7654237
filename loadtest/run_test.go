// Whole tests, of a server that does what it should or does not.

package loadtest

import (
	"context"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"barrage/loadtest/assert"
	"barrage/loadtest/plan"
	"barrage/loadtest/report"
)

// TestMain has many tests wait at the same time: it is what they mostly do.
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "8")
	os.Exit(m.Run())
}

// small is a plan of 20 viewers in one room who get 50 messages, over half a
// second.
func small(f *faulty) plan.Plan {
	return plan.Plan{
		Name: "test", URLs: []string{"ws" + strings.TrimPrefix(f.URL, "http") + "/ws?room={room}"},
		Stamp: "search", Publish: plan.PublishHTTP, PublishURL: f.URL + "/pub?room={room}", PublishMethod: "POST",
		PublishBody: "{payload}", Publishers: 1, SendText: "{payload}",
		Connections: 20, Inflight: 8, Rooms: 1, Room: "r{n}", Rate: 100, Size: 64,
		Duration: 500 * time.Millisecond, Drain: 3 * time.Second, Settle: time.Millisecond, Late: time.Second, SlowRate: 1 << 20,
	}
}

func run(t *testing.T, p plan.Plan) *report.Report {
	t.Helper()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	r, err := Run(context.Background(), Options{Plan: p})
	if err != nil {
		t.Fatal(err)
	}
	if m := &r.Messages; m.Expected != m.Delivered+m.Missing {
		t.Errorf("expected %d, but delivered %d and missing %d", m.Expected, m.Delivered, m.Missing)
	}
	return r
}

func TestHonest(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, func(int) fate { return deliver })
	m := run(t, small(f)).Messages
	if m.Offered != 50 || m.Published != 50 || m.Expected != 1000 || m.Delivered != 1000 ||
		m.Duplicated+m.OutOfOrder+m.Misrouted+m.Missing != 0 {
		t.Errorf("%+v", m)
	}
}

// TestFind: a trial knows the server, so that an SLO may speak of it.
func TestFind(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, func(int) fate { return deliver })
	slo, err := assert.ParseSLO("missing=0,server_cpu=1000000", report.Names())
	if err != nil {
		t.Fatal(err)
	}
	p := small(f)
	r, err := Run(context.Background(), Options{
		Plan: p, PIDs: []int{os.Getpid()}, Find: &Search{What: FindRate, SLO: slo, Max: p.Rate},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Find.Capacity != p.Rate || len(r.Find.Steps) != 1 || !r.Find.Steps[0].OK {
		t.Errorf("%+v", r.Find)
	}
}

// TestFaults: each kind of fault is found, and counted exactly.
func TestFaults(t *testing.T) {
	every := func(k int, what fate) func(int) fate {
		return func(n int) fate {
			if n%k == 0 {
				return what
			}
			return deliver
		}
	}
	for name, c := range map[string]struct {
		fate  func(int) fate
		count func(*report.Messages) uint64
		per   int // of each member's 50 messages
	}{
		"drop":       {every(5, drop), func(m *report.Messages) uint64 { return m.Missing }, 10},
		"drop last":  {every(50, drop), func(m *report.Messages) uint64 { return m.Missing }, 1},
		"drop first": {func(n int) fate { return map[bool]fate{true: drop}[n < 4] }, func(m *report.Messages) uint64 { return m.Missing }, 3},
		"drop all":   {every(1, drop), func(m *report.Messages) uint64 { return m.Missing }, 50},
		"repeat":     {every(7, repeat), func(m *report.Messages) uint64 { return m.Duplicated }, 7},
		"reorder":    {every(9, postpone), func(m *report.Messages) uint64 { return m.OutOfOrder }, 5},
		"misroute":   {every(10, misroute), func(m *report.Messages) uint64 { return m.Misrouted }, 5},
		"delay":      {every(50, tarry), func(m *report.Messages) uint64 { return m.Late }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t, c.fate)
			p := small(f)
			if name == "delay" {
				// Only what tarries may be late, however slow this machine is: the
				// exact number is the server's.
				p.Late = tarryTime - 10*time.Millisecond
			}
			r := run(t, p)
			m := &r.Messages
			want := uint64(c.per * p.Connections)
			if got := c.count(m); name == "delay" && got < want || name != "delay" && got != want {
				t.Errorf("found %d, want %d: %+v", got, want, m.Counts)
			}
			others := m.Missing + m.Duplicated + m.OutOfOrder + m.Misrouted
			switch name {
			case "delay":
				want = 0
			case "misroute":
				want *= 2 // in the wrong room, and so missing in the right one
			}
			if others != want {
				t.Errorf("other faults found that were not there: %+v", m.Counts)
			}
		})
	}
}

func TestServerCloses(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, func(n int) fate {
		if n == 11 {
			return hangUp
		}
		return deliver
	})
	r := run(t, small(f))
	if n := r.Connections.ClosedBy["4321 go away"]; n != 20 || r.Connections.Closed != 20 {
		t.Errorf("closed by %v", r.Connections.ClosedBy)
	}
	if m := r.Messages; m.Delivered != 200 || m.Missing != 800 {
		t.Errorf("a closed viewer's messages are still expected: %+v", m.Counts)
	}
}

func TestServerResets(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, func(n int) fate {
		if n == 50 {
			return kill
		}
		return deliver
	})
	r := run(t, small(f))
	if n := r.Connections.ClosedBy["peer_reset"]; n != 20 {
		t.Errorf("closed by %v", r.Connections.ClosedBy)
	}
	if r.Messages.Missing != 20 {
		t.Errorf("%+v", r.Messages.Counts)
	}
}

func TestServerRefuses(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, func(int) fate { return deliver })
	f.refuse = func(nth int) int {
		if nth%4 == 0 {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	r := run(t, small(f))
	address := strings.TrimPrefix(f.URL, "http://")
	if n := r.Connections.Failures[address+": HTTP/1.1 503 Service Unavailable: the house is full"]; n != 5 {
		t.Errorf("failures: %v", r.Connections.Failures)
	}
	if r.Connections.Open != 15 || r.Messages.Expected != 15*50 || r.Messages.Missing != 0 {
		t.Errorf("%+v %+v", r.Connections, r.Messages.Counts)
	}
}

// TestPublishFails: what the target did not take is not expected of it.
func TestPublishFails(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, func(int) fate { return deliver })
	f.publish = func(nth int) int { // the first is the check
		if nth > 1 && nth%10 == 0 {
			return http.StatusTooManyRequests
		}
		return 0
	}
	m := run(t, small(f)).Messages
	if m.PublishFailed != 5 || m.Published != 45 || m.Expected != 900 || m.Delivered != 900 || m.Missing != 0 {
		t.Errorf("%+v", m)
	}
}

func TestSockets(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, func(int) fate { return deliver })
	p := small(f)
	p.Publish, p.Talkers, p.Rooms, p.Zipf = plan.PublishSocket, 10, 4, 1
	m := run(t, p).Messages
	if m.Offered == 0 || m.Published != m.Offered || m.Missing+m.Duplicated+m.OutOfOrder+m.Misrouted != 0 || m.Delivered < m.Published {
		t.Errorf("%+v", m)
	}
}

// TestStorm: viewers that drop on purpose miss nothing they should have had, and
// come back.
func TestStorm(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, func(int) fate { return deliver })
	p := small(f)
	p.Storms, p.Duration = 2, 2*time.Second
	r := run(t, p)
	if len(r.Storms) != 2 || r.Storms[0].Dropped != 20 || r.Storms[0].Recovered != 20 {
		t.Errorf("storms: %+v", r.Storms)
	}
	if m := r.Messages; m.Missing+m.Duplicated+m.OutOfOrder+m.Misrouted != 0 {
		t.Errorf("%+v", m)
	}
}

func TestChurn(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, func(int) fate { return deliver })
	p := small(f)
	p.Churn, p.Duration = 40, time.Second
	r := run(t, p)
	if r.Connections.Dropped < 20 || r.Connections.Opened < r.Connections.Dropped {
		t.Errorf("%+v", r.Connections)
	}
	if m := r.Messages; m.Missing+m.Duplicated+m.OutOfOrder+m.Misrouted != 0 {
		t.Errorf("%+v", m)
	}
}

// TestSlow: nothing is expected of viewers that are slow on purpose, and
// everything of the others.
func TestSlow(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, func(int) fate { return deliver })
	p := small(f)
	p.Connections, p.Slow, p.Stalled = 100, 10, 10
	layout, fast := plan.NewLayout(&p), uint64(0)
	for n := range p.Connections {
		if layout.Behaviour(n) == plan.Reads {
			fast++
		}
	}
	m := run(t, p).Messages
	if fast < 70 || fast > 90 || m.Expected != fast*50 || m.Delivered != fast*50 {
		t.Errorf("%d that read: %+v", fast, m)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, func(int) fate { return deliver })
	p := small(f)
	p.Duration = time.Minute
	ctx, cancel := context.WithCancel(context.Background())
	r, err := Run(ctx, Options{Plan: p, View: func(pr report.Progress) {
		if pr.Point.Phase == "publish" {
			cancel()
		}
	}})
	if err == nil || r == nil || r.Connections.Open != 20 {
		t.Errorf("error %v, report %+v", err, r)
	}
}

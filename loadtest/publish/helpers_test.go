// What the tests share: plans, and what a target got.

package publish

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
	"barrage/loadtest/swarm"
)

// patience bounds every wait of a test. It is never the thing measured.
const patience = 20 * time.Second

const testRun stamp.Run = 7

func TestMain(m *testing.M) {
	redis.SetLogger(silent{}) // it tells of refused connections, which tests make on purpose
	os.Exit(m.Run())
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// checkLeaks asserts, after everything registered later is cleaned up, that no
// goroutine is left.
func checkLeaks(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		var err error
		for end := time.Now().Add(patience); time.Now().Before(end); {
			if err = goleak.Find(before); err == nil {
				return
			}
		}
		t.Errorf("goroutines left: %v", err)
	})
}

// load is a valid plan that publishes 60 messages in 300 ms to 3 rooms, each
// having two lanes.
func load(t *testing.T, change func(p *plan.Plan)) *plan.Plan {
	t.Helper()
	p, err := plan.FromFlags(new(pflag.FlagSet), "room")
	if err != nil {
		t.Fatal(err)
	}
	p.Connections, p.Rooms, p.Publishers = 10, 3, 6
	p.Rate, p.Duration = 200, 300*time.Millisecond
	change(&p)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return &p
}

func newPublisher(t *testing.T, p *plan.Plan) *Publisher {
	t.Helper()
	pub, err := New(p, plan.NewLayout(p))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pub.Close)
	return pub
}

func now() int64 { return time.Now().UnixNano() }

// schedule begins at once.
func schedule(p *plan.Plan) *plan.Schedule { return plan.NewSchedule(now(), plan.NewLayout(p)) }

// arrivals records what a target got.
type arrivals struct {
	mu   sync.Mutex
	all  []stamp.Stamp
	text []string
	at   []int64
}

func (a *arrivals) add(run stamp.Run, text []byte) {
	s, _, _ := stamp.NewFinder(run, -1).Next(text)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all, a.text, a.at = append(a.all, s), append(a.text, string(text)), append(a.at, now())
}

func (a *arrivals) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.all)
}

type key struct{ room, lane int }

// lanes are the numbers that came, by lane, in order of arrival. Each stamp must
// have the time of the schedule, and none come before it.
func (a *arrivals) lanes(t *testing.T, s *plan.Schedule) map[key][]uint32 {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	lanes := make(map[key][]uint32)
	for i, got := range a.all {
		k := key{int(got.Room), int(got.Lane)}
		lanes[k] = append(lanes[k], got.Seq)
		if due := s.At(k.room, k.lane, got.Seq); got.Due != due || a.at[i] < due {
			t.Errorf("%+v: due at %d, came at %d", got, due, a.at[i])
		}
	}
	return lanes
}

// checkComplete: all lanes are complete and in order, but for failed messages.
func (a *arrivals) checkComplete(t *testing.T, s *plan.Schedule, failed []swarm.Failure) {
	t.Helper()
	lanes := a.lanes(t, s)
	for room := range s.Layout.Rooms() {
		for lane := range s.Layout.Lanes(room) {
			got := lanes[key{room, lane}]
			for seq := uint32(1); seq <= s.Count(room, lane); seq++ {
				switch {
				case isIn(failed, room, lane, seq):
				case len(got) > 0 && got[0] == seq:
					got = got[1:]
				default:
					t.Fatalf("room %d lane %d: %v instead of %d", room, lane, got, seq)
				}
			}
			if len(got) > 0 {
				t.Fatalf("room %d lane %d: %v after the last", room, lane, got)
			}
		}
	}
}

func isIn(failed []swarm.Failure, room, lane int, seq uint32) bool {
	for _, f := range failed {
		for _, s := range f.Spans {
			if f.Room == room && f.Lane == lane && s.First <= seq && seq <= s.Last {
				return true
			}
		}
	}
	return false
}

func failedIn(failed []swarm.Failure) (n uint64) {
	for _, f := range failed {
		for _, s := range f.Spans {
			n += uint64(s.Last-s.First) + 1
		}
	}
	return n
}

// checkStats: all offered messages are published or failed, and failed ones have
// a kind and are listed.
func checkStats(t *testing.T, pub *Publisher, s *plan.Schedule, failed uint64) Stats {
	t.Helper()
	got, kinds := pub.Stats(), uint64(0)
	for _, n := range got.Errors {
		kinds += n
	}
	if got.Published+got.Failed != s.Offered() || got.Failed != failed || kinds != failed || failedIn(pub.Failures()) != failed {
		t.Errorf("offered %d, %+v, %d of kinds, %d listed; want %d failed", s.Offered(), got, kinds, failedIn(pub.Failures()), failed)
	}
	return got
}

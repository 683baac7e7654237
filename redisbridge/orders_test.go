package redisbridge

// What operators ordered until further notice, in a real Redis.

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/edge/moderation/replica"
)

func newOrders(t testing.TB, url string) *Orders {
	t.Helper()
	client, err := NewClient(Config{URL: url, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := NewOrders(OrdersConfig{Client: client, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Orders) mustPut(t testing.TB, e replica.Entry) replica.Change {
	t.Helper()
	c, err := s.Put(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *Orders) mustLoad(t testing.TB) ([]replica.Entry, uint64) {
	t.Helper()
	entries, version, err := s.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(entries, func(a, b replica.Entry) int { return cmp.Compare(a.Name, b.Name) })
	return entries, version
}

func (s *Orders) mustVersion(t testing.TB) uint64 {
	t.Helper()
	v, err := s.Version(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// sameEntries: ends are by the clock of whoever asks, and so not to the millisecond.
func sameEntries(got, want []replica.Entry) bool {
	return slices.EqualFunc(got, want, func(a, b replica.Entry) bool {
		return a.Name == b.Name && a.Value == b.Value && a.Until.IsZero() == b.Until.IsZero() && a.Until.Sub(b.Until).Abs() < patience
	})
}

// testOrders is what a replica.Store promises.
func testOrders(t *testing.T, s *Orders, flush func()) {
	if entries, version := s.mustLoad(t); len(entries) != 0 || version != 0 || s.mustVersion(t) != 0 {
		t.Fatalf("%v at %d in an empty Redis", entries, version)
	}
	until := time.UnixMilli(time.Now().Add(time.Hour).UnixMilli())
	a := replica.Entry{Name: "a b", Value: `{"x":"1 2"}`}
	b := replica.Entry{Name: "b\x00*ü", Value: "\xff\r\n", Until: until}
	first := s.mustPut(t, a)
	second := s.mustPut(t, b)
	third := s.mustPut(t, replica.Entry{Name: "c", Value: "3"})
	fourth := s.mustPut(t, replica.Entry{Name: "c"})
	if first.Previous != 0 || second.Previous != first.Version || third.Previous != second.Version || fourth.Previous != third.Version ||
		second.Version <= first.Version || fourth.Version <= third.Version {
		t.Errorf("changes %v, %v, %v, %v", first, second, third, fourth)
	}
	want := []replica.Entry{a, b}
	if entries, version := s.mustLoad(t); !sameEntries(entries, want) || version != fourth.Version || s.mustVersion(t) != version {
		t.Errorf("%v at %d, want %v at %d", entries, version, want, fourth.Version)
	}

	// Nothing is filled that is not empty; then all of it at once.
	fill := []replica.Entry{{Name: "d", Value: "4"}, b}
	if err := s.Fill(context.Background(), fill); err != nil {
		t.Fatal(err)
	}
	if entries, version := s.mustLoad(t); !sameEntries(entries, want) || version != fourth.Version {
		t.Errorf("%v at %d after Fill", entries, version)
	}
	flush()
	if err := s.Fill(context.Background(), fill); err != nil {
		t.Fatal(err)
	}
	if entries, version := s.mustLoad(t); !sameEntries(entries, []replica.Entry{b, fill[0]}) || version <= fourth.Version {
		t.Errorf("%v at %d, want what was filled, at more than %d", entries, version, fourth.Version)
	}
}

func TestOrders(t *testing.T) {
	redis := startRedis(t)
	s := newOrders(t, redis.URL())
	testOrders(t, s, func() { redis.FlushAll(context.Background()) })
	s.mustPut(t, replica.Entry{Name: "e", Value: "5", Until: time.Now().Add(-time.Second)})
	for i := range 3 { // what is over goes with the next one
		s.mustPut(t, replica.Entry{Name: "f", Value: fmt.Sprint(i)})
	}
	if n := redis.HExists(context.Background(), "barrage:orders:{standing}:all", "e").Val(); n {
		t.Error("what is over is still there")
	}
	if left := redis.ZRange(context.Background(), "barrage:orders:{standing}:ends", 0, -1).Val(); !slices.Equal(left, []string{"b\x00*ü"}) {
		t.Errorf("%q are to end", left)
	}
	// What another program wrote is passed over.
	redis.HSet(context.Background(), "barrage:orders:{standing}:all", "g", "nonsense", "h", "-1 x", "i", "0 ")
	if entries, _ := s.mustLoad(t); len(entries) != 3 {
		t.Errorf("%v", entries)
	}
	redis.FlushAll(context.Background())
	redis.Set(context.Background(), "barrage:orders:{standing}:all", "x", 0)
	if _, err := s.Put(context.Background(), replica.Entry{Name: "a", Value: "1"}); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("Put: %v", err)
	}
	if _, _, err := s.Load(context.Background()); err == nil {
		t.Error("Load of a key of another type")
	}
}

// TestOrdersMany: as many as a server allows, filled and read in one step each.
func TestOrdersMany(t *testing.T) {
	t.Parallel()
	s := newOrders(t, startRedis(t).URL())
	all := make([]replica.Entry, 110_000)
	for i := range all {
		all[i] = replica.Entry{Name: fmt.Sprintf("ban user-%06d lobby", i), Value: `{"room":"lobby","user":"user-000000","until":1700000000000}`, Until: time.Now().Add(time.Hour)}
	}
	if err := s.Fill(context.Background(), all); err != nil {
		t.Fatal(err)
	}
	if entries, version := s.mustLoad(t); len(entries) != len(all) || version == 0 {
		t.Errorf("%d of %d at %d", len(entries), len(all), version)
	}
}

func TestOrdersBooks(t *testing.T) {
	redis := startRedis(t)
	books := make([]*replica.Replica, 2)
	for i := range books {
		var err error
		if books[i], err = replica.New(replica.Config{Store: newOrders(t, redis.URL()), Changed: func(replica.Entry) {}, Interval: 10 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		books[1].Run(ctx)
	}()
	defer func() { stop(); <-done }()
	put := func(name, value string) {
		t.Helper()
		e := replica.Entry{Name: name, Value: value}
		c, err := books[0].Put(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
		books[0].Heard(e, c)
	}
	knows := func(name, value string) {
		t.Helper()
		eventually(t, name+" is known as "+value, func() bool {
			e, _ := books[1].Get(name)
			return e.Value == value
		})
	}
	put("a", "1")
	knows("a", "1")
	redis.FlushAll(ctx)
	put("b", "2")
	put("a", "")
	knows("b", "2")
	knows("a", "")
	redis.Kill()
	redis.Restart()
	put("c", "3")
	knows("c", "3")
	knows("b", "2")
}

func TestOrdersBadConfig(t *testing.T) {
	_, err := NewOrders(OrdersConfig{Prefix: "{x}", Timeout: time.Microsecond})
	for _, part := range []string{"no Client", "braces", "under 1ms"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
}

func FuzzOrders(f *testing.F) {
	for _, seed := range []string{"", "0", "0 ", "0 x", "1700000000000 {}", "-1 x", "1e3 x", "9223372036854775807 x", "9223372036854775808 x"} {
		f.Add("name", seed)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		if e, ok := parseOrders(name, text); ok && (e.Value == "" || e.Name != name || !strings.HasSuffix(text, " "+e.Value)) {
			t.Fatalf("%q is %+v", text, e)
		}
	})
}

package memory_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"barrage/internal/broker"
	"barrage/internal/broker/brokertest"
	"barrage/internal/broker/memory"
)

func newMemory(t testing.TB, cfg memory.Config, receiver broker.Receiver) *memory.Broker {
	t.Helper()
	m, err := memory.New(cfg, receiver)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if got := m.Stats(); got.Rooms != 0 || got.Messages != 0 || got.Bytes != 0 {
			t.Errorf("after Close: %+v", got)
		}
	})
	return m
}

// nobody is a receiver that keeps nothing; rooms that it names have a member.
type nobody map[string]int

func (n nobody) Deliver(m *broker.Message) int { return n[m.Room] }
func (n nobody) Lost(string, broker.Gap)       {}
func (n nobody) Ready(string)                  {}
func (n nobody) Members(room string) int       { return n[room] }

func all(messages int, age time.Duration) broker.Rules {
	return broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: messages, Age: age}}}
}

func publish(t testing.TB, m *memory.Broker, room, payload string) broker.Receipt {
	t.Helper()
	return send(t, m, broker.Publication{Room: room, Format: broker.Text, Payload: []byte(payload)})
}

func send(t testing.TB, m *memory.Broker, p broker.Publication) broker.Receipt {
	t.Helper()
	r, err := m.Publish(context.Background(), &p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func history(t testing.TB, m *memory.Broker, room string, q broker.Query) broker.Page {
	t.Helper()
	page, err := m.History(context.Background(), room, q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func wantHistories(t testing.TB, m *memory.Broker, want string) {
	t.Helper()
	if got := strings.Join(m.Histories(), " "); got != want {
		t.Errorf("rooms with a history: %q, want %q", got, want)
	}
	if err := m.Audit(); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	if _, err := memory.New(memory.Config{}, nil); err == nil {
		t.Error("no receiver was accepted")
	}
	_, err := memory.New(memory.Config{
		MaxRooms: -1,
		Rules:    broker.Rules{{Pattern: "a", Retention: broker.Retention{Messages: -1}}, {Pattern: "b", Retention: broker.Retention{Age: -1}}},
	}, nobody{})
	if err == nil || strings.Count(err.Error(), "broker: ") != 3 {
		t.Errorf("three faults, reported as: %v", err)
	}
}

func TestIDs(t *testing.T) {
	seen := make(map[string]bool)
	for range 2 { // a node that is started again
		m := newMemory(t, memory.Config{Node: "n1"}, nobody{})
		for range 1000 {
			id := publish(t, m, "r", "").ID
			if seen[id] || !strings.HasPrefix(id, "n1-") {
				t.Fatalf("id %q came twice or has no prefix", id)
			}
			seen[id] = true
		}
	}
}

func TestContext(t *testing.T) {
	m := newMemory(t, memory.Config{Rules: all(10, time.Hour)}, nobody{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, published := m.Publish(ctx, &broker.Publication{Room: "r"})
	_, read := m.History(ctx, "r", broker.Query{})
	_, acknowledged := m.Acknowledged(ctx, "r")
	for i, err := range []error{published, read, acknowledged, m.Clear(ctx, "r"), m.Acknowledge(ctx, "r", broker.Position{})} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d with a cancelled context: %v", i, err)
		}
	}
	wantHistories(t, m, "")
}

func TestEvictRooms(t *testing.T) {
	m := newMemory(t, memory.Config{Rules: all(10, time.Hour), MaxRooms: 3}, nobody{})
	first := publish(t, m, "a", "x").Position
	for _, room := range []string{"b", "c", "b", "a"} {
		publish(t, m, room, "x")
	}
	wantHistories(t, m, "a b c")
	publish(t, m, "d", "x")
	wantHistories(t, m, "a b d")
	publish(t, m, "e", "x")
	wantHistories(t, m, "a d e")
	history(t, m, "looked at", broker.Query{}) // which begins nothing
	wantHistories(t, m, "a d e")
	// Rooms that never spoke go before those that did, even right away.
	for i := range 5 {
		history(t, m, fmt.Sprint("silent", i), broker.Query{Begin: true})
	}
	wantHistories(t, m, "a d e")
	publish(t, m, "f", "x")
	publish(t, m, "g", "x")
	wantHistories(t, m, "e f g")
	if got := m.Stats().EvictedTotal; got != 9 {
		t.Errorf("%d histories evicted, want 9", got)
	}

	page := history(t, m, "a", broker.Query{After: &first})
	if page.Gap == nil || page.Gap.Reason != broker.GapEpoch || page.Gap.To != 0 {
		t.Errorf("after eviction: gap %+v", page.Gap)
	}
	if r := publish(t, m, "a", "x"); r.Position.Offset != 1 || r.Position.Epoch == first.Epoch {
		t.Errorf("after eviction: published at %+v, in another epoch than %s", r.Position, first.Epoch)
	}
}

func TestEvictBytes(t *testing.T) {
	const message = 1000 // with overhead and id somewhat more
	m := newMemory(t, memory.Config{Rules: all(1000, time.Hour), Node: "n", MaxBytes: 10 * (message + 300)}, nobody{})
	big := strings.Repeat("x", message)
	for _, room := range []string{"a", "b", "c"} {
		for range 3 {
			publish(t, m, room, big)
		}
	}
	publish(t, m, "a", "small")
	for range 20 {
		publish(t, m, "d", big)
	}
	// The largest room loses its oldest messages, and is not smaller than the others then.
	wantHistories(t, m, "a b c d")
	for _, room := range []string{"a", "b", "c", "d"} {
		if n := len(history(t, m, room, broker.Query{}).Messages); n < 2 {
			t.Errorf("room %s has %d messages, its share is 2 at least", room, n)
		}
	}

	// A room alone loses its oldest messages, not its epoch.
	m = newMemory(t, memory.Config{Rules: all(1000, time.Hour), Node: "n", MaxBytes: 10 * (message + 300)}, nobody{})
	var last broker.Position
	for i := range 50 {
		r := publish(t, m, "hot", big)
		if i > 0 && r.Position != (broker.Position{Epoch: last.Epoch, Offset: last.Offset + 1}) {
			t.Fatalf("published at %+v after %+v", r.Position, last)
		}
		last = r.Position
	}
	wantHistories(t, m, "hot")
	page := history(t, m, "hot", broker.Query{})
	if n := len(page.Messages); n < 9 || n > 12 || page.Head != last {
		t.Errorf("%d messages of %d bytes kept, head %+v", n, message, page.Head)
	}

	// A message that is too large for all is delivered and in no history, but has
	// its position.
	r := publish(t, m, "hot", strings.Repeat("x", 20*message))
	page = history(t, m, "hot", broker.Query{After: &last})
	want := broker.Gap{Epoch: last.Epoch, From: r.Position.Offset, To: r.Position.Offset, Reason: broker.GapTrimmed}
	if page.Gap == nil || *page.Gap != want || len(page.Messages) != 0 {
		t.Errorf("%d messages, gap %+v, want %+v", len(page.Messages), page.Gap, want)
	}
	wantHistories(t, m, "hot")
}

// TestExpire: a history ends with its newest message, but not while somebody is
// in the room.
func TestExpire(t *testing.T) {
	clock := &clock{}
	rules := append(broker.Rules{{Pattern: "long*", Retention: broker.Retention{Messages: 5, Age: time.Hour}}}, all(5, time.Minute)...)
	m := newMemory(t, memory.Config{Rules: rules, Now: clock.Now}, nobody{"joined": 1})
	joined := publish(t, m, "joined", "x").Position
	alone := publish(t, m, "alone", "x").Position
	publish(t, m, "long", "x")
	history(t, m, "silent", broker.Query{Begin: true})
	if err := m.Acknowledge(context.Background(), "alone", alone); err != nil {
		t.Fatal(err)
	}

	clock.Advance(time.Minute - 1)
	m.SweepAll()
	wantHistories(t, m, "alone joined long silent")
	clock.Advance(1)
	if got, err := m.Acknowledged(context.Background(), "alone"); err != nil || got != (broker.Position{}) {
		t.Errorf("acknowledged %+v, %v in a history that is over", got, err)
	}
	m.SweepAll()
	wantHistories(t, m, "joined long")
	if got := m.Stats(); got.Messages != 1 || got.Rooms != 2 {
		t.Errorf("stats %+v, want 1 message in 2 rooms", got)
	}
	if page := history(t, m, "joined", broker.Query{After: &joined}); page.Gap != nil || page.Head != joined {
		t.Errorf("a member who has seen everything is told %+v, head %+v", page.Gap, page.Head)
	}
	if got := publish(t, m, "joined", "y").Position; got != (broker.Position{Epoch: joined.Epoch, Offset: 2}) {
		t.Errorf("published at %+v, want after %+v", got, joined)
	}
	if got := publish(t, m, "alone", "y").Position; got.Epoch == alone.Epoch || got.Offset != 1 {
		t.Errorf("published at %+v, want 1 of another epoch", got)
	}
}

func TestAcknowledgeAhead(t *testing.T) {
	m := newMemory(t, memory.Config{Rules: all(5, time.Minute)}, nobody{})
	head := publish(t, m, "r", "x").Position
	if err := m.Acknowledge(context.Background(), "r", broker.Position{Epoch: head.Epoch, Offset: head.Offset + 1}); err != nil {
		t.Fatal(err)
	}
	if got, _ := m.Acknowledged(context.Background(), "r"); got != (broker.Position{}) {
		t.Errorf("acknowledged %+v, which was not published yet", got)
	}
}

func TestKeys(t *testing.T) {
	clock := &clock{}
	m := newMemory(t, memory.Config{Now: clock.Now, IdempotencyTTL: time.Minute, IdempotencyKeys: 3}, nobody{})
	replayed := func(key string) bool { return send(t, m, broker.Publication{Room: "room " + key, Key: key}).Replayed }
	want := func(key string, want bool) {
		t.Helper()
		if got := replayed(key); got != want {
			t.Errorf("key %s: replayed %v, want %v", key, got, want)
		}
	}
	want("a", false)
	clock.Advance(time.Minute - 1)
	want("a", true) // and is not younger for that
	clock.Advance(1)
	want("a", false)
	want("b", false)
	want("c", false)
	want("a", true)
	if _, err := m.Publish(context.Background(), &broker.Publication{Room: "room d", Key: "d"}); !errors.Is(err, broker.ErrOverloaded) {
		t.Errorf("one key too many: %v", err)
	}
	if m.TryPublish(&broker.Publication{Room: "room d", Key: "d"}, nil) {
		t.Error("one key too many was taken by TryPublish")
	}
	want("a", true) // nothing is forgotten for it
	want("b", true)
	want("c", true)
	send(t, m, broker.Publication{Room: "room d"}) // without a key there is a place
	if got := m.Stats(); got.Keys != 3 || got.ReplaysTotal != 5 {
		t.Errorf("stats %+v, want 3 keys, 5 replays", got)
	}
	clock.Advance(time.Minute)
	want("d", false)
	clock.Advance(time.Minute)
	m.SweepAll()
	if got := m.Stats().Keys; got != 0 {
		t.Errorf("%d keys left after their time", got)
	}
}

// TestKeysShared: five hundred anonymous sockets cannot make a backend's key forgotten,
// nor use up the places of all other clients.
func TestKeysShared(t *testing.T) {
	const keys, sockets = 1000, 500
	clock := &clock{}
	m := newMemory(t, memory.Config{Now: clock.Now, IdempotencyKeys: keys}, nobody{})
	backend := broker.Publication{Room: "r", Key: "order-1", Payload: []byte("paid")}
	user := broker.Publication{Room: "r", Key: "k", Sender: broker.Sender{User: "ada", Conn: "c"}, From: netip.MustParseAddr("192.0.2.1")}
	first, users := send(t, m, backend), send(t, m, user)
	refused := 0
	for i := range 20 * sockets {
		if !m.TryPublish(&broker.Publication{
			Room: fmt.Sprint("room", i), Key: fmt.Sprint(i), Payload: []byte("x"), Sender: broker.Sender{Conn: fmt.Sprint("c", i%sockets)},
			From: netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 3)}),
		}, nil) {
			refused++
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	clock.Advance(5*time.Minute - 1)
	if got := send(t, m, backend); !got.Replayed || got.ID != first.ID {
		t.Errorf("the backend's message came twice: %+v, first %+v", got, first)
	}
	if got := send(t, m, user); !got.Replayed || got.ID != users.ID {
		t.Errorf("the user's message came twice: %+v, first %+v", got, users)
	}
	user.Key = "another"
	send(t, m, user)
}

// TestSweeper: the goroutine does it without being asked.
func TestSweeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := append(broker.Rules{{Pattern: "user:*", Retention: broker.Retention{Messages: 5, Age: time.Hour}}}, all(5, 10*time.Minute)...)
		m := newMemory(t, memory.Config{Rules: rules}, nobody{})
		for i := range 1000 {
			send(t, m, broker.Publication{Room: fmt.Sprint("room", i), Key: "k"})
		}
		publish(t, m, "user:ada", "x")
		time.Sleep(10*time.Minute + 10*time.Second)
		wantHistories(t, m, "user:ada")
		if got := m.Stats().Keys; got != 0 {
			t.Errorf("%d keys left", got)
		}
		time.Sleep(time.Hour)
		wantHistories(t, m, "")
	})
}

// TestStorm does everything at once, with bounds so tight that rooms are evicted
// all the time, and then audits the books.
func TestStorm(t *testing.T) {
	clock := &clock{}
	receiver := brokertest.NewReceiver()
	m := newMemory(t, memory.Config{
		Rules: all(4, time.Minute), Now: clock.Now, MaxRooms: 20, MaxBytes: 8 << 10, IdempotencyKeys: 50,
	}, receiver)
	const goroutines, rounds = 8, 500
	ctx := context.Background()
	var ids sync.Map
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range rounds {
				room := fmt.Sprint("room", (g*7+i*i)%40)
				p := &broker.Publication{Room: room, Payload: make([]byte, i%900), Forget: i%11 == 0}
				if i%3 == 0 {
					p.Key = fmt.Sprint(i % 100)
				}
				r, err := m.Publish(ctx, p)
				if errors.Is(err, broker.ErrOverloaded) && p.Key != "" { // no place for its key
					p.Key = ""
					r, err = m.Publish(ctx, p)
				}
				if _, twice := ids.LoadOrStore(r.ID, room); err != nil || twice && !r.Replayed {
					t.Errorf("receipt %+v, %v", r, err)
				}
				if again, err := m.Publish(ctx, p); err != nil || again.Replayed && p.Key == "" {
					t.Errorf("receipt %+v, %v", again, err)
				}
				page, err := m.History(ctx, room, broker.Query{After: &r.Position, Limit: 1})
				if err != nil || len(page.Messages) > 1 {
					t.Errorf("page %+v, %v", page, err)
				}
				switch i % 50 {
				case 0:
					err = m.Clear(ctx, room)
				case 1:
					clock.Advance(20 * time.Second)
				case 2:
					m.SweepAll()
				case 3:
					err = m.Acknowledge(ctx, room, r.Position)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := m.Audit(); err != nil {
		t.Error(err)
	}
	got := m.Stats()
	if got.Rooms > 20 || got.Bytes > 8<<10 || got.Keys > 50 || got.EvictedTotal == 0 || got.ReplaysTotal == 0 {
		t.Errorf("stats %+v, which are out of bounds or show nothing evicted or replayed", got)
	}
	for _, wrong := range receiver.Wrongs() {
		t.Error(wrong)
	}
}

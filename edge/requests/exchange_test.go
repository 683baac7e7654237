// Exchanges without sockets: several nodes on one wire, and what has its time.

package requests

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"barrage/edge/events"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// wire brings each message to all nodes at once.
type wire struct {
	broker.Broker
	nodes []*Exchange
	cut   error
}

func (w *wire) Want(string) bool { return true }

func (w *wire) TryPublish(p *broker.Publication, done func(broker.Receipt, error)) bool {
	if w.cut == nil {
		for _, x := range w.nodes {
			x.Hear(&broker.Message{Room: p.Room, Kind: p.Kind, Payload: p.Payload})
		}
	}
	done(broker.Receipt{}, w.cut)
	return true
}

// settle has all nodes say what they have to, as Run does, at a time.
func (w *wire) settle(now time.Time) {
	for range 4 {
		for _, x := range w.nodes {
			x.do(func() { x.lookLocked(now) })
			x.post()
		}
	}
}

func newWire(nodes int) *wire {
	w := &wire{}
	for i := range nodes {
		x := New(Config{Node: fmt.Sprint("n", i), Clustered: true, Timeout: time.Hour})
		x.Start(w)
		w.nodes = append(w.nodes, x)
	}
	for _, x := range w.nodes {
		x.enter()
	}
	w.settle(time.Now())
	return w
}

// socket is a worker's connection that a test looks into.
type socket struct {
	*Worker
	dismissed bool
}

func (s *socket) Wake()    {}
func (s *socket) Dismiss() { s.dismissed = true }

func serve(t *testing.T, x *Exchange, limit int, patterns ...string) *socket {
	t.Helper()
	s := &socket{}
	var err error
	if s.Worker, err = x.Serve(nil, Who{}, s, patterns, limit); err != nil {
		t.Fatal(err)
	}
	return s
}

// words are those that a worker has been told.
func (s *socket) words() (all []Word) {
	for w, ok := s.Next(); ok; w, ok = s.Next() {
		all = append(all, w)
	}
	return all
}

// one is the only word, a request.
func (s *socket) one(t *testing.T) Word {
	t.Helper()
	all := s.words()
	if len(all) != 1 || all[0].Cancel != "" {
		t.Fatalf("told %+v, want one request", all)
	}
	return all[0]
}

type answer struct {
	events.Reply
	err error
}

func (a answer) code() string {
	if no := refusal.Of(a.err); no != nil {
		return no.Code()
	}
	return ""
}

func ask(x *Exchange, r Request) <-chan answer {
	got := make(chan answer, 1)
	x.Ask(context.Background(), r, func(reply events.Reply, err error) { got <- answer{reply, err} })
	return got
}

func of(method string) Request { return Request{Request: events.Request{Method: method}} }

func wantCode(t *testing.T, got <-chan answer, code string) {
	t.Helper()
	select {
	case a := <-got:
		if a.code() != code || (a.err == nil) != (code == "") {
			t.Errorf("answered %+v, want %q", a, code)
		}
	default:
		t.Errorf("not answered, want %q", code)
	}
}

var done = &events.Reply{Data: []byte("1")}

// TestLeastBusyNode: a node asks others' workers as they are less busy, and counts what it has
// sent before they say so.
func TestLeastBusyNode(t *testing.T) {
	w := newWire(2)
	here, there := serve(t, w.nodes[0], 2, "m"), serve(t, w.nodes[1], 4, "m")
	w.settle(time.Now())
	for range 6 {
		ask(w.nodes[0], of("m"))
	}
	w.settle(time.Now())
	if a, b := len(here.words()), len(there.words()); a != 2 || b != 4 {
		t.Errorf("of six this node's worker, who takes 2, got %d, the other's, who takes 4, %d", a, b)
	}
}

func TestOtherNode(t *testing.T) {
	w := newWire(3)
	s := serve(t, w.nodes[1], 1, "m.*")
	w.settle(time.Now())
	r := of("m.a")
	r.User, r.Room, r.Data = "ann", "lobby", []byte(`{"x":1}`)
	got, next := ask(w.nodes[0], r), ask(w.nodes[2], of("m.b"))
	w.settle(time.Now())
	word := s.one(t)
	if word.Method != "m.a" || word.User != "ann" || word.Room != "lobby" || string(word.Data) != `{"x":1}` || word.Left < time.Minute {
		t.Errorf("told %+v", word)
	}
	if err := s.Answer(word.Number, &events.Reply{Error: &events.ReplyError{Code: "no", Message: "No."}}); err != nil {
		t.Error(err)
	}
	w.settle(time.Now())
	if a := <-got; a.Error == nil || a.Error.Code != "no" {
		t.Errorf("answered %+v", a)
	}
	_ = s.Answer(s.one(t).Number, done)
	w.settle(time.Now())
	wantCode(t, next, "")
	for i, x := range w.nodes {
		if st := x.Stats(); st.Bytes != 0 || st.UnderWay != 0 || len(x.asked) != 0 || len(x.foreign) != 0 {
			t.Errorf("node %d keeps %+v", i, st)
		}
	}
}

// TestNodeVanishes: what it had is given to others, if the asker allows it.
func TestNodeVanishes(t *testing.T) {
	w := newWire(3)
	s := serve(t, w.nodes[1], 4, "m")
	w.settle(time.Now())
	r := of("m")
	plain := ask(w.nodes[0], r)
	r.Redeliver = true
	again := ask(w.nodes[0], r)
	w.settle(time.Now())
	if n := len(s.words()); n != 2 {
		t.Fatalf("%d were sent", n)
	}
	w.nodes = []*Exchange{w.nodes[0], w.nodes[2]}
	heir := serve(t, w.nodes[1], 1, "m")
	w.settle(time.Now())
	x := w.nodes[0]
	x.do(func() { x.peers["n1"].heard = time.Now().Add(-peerLease) })
	w.settle(time.Now())
	wantCode(t, plain, events.CodeBackend)
	word := heir.one(t)
	if !word.Again {
		t.Error("it is not told that another had it")
	}
	_ = heir.Answer(word.Number, done)
	w.settle(time.Now())
	wantCode(t, again, "")
}

// TestWorkersGoElsewhere: what another node's workers were not given comes back, and goes on to
// a third.
func TestWorkersGoElsewhere(t *testing.T) {
	w := newWire(3)
	s := serve(t, w.nodes[1], 1, "m")
	w.settle(time.Now())
	ask(w.nodes[0], of("m"))
	waits := ask(w.nodes[0], of("m"))
	w.settle(time.Now())
	given := s.one(t)
	heir := serve(t, w.nodes[2], 1, "m")
	w.settle(time.Now())
	w.nodes[1].Drain()
	if !s.dismissed {
		t.Error("the worker is not told")
	}
	w.settle(time.Now())
	_ = heir.Answer(heir.one(t).Number, done)
	if err := s.Answer(given.Number, done); err != nil || !s.Idle() {
		t.Errorf("what it had: %v", err)
	}
	w.settle(time.Now())
	wantCode(t, waits, "")
	if _, err := w.nodes[1].Serve(nil, Who{}, s, []string{"m"}, 1); err == nil {
		t.Error("a node that stops takes workers")
	}
}

// TestWireIsCut: what cannot be sent is answered at once.
func TestWireIsCut(t *testing.T) {
	w := newWire(2)
	serve(t, w.nodes[1], 1, "m")
	w.settle(time.Now())
	w.cut = errors.New("cut")
	got := ask(w.nodes[0], of("m"))
	w.settle(time.Now())
	wantCode(t, got, "unavailable")
}

// TestOnlyWhoWasAsked: an outcome counts if it comes from the node that was asked, and is the
// present placement's.
func TestOnlyWhoWasAsked(t *testing.T) {
	w := newWire(2)
	serve(t, w.nodes[1], 1, "m")
	w.settle(time.Now())
	got := ask(w.nodes[0], of("m"))
	hear := func(from string, number uint64) {
		w.nodes[0].Hear(&broker.Message{Room: nodeRooms + "n0", Kind: Kind, Payload: fmt.Appendf(nil, `{"from":%q,"outcome":{"number":%d,"what":"answered","data":1}}`, from, number)})
	}
	hear("n7", 1)
	hear("n1", 2)
	if len(got) != 0 {
		t.Error("answered by another")
	}
	hear("n1", 1)
	wantCode(t, got, "")
	if n := w.nodes[0].Stats().Dropped["late"]; n != 1 {
		t.Errorf("%d late", n)
	}
	w.nodes[0].Hear(&broker.Message{Room: "@requests:other", Payload: []byte(`{"from":"n1","hello":true}`)})
	w.nodes[0].Hear(&broker.Message{Room: allRoom, Payload: []byte(`nonsense`)})
}

// TestShares: who floods a method leaves room for others, and for other methods.
func TestShares(t *testing.T) {
	w := newWire(1)
	x := w.nodes[0]
	serve(t, x, 1, "slow")
	quick := serve(t, x, 1, "quick")
	r := of("slow")
	r.User, r.Address, r.Data = "greedy", netip.MustParseAddr("192.0.2.1"), make([]byte, 256<<10)
	n := 0
	for ; n < bounds.RequestBytes/len(r.Data); n++ {
		if got := ask(x, r); len(got) > 0 {
			wantCode(t, got, "overloaded")
			break
		}
	}
	if most := bounds.RequestBytes / len(r.Data) / 3; n < most-1 || n > most+1 {
		t.Errorf("one had %d, want about %d", n, most)
	}
	r.User, r.Address = "modest", netip.MustParseAddr("192.0.2.2")
	if got := ask(x, r); len(got) > 0 {
		t.Errorf("another is refused: %+v", <-got)
	}
	other := ask(x, of("quick"))
	_ = quick.Answer(quick.one(t).Number, done)
	wantCode(t, other, "")
}

// TestTurns: of what waits for a worker, who asked once does not stand behind all that
// another asked.
func TestTurns(t *testing.T) {
	w := newWire(1)
	x := w.nodes[0]
	s := serve(t, x, 1, "m")
	r := of("m")
	r.User, r.Address = "greedy", netip.MustParseAddr("192.0.2.1")
	for range 10 {
		ask(x, r)
	}
	r.User, r.Address = "modest", netip.MustParseAddr("192.0.2.2")
	ask(x, r)
	for i := range 3 {
		word := s.one(t)
		if word.User == "modest" {
			return
		}
		if i == 2 {
			t.Error("not among the first three")
		}
		_ = s.Answer(word.Number, done)
	}
}

// TestStuckWorker is not given more for what it does not answer, until that was long ago.
func TestStuckWorker(t *testing.T) {
	w := newWire(1)
	x := w.nodes[0]
	s := serve(t, x, 1, "m")
	ctx, leave := context.WithCancel(context.Background())
	ended := make(chan struct{})
	x.Ask(ctx, of("m"), func(events.Reply, error) { close(ended) })
	s.one(t)
	leave()
	<-ended
	if all := s.words(); len(all) != 1 || all[0].Cancel != reasonGone {
		t.Errorf("told %+v", all)
	}
	ask(x, of("m"))
	w.settle(time.Now().Add(bounds.GivenUp - time.Second))
	if all := s.words(); len(all) != 0 {
		t.Errorf("given %+v", all)
	}
	w.settle(time.Now().Add(bounds.GivenUp + time.Second))
	s.one(t)
}

// TestServedAMomentAgo: a method is unavailable for a while when its last worker has gone, and
// then unknown, and nothing of it is kept.
func TestServedAMomentAgo(t *testing.T) {
	w := newWire(2)
	s, there := serve(t, w.nodes[0], 1, "a", "b*"), serve(t, w.nodes[1], 1, "c")
	w.settle(time.Now())
	s.Close()
	there.Close()
	w.settle(time.Now())
	for _, method := range []string{"a", "b1", "c"} {
		wantCode(t, ask(w.nodes[0], of(method)), "unavailable")
	}
	wantCode(t, ask(w.nodes[0], of("d")), events.CodeUnknownMethod)
	w.settle(time.Now().Add(bounds.MethodLinger + time.Second))
	wantCode(t, ask(w.nodes[0], of("a")), events.CodeUnknownMethod)
	if x := w.nodes[0]; len(x.methods)+len(x.patterns)+len(x.peers)+len(x.workers) != 0 {
		t.Errorf("%d methods, %d patterns, %d peers are kept", len(x.methods), len(x.patterns), len(x.peers))
	}
}

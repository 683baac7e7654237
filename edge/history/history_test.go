package history

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/fair"
	"barrage/internal/refusal"
	"barrage/internal/workers"
)

// TestReadingOn: a page of nothing but what has expired is none, and what is
// missing before it or behind it is told as one gap.
func TestReadingOn(t *testing.T) {
	t.Parallel()
	m := func(offset uint64, ttl uint32) *broker.Message {
		return &broker.Message{Epoch: "e", Offset: offset, Time: 1, TTL: ttl}
	}
	trimmed := func(from, to uint64) *broker.Gap {
		return &broker.Gap{Epoch: "e", From: from, To: to, Reason: broker.GapTrimmed}
	}
	b := &pagesBroker{pages: []broker.Page{
		{Messages: []*broker.Message{m(3, 1)}, Gap: trimmed(1, 2), More: true},
		{Messages: []*broker.Message{m(4, 1), m(5, 1)}, More: true},
		{Messages: []*broker.Message{m(8, 1), m(9, 0), m(10, 0)}, Gap: trimmed(6, 7)},
	}}
	page, err := Read(context.Background(), b, "a", broker.Query{After: &broker.Position{}, Limit: 1})
	if err != nil || len(page.Messages) != 1 || page.Messages[0].Offset != 9 || !page.More || *page.Gap != *trimmed(1, 7) {
		t.Errorf("got %+v, %v", page, err)
	}
	if want := []uint64{0, 3, 5}; !slices.Equal(b.after, want) {
		t.Errorf("asked behind %v, want %v", b.after, want)
	}
}

// pagesBroker answers with one page after the other.
type pagesBroker struct {
	broker.Broker
	pages []broker.Page
	after []uint64
}

func (b *pagesBroker) History(_ context.Context, _ string, q broker.Query) (broker.Page, error) {
	page := b.pages[0]
	b.pages, b.after = b.pages[1:], append(b.after, q.After.Offset)
	return page, nil
}

// sizedBroker has one message in each room, of so many bytes, and tells of each reading.
type sizedBroker struct {
	broker.Broker
	bytes map[string]int
	read  chan string
}

func (b *sizedBroker) History(_ context.Context, room string, _ broker.Query) (broker.Page, error) {
	b.read <- room
	return broker.Page{Messages: []*broker.Message{{Payload: make([]byte, b.bytes[room])}}}, nil
}

func newSized(t *testing.T, rate int64, bytes map[string]int) (*sizedBroker, *Reader[int]) {
	b, pool := &sizedBroker{bytes: bytes, read: make(chan string, 1)}, workers.New(1, rate, 1)
	t.Cleanup(pool.Close)
	return b, NewReader(b, pool, NewEpochs(), func(p broker.Page) (int, int, error) { return 1, sizeOf(p), nil })
}

// TestGone: what nobody waits for any more is not read, and takes nothing from who comes next.
func TestGone(t *testing.T) {
	t.Parallel()
	b, r := newSized(t, 0, nil)
	var gone atomic.Bool
	answers := make(chan int, 3)
	answer := func(n int, _ error) { answers <- n }
	b.read <- "" // so that the first reading waits
	for _, a := range []Ask{{Room: "first"}, {Room: "left", Gone: &gone}, {Room: "last", Gone: new(atomic.Bool)}} {
		if !r.Get(a, answer) {
			t.Fatal("no place")
		}
	}
	gone.Store(true)
	<-b.read
	if one, two := <-b.read, <-b.read; one != "first" || two != "last" {
		t.Errorf("read %q and %q", one, two)
	}
	if got := []int{<-answers, <-answers, <-answers}; got[0]+got[1]+got[2] != 2 {
		t.Errorf("answers are %v", got)
	}
}

// TestNotReadInVain: while too much waits to be made, what will be large is not even read; what
// is small is answered.
func TestNotReadInVain(t *testing.T) {
	t.Parallel()
	const size = 500 << 10
	b, r := newSized(t, 1, map[string]int{"large": size})
	ask := func(room string, i int, answer func(int, error)) {
		who := fair.Payer{Conn: uint64(room[0])} // of large and small another
		if !r.Get(Ask{Payer: who, Room: room, Query: broker.Query{Limit: 1, Bytes: 2 * size, After: &broker.Position{Offset: uint64(i)}}}, answer) {
			t.Fatal("no place")
		}
	}
	made := make(chan error, 1)
	ask("large", 0, func(_ int, err error) { made <- err })
	<-b.read
	if err := <-made; err != nil { // from now on the rate is used up
		t.Fatal(err)
	}
	for i := range bounds.AnswersWaiting / size {
		ask("large", i+1, func(int, error) {})
		<-b.read
	}
	refused := make(chan error)
	ask("large", 1000, func(_ int, err error) { refused <- err })
	var no *refusal.Error
	if err := <-refused; !errors.As(err, &no) || no.Code() != "overloaded" {
		t.Errorf("the last one is told %v", err)
	}
	ask("small", 0, func(_ int, err error) { made <- err })
	if room, err := <-b.read, <-made; room != "small" || err != nil {
		t.Errorf("read %q, %v", room, err)
	}
}

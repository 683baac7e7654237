// Package history reads rooms' histories for those who come back: off the event loops,
// once for all who ask for the same at the same time, and without messages whose time
// is over.
//
// A message with a TTL is given to nobody once that is over. It is left out where pages
// are read and where messages come to this node; what waits behind that, in a room's
// log for a slow viewer, still goes out.
package history

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"barrage/edge/conn"
	"barrage/internal/broker"
	"barrage/internal/fair"
	"barrage/internal/refusal"
	"barrage/internal/workers"
)

// MaxPage bounds the messages in one answer.
const MaxPage = 1000

// Reader reads histories from the broker and renders what was read as a T, which those
// who asked share. Those who ask for the same while it has not
// been begun get one answer: after a node went down thousands come back with the same
// position. golang.org/x/sync/singleflight would let them share a read that has begun;
// here it must begin after the call, or who joins then would miss what came between.
// Any goroutine.
type Reader[T any] struct {
	broker broker.Broker
	pool   *workers.Pool
	epochs *conn.Payers
	render func(broker.Page) (T, int, error)

	mu      sync.Mutex // guards what follows
	waiting map[key]*fetch[T]
	large   map[string]int // rooms that had a large answer: bytes of a message
}

type key struct {
	class fair.Class
	room  string
	after broker.Position
	new   bool // no position: the newest
	last  bool
	limit int
	bytes int
	begin bool
}

type fetch[T any] struct {
	asked []asked[T]
}

type asked[T any] struct {
	gone   *atomic.Bool
	answer func(page T, begun bool, err error)
}

// Ask is what is asked for, and by whom.
type Ask struct {
	Class fair.Class
	Payer fair.Payer
	Room  string
	Query broker.Query
	Gone  *atomic.Bool // set once nobody waits for the answer, which is not made then; nil: somebody always does
}

// here is how many still wait for the answer.
func (f *fetch[T]) here() (n int) {
	for _, a := range f.asked {
		if a.gone == nil || !a.gone.Load() {
			n++
		}
	}
	return n
}

// NewReader returns a Reader whose reads run in a pool. render is called there; it also
// returns how many bytes an answer has of the page. epochs are NewEpochs'.
func NewReader[T any](b broker.Broker, p *workers.Pool, epochs *conn.Payers, render func(broker.Page) (page T, bytes int, err error)) *Reader[T] {
	return &Reader[T]{broker: b, pool: p, epochs: epochs, render: render, waiting: make(map[key]*fetch[T]), large: make(map[string]int)}
}

// Get calls answer, on another goroutine, with a part of the room's history read after
// the call of Get, at the payer's expense; if nobody waits for it any more, with nothing. It
// returns false if too much is under way.
func (r *Reader[T]) Get(a Ask, answer func(T, error)) bool {
	return r.get(a, func(page T, _ bool, err error) { answer(page, err) })
}

// Begin is Get with Query.Begin, if name (see conn.Loop.PayerName) may begin one epoch more
// now: it counts if it was begun.
func (r *Reader[T]) Begin(name string, now time.Duration, a Ask, answer func(T, error)) bool {
	may, _ := r.epochs.Take(name, now, 0)
	a.Query.Begin = may
	ok := r.get(a, func(page T, begun bool, err error) {
		if may && err == nil && !begun {
			r.epochs.Return(name)
		}
		answer(page, err)
	})
	if may && !ok {
		r.epochs.Return(name)
	}
	return ok
}

func (r *Reader[T]) get(a Ask, answer func(page T, begun bool, err error)) bool {
	q := a.Query
	k := key{class: a.Class, room: a.Room, new: q.After == nil, last: q.Last, limit: q.Limit, bytes: q.Bytes, begin: q.Begin}
	if q.After != nil {
		k.after = *q.After
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.waiting[k]; w != nil {
		w.asked = append(w.asked, asked[T]{a.Gone, answer})
		return true
	}
	if !r.pool.Try(a.Class, a.Payer, func(ctx context.Context) int { return r.read(ctx, k, a.Payer, q) }) {
		return false
	}
	r.waiting[k] = &fetch[T]{asked: []asked[T]{{a.Gone, answer}}}
	return true
}

// read returns how many bytes the answer has, about, to who asked first; the others' are
// counted too, but not as that one's. What nobody waits for any more takes nothing from the
// rate.
func (r *Reader[T]) read(ctx context.Context, k key, who fair.Payer, q broker.Query) (bytes int) {
	r.mu.Lock()
	w := r.waiting[k]
	delete(r.waiting, k) // who asks from now on may want what is newer
	r.mu.Unlock()
	var page broker.Page
	var err error
	if w.here() > 0 {
		page, err = r.readLarge(ctx, k.room, q)
	}
	var nothing T
	if err != nil || w.here() == 0 {
		w.tell(nothing, page.Begun, err)
		return 0
	}
	bytes = sizeOf(page)
	if !r.pool.Make(k.class, who, bytes, func() (own, all int) {
		n, answer, err := w.here(), nothing, error(nil)
		if n > 0 {
			answer, own, err = r.render(page)
		}
		w.tell(answer, page.Begun, err)
		return own, own * n
	}) {
		w.tell(nothing, page.Begun, errOverloaded)
	}
	return bytes
}

// readLarge does not read what would only be refused, as it is large and too much waits.
func (r *Reader[T]) readLarge(ctx context.Context, room string, q broker.Query) (broker.Page, error) {
	expected := r.expected(room, q)
	if expected > workers.SmallAnswer {
		if !r.pool.Reserve(expected) {
			return broker.Page{}, errOverloaded
		}
		defer r.pool.Return(expected)
	}
	page, err := Read(ctx, r.broker, room, q)
	if len(page.Messages) > 0 {
		r.note(room, sizeOf(page), len(page.Messages))
	}
	return page, err
}

// expected is how many bytes a page of the room may have, by what was read of it last; 0:
// few, or it is not known.
func (r *Reader[T]) expected(room string, q broker.Query) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(r.large[room]*cmp.Or(q.Limit, MaxPage), q.Bytes)
}

// note notes the room's messages if a page of them was large.
func (r *Reader[T]) note(room string, bytes, messages int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.large[room]
	switch {
	case !known && bytes <= workers.SmallAnswer:
		return
	case !known && len(r.large) >= largeRooms:
		clear(r.large) // who still is will be noted again
	}
	r.large[room] = bytes / messages
}

// largeRooms bounds the rooms of which it is known that they are large.
const largeRooms = 1000

// errOverloaded is for those whose answer cannot wait for its turn.
var errOverloaded = refusal.TooMany("overloaded", "too many large histories are being read", time.Second)

// sizeOf is about how many bytes an answer has of a page.
func sizeOf(page broker.Page) (bytes int) {
	for _, m := range page.Messages {
		bytes += len(m.Payload) + messageOverhead
	}
	return bytes
}

const messageOverhead = 128 // of a message in an answer, beside its payload

func (f *fetch[T]) tell(page T, begun bool, err error) {
	for _, a := range f.asked {
		a.answer(page, begun, err)
	}
}

// Read reads a part of a room's history without what has expired. Where that is a
// whole page it reads on: clients that are told of more ask for what is behind the last
// message they got, and need one.
func Read(ctx context.Context, b broker.Broker, room string, q broker.Query) (broker.Page, error) {
	page, err := b.History(ctx, room, q)
	all, gap := page.Messages, page.Gap
	page.Messages = unexpired(all)
	for err == nil && page.More && len(page.Messages) == 0 && len(all) > 0 {
		last := all[len(all)-1]
		// Not by q's limit: one message each time could be a thousand times.
		page, err = b.History(ctx, room, broker.Query{After: last.Position(), Limit: max(q.Limit, MaxPage), Bytes: q.Bytes})
		all, gap = page.Messages, joinGaps(gap, page.Gap)
		page.Messages, page.Gap = unexpired(all), gap
	}
	if q.Limit > 0 && len(page.Messages) > q.Limit {
		page.Messages, page.More = page.Messages[:q.Limit], true
	}
	return page, err
}

func unexpired(all []*broker.Message) []*broker.Message {
	if !slices.ContainsFunc(all, (*broker.Message).Expired) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), (*broker.Message).Expired)
}

// joinGaps is a gap that begins where the first does and ends where the second does.
// Either may be nil.
func joinGaps(first, second *broker.Gap) *broker.Gap {
	if first == nil || second == nil {
		return cmp.Or(first, second)
	}
	return &broker.Gap{Epoch: second.Epoch, From: first.From, To: second.To, Reason: second.Reason}
}

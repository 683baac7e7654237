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
	"time"

	"barrage/edge/conn"
	"barrage/internal/broker"
	"barrage/internal/fair"
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

	mu      sync.Mutex // guards waiting
	waiting map[key]*fetch[T]
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
	answers []func(page T, begun bool, err error)
}

// NewReader returns a Reader whose reads run in a pool. render is called there; it also
// returns how many bytes an answer has of the page. epochs are NewEpochs'.
func NewReader[T any](b broker.Broker, p *workers.Pool, epochs *conn.Payers, render func(broker.Page) (page T, bytes int, err error)) *Reader[T] {
	return &Reader[T]{broker: b, pool: p, epochs: epochs, render: render, waiting: make(map[key]*fetch[T])}
}

// Get calls answer, on another goroutine, with a part of the room's history read after
// the call of Get, at the payer's expense. It returns false if too much is under way.
func (r *Reader[T]) Get(c fair.Class, who fair.Payer, room string, q broker.Query, answer func(T, error)) bool {
	return r.get(c, who, room, q, func(page T, _ bool, err error) { answer(page, err) })
}

// Begin is Get with Query.Begin, if name (see conn.Loop.PayerName) may begin one epoch more
// now: it counts if it was begun.
func (r *Reader[T]) Begin(name string, now time.Duration, c fair.Class, who fair.Payer, room string, q broker.Query, answer func(T, error)) bool {
	may, _ := r.epochs.Take(name, now, 0)
	q.Begin = may
	ok := r.get(c, who, room, q, func(page T, begun bool, err error) {
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

func (r *Reader[T]) get(c fair.Class, who fair.Payer, room string, q broker.Query, answer func(page T, begun bool, err error)) bool {
	k := key{class: c, room: room, new: q.After == nil, last: q.Last, limit: q.Limit, bytes: q.Bytes, begin: q.Begin}
	if q.After != nil {
		k.after = *q.After
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.waiting[k]; w != nil {
		w.answers = append(w.answers, answer)
		return true
	}
	if !r.pool.Try(c, who, func(ctx context.Context) int { return r.read(ctx, k, who, q) }) {
		return false
	}
	r.waiting[k] = &fetch[T]{answers: []func(T, bool, error){answer}}
	return true
}

// read returns how many bytes the answer has to who asked first; the others' are counted
// too, but not as that one's.
func (r *Reader[T]) read(ctx context.Context, k key, who fair.Payer, q broker.Query) (bytes int) {
	r.mu.Lock()
	w := r.waiting[k]
	delete(r.waiting, k) // who asks from now on may want what is newer
	r.mu.Unlock()
	var answer T
	page, err := Read(ctx, r.broker, k.room, q)
	if err == nil {
		r.pool.Make(k.class, who, func() (own, all int) {
			answer, bytes, err = r.render(page)
			return bytes, bytes * len(w.answers)
		})
	}
	for _, f := range w.answers {
		f(answer, page.Begun, err)
	}
	return bytes
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

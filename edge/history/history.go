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

	"barrage/internal/broker"
	"barrage/internal/workers"
)

// MaxPage bounds the messages in one answer.
const MaxPage = 1000

// Reader reads histories from the broker. Those who ask for the same while it has not
// been begun get one answer: after a node went down thousands come back with the same
// position. golang.org/x/sync/singleflight would let them share a read that has begun;
// here it must begin after the call, or who joins then would miss what came between.
// Any goroutine.
type Reader struct {
	broker broker.Broker
	pool   *workers.Pool

	mu      sync.Mutex // guards waiting
	waiting map[key]*fetch
}

type key struct {
	room  string
	after broker.Position
	new   bool // no position: the newest
	limit int
}

type fetch struct{ answers []func(broker.Page, error) }

// NewReader returns a Reader whose reads run in a pool.
func NewReader(b broker.Broker, p *workers.Pool) *Reader {
	return &Reader{broker: b, pool: p, waiting: make(map[key]*fetch)}
}

// Get calls answer, on another goroutine, with a part of the room's history read after
// the call of Get. Its messages can be written as JSON. It returns false if too much is
// under way.
func (r *Reader) Get(room string, q broker.Query, answer func(broker.Page, error)) bool {
	k := key{room: room, new: q.After == nil, limit: q.Limit}
	if q.After != nil {
		k.after = *q.After
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.waiting[k]; w != nil {
		w.answers = append(w.answers, answer)
		return true
	}
	if !r.pool.Try(func(ctx context.Context) { r.read(ctx, k, q) }) {
		return false
	}
	r.waiting[k] = &fetch{answers: []func(broker.Page, error){answer}}
	return true
}

func (r *Reader) read(ctx context.Context, k key, q broker.Query) {
	r.mu.Lock()
	w := r.waiting[k]
	delete(r.waiting, k) // who asks from now on may want what is newer
	r.mu.Unlock()
	page, err := Read(ctx, r.broker, k.room, q)
	page.Messages = slices.Clone(page.Messages)
	for i, m := range page.Messages {
		page.Messages[i] = broker.Sanitize(m) // here, not on the loops
	}
	for _, answer := range w.answers {
		answer(page, err)
	}
}

// Waiting is the number of reads that have not begun.
func (r *Reader) Waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
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

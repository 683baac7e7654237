// Package tally is the bookkeeping of a load test: what each viewer should have
// got, what it got, and how late. Nothing is sampled. For every viewer and every
// lane that sends to it, each message number is either delivered or missing, so
//
//	expected = delivered + missing
//
// holds exactly; second copies are counted as duplicated, and messages that came
// after a later one of their lane as out of order (and as delivered).
//
// A Tally and the Tracks given to it belong to one goroutine. Counts and
// histograms of many are added up exactly.
package tally

import (
	"slices"
	"sort"
)

// Counts is what became of messages. A message to a thousand viewers counts a
// thousand times.
type Counts struct {
	Expected   uint64 `json:"expected"` // known at the end
	Delivered  uint64 `json:"delivered"`
	Missing    uint64 `json:"missing"` // known at the end
	Duplicated uint64 `json:"duplicated"`
	OutOfOrder uint64 `json:"out_of_order"`
	Late       uint64 `json:"late"`      // of the delivered, older than the plan's bound
	Misrouted  uint64 `json:"misrouted"` // of another room, or a lane that does not exist
	ToSlow     uint64 `json:"to_slow"`   // delivered to viewers that are slow on purpose, of whom nothing is expected
	Forgotten  uint64 `json:"forgotten"` // gaps that were too many to remember: their late messages would count as duplicated
}

// Add adds other to c.
func (c *Counts) Add(other Counts) {
	c.Expected += other.Expected
	c.Delivered += other.Delivered
	c.Missing += other.Missing
	c.Duplicated += other.Duplicated
	c.OutOfOrder += other.OutOfOrder
	c.Late += other.Late
	c.Misrouted += other.Misrouted
	c.ToSlow += other.ToSlow
	c.Forgotten += other.Forgotten
}

// Arrived is how many copies came, wanted or not.
func (c *Counts) Arrived() uint64 { return c.Delivered + c.Duplicated + c.Misrouted + c.ToSlow }

// Span is the message numbers from First to Last, both included.
type Span struct {
	First uint32 `json:"first"`
	Last  uint32 `json:"last"`
}

// Append adds s to a list that is in order. What follows the last one without a
// hole becomes part of it.
func Append(list []Span, s Span) []Span {
	if n := len(list); n > 0 && list[n-1].Last+1 == s.First {
		list[n-1].Last = s.Last
		return list
	}
	return append(list, s)
}

// Track follows one lane in one connection: eight bytes, and a list of gaps in
// its Tally only while there are any.
type Track struct {
	base uint32 // numbers up to here are not expected
	high uint32 // largest number seen; 0 before the first
}

// Expect returns a Track of a viewer that must get all messages but the first
// base ones. It may get some of those too, as it joins while they are under way;
// from the first it gets, it must get all.
func Expect(base uint32) Track { return Track{base: base} }

// maxSpans bounds the memory for gaps: 8 bytes each.
const maxSpans = 4 << 20

// Tally counts the messages of many Tracks.
type Tally struct {
	Counts Counts

	gaps  map[uint64][]Span // by the Track's key: numbers not seen below its high, in order
	left  map[uint64][]Span // by the Track's key: counted as missing by Leave
	spans int               // in all of gaps and left
	limit int               // of spans
	open  uint64            // numbers in all of gaps

	forgotten map[uint64]uint64 // numbers that gaps had no place for
}

// New returns an empty Tally.
func New() *Tally {
	return &Tally{
		gaps: make(map[uint64][]Span), left: make(map[uint64][]Span),
		forgotten: make(map[uint64]uint64), limit: maxSpans,
	}
}

// Gaps is how many messages are behind later ones of their lane at present:
// missing, or not yet there.
func (t *Tally) Gaps() uint64 { return t.open }

// Receive counts one arrival and reports whether it was the first of its number.
// key tells the Tracks of a Tally apart.
func (t *Tally) Receive(key uint64, tr *Track, seq uint32) (first bool) {
	switch {
	case seq == tr.high+1 && seq > tr.base:
		tr.high = seq
	case seq == 0:
		t.Counts.Misrouted++
		return false
	case tr.high == 0: // the first one
		if seq > tr.base {
			t.miss(key, tr.base+1, seq-1)
		} else {
			tr.base = seq - 1
		}
		tr.high = seq
	case seq > tr.high:
		t.miss(key, tr.high+1, seq-1)
		tr.high = seq
	case seq <= tr.base:
		// It joined earlier than its first message told.
		t.Counts.OutOfOrder++
		t.miss(key, seq+1, tr.base)
		tr.base = seq - 1
	case t.fill(key, seq):
		t.Counts.OutOfOrder++
	default:
		t.Counts.Duplicated++
		return false
	}
	t.Counts.Delivered++
	return true
}

// miss notes a gap, in its place by number.
func (t *Tally) miss(key uint64, first, last uint32) {
	if first > last {
		return
	}
	if t.spans >= t.limit {
		t.forget(key, Span{first, last})
		return
	}
	g := t.gaps[key]
	i := sort.Search(len(g), func(i int) bool { return g[i].First > first })
	t.gaps[key] = slices.Insert(g, i, Span{first, last})
	t.spans++
	t.open += uint64(last-first) + 1
}

// forget gives up telling which of a gap's numbers still come.
func (t *Tally) forget(key uint64, s Span) {
	t.Counts.Forgotten += size(s)
	t.forgotten[key] += size(s)
}

// fill takes a number out of a gap.
func (t *Tally) fill(key uint64, seq uint32) bool {
	g := t.gaps[key]
	i := sort.Search(len(g), func(i int) bool { return g[i].Last >= seq })
	if i == len(g) || g[i].First > seq {
		return false
	}
	before, after := Span{g[i].First, seq - 1}, Span{seq + 1, g[i].Last}
	rest := slices.DeleteFunc([]Span{before, after}, func(s Span) bool { return size(s) == 0 })
	t.open--
	if len(rest) == 2 && t.spans >= t.limit {
		t.forget(key, before)
		t.open -= size(before)
		rest = rest[1:]
	}
	t.spans += len(rest) - 1
	if g = slices.Replace(g, i, i+1, rest...); len(g) == 0 {
		delete(t.gaps, key)
	} else {
		t.gaps[key] = g
	}
	return true
}

// Owed is how many of the messages up to last are still to come behind the
// largest one seen.
func (tr *Track) Owed(last uint32) uint64 { return size(Span{max(tr.high, tr.base) + 1, last}) }

// Settle ends a Track: of its lane, the messages up to last were published,
// except failed, of which nobody knows; these are in order and do not overlap.
// What has not come by now is missing. A new Track may have the key afterwards.
func (t *Tally) Settle(key uint64, tr *Track, last uint32, failed []Span) {
	t.Excuse(key, failed)
	last = max(last, tr.high)
	if last <= tr.base {
		return
	}
	missing, unknown := t.forgotten[key], uint64(0)
	for _, m := range t.gaps[key] {
		missing += size(m)
		unknown += overlap(m, failed)
	}
	if seen := max(tr.high, tr.base); seen < last {
		tail := Span{seen + 1, last}
		missing += size(tail)
		unknown += overlap(tail, failed)
	}
	t.Counts.Expected += uint64(last-tr.base) - unknown
	t.Counts.Missing += missing - unknown
	t.drop(key)
}

// Leave ends a Track whose connection was closed on purpose: what was still on
// its way is not expected, but what later messages had overtaken is missing. A
// new Track may have the key afterwards, of the same lane.
func (t *Tally) Leave(key uint64, tr *Track) {
	gaps := t.gaps[key]
	if tr.high > tr.base {
		missing := t.forgotten[key]
		for _, m := range gaps {
			missing += size(m)
		}
		t.Counts.Expected += uint64(tr.high - tr.base)
		t.Counts.Missing += missing
	}
	t.drop(key)
	if n := len(gaps); n > 0 {
		t.left[key] = append(t.left[key], gaps...)
		t.spans += n
	}
}

// Excuse ends a key, all Tracks of which have left: those of their missing
// messages whose publishing failed turn out not to have been expected. Settle
// does it, too.
func (t *Tally) Excuse(key uint64, failed []Span) {
	for _, m := range t.left[key] {
		unknown := overlap(m, failed)
		t.Counts.Expected -= unknown
		t.Counts.Missing -= unknown
	}
	t.spans -= len(t.left[key])
	delete(t.left, key)
}

// overlap is how many numbers of s are in a list that is in order.
func overlap(s Span, list []Span) (n uint64) {
	i := sort.Search(len(list), func(i int) bool { return list[i].Last >= s.First })
	for ; i < len(list) && list[i].First <= s.Last; i++ {
		n += size(Span{max(s.First, list[i].First), min(s.Last, list[i].Last)})
	}
	return min(n, size(s)) // the list is the network's
}

func (t *Tally) drop(key uint64) {
	for _, m := range t.gaps[key] {
		t.open -= size(m)
		t.spans--
	}
	delete(t.gaps, key)
	delete(t.forgotten, key)
}

func size(s Span) uint64 {
	if s.First > s.Last {
		return 0
	}
	return uint64(s.Last-s.First) + 1
}

// Counts, against a model that keeps everything.

package tally

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// viewer is the naive Track: it remembers every number.
type viewer struct {
	base, high uint32
	seen       map[uint32]bool
}

// naive is the naive Tally.
type naive struct {
	Counts
	viewers map[uint64]*viewer
	left    map[uint64][]viewer
}

func (m *naive) receive(key uint64, seq uint32) {
	v := m.viewers[key]
	switch {
	case seq == 0:
		m.Misrouted++
		return
	case v.seen[seq]:
		m.Duplicated++
		return
	case seq < v.high:
		m.OutOfOrder++
	}
	m.Delivered++
	v.seen[seq] = true
	v.high = max(v.high, seq)
	v.base = min(v.base, seq-1)
}

// end counts a viewer that gets nothing any more.
func (m *naive) end(v *viewer, last uint32, failed map[uint32]bool) {
	for seq := v.base + 1; seq <= last; seq++ {
		switch {
		case v.seen[seq]:
			m.Expected++
		case !failed[seq]:
			m.Expected++
			m.Missing++
		}
	}
}

func (m *naive) gaps() (n uint64) {
	for _, v := range m.viewers {
		for seq := v.base + 1; seq < v.high; seq++ {
			if !v.seen[seq] {
				n++
			}
		}
	}
	return n
}

// TestModel: whatever comes, in whatever order, and whoever joins and leaves
// meanwhile, all counts are those of the naive bookkeeping.
func TestModel(t *testing.T) {
	const keys, lastSeq = 3, 30
	rapid.Check(t, func(t *rapid.T) {
		tally := New()
		model := &naive{viewers: make(map[uint64]*viewer), left: make(map[uint64][]viewer)}
		tracks := make(map[uint64]*Track)
		anyKey := rapid.Uint64Range(0, keys-1)
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				key := anyKey.Draw(t, "key")
				if tracks[key] != nil {
					t.Skip("is there")
				}
				base := rapid.Uint32Range(0, lastSeq/2).Draw(t, "base")
				tr := Expect(base)
				tracks[key] = &tr
				model.viewers[key] = &viewer{base: base, seen: make(map[uint32]bool)}
			},
			"receive": func(t *rapid.T) {
				key := anyKey.Draw(t, "key")
				if tracks[key] == nil {
					t.Skip("is not there")
				}
				seq := rapid.Uint32Range(0, lastSeq).Draw(t, "seq")
				wasNew := seq != 0 && !model.viewers[key].seen[seq]
				model.receive(key, seq)
				if got := tally.Receive(key, tracks[key], seq); got != wasNew {
					t.Fatalf("Receive(%d) = %v", seq, got)
				}
			},
			"leave": func(t *rapid.T) {
				key := anyKey.Draw(t, "key")
				if tracks[key] == nil {
					t.Skip("is not there")
				}
				tally.Leave(key, tracks[key])
				model.left[key] = append(model.left[key], *model.viewers[key])
				delete(tracks, key)
				delete(model.viewers, key)
			},
			"": func(t *rapid.T) {
				if got, want := tally.Gaps(), model.gaps(); got != want {
					t.Fatalf("Gaps() = %d, want %d", got, want)
				}
			},
		})
		for key := range uint64(keys) {
			failed := rapid.MapOf(rapid.Uint32Range(1, lastSeq), rapid.Just(true)).Draw(t, "failed")
			last := rapid.Uint32Range(0, lastSeq).Draw(t, "last")
			for _, v := range model.left[key] {
				model.end(&v, v.high, failed)
			}
			if tr := tracks[key]; tr == nil {
				tally.Excuse(key, spans(failed))
			} else {
				v := model.viewers[key]
				model.end(v, max(last, v.high), failed)
				tally.Settle(key, tr, last, spans(failed))
			}
		}
		if tally.Counts != model.Counts {
			t.Fatalf("%+v\nwant %+v", tally.Counts, model.Counts)
		}
		if c := tally.Counts; c.Expected != c.Delivered+c.Missing {
			t.Fatalf("expected is not delivered and missing: %+v", c)
		}
		if tally.spans != 0 || tally.open != 0 || len(tally.gaps)+len(tally.left)+len(tally.forgotten) != 0 {
			t.Fatalf("left over: %+v", tally)
		}
	})
}

// spans writes a set as a list in order.
func spans(set map[uint32]bool) (list []Span) {
	var all []uint32
	for seq := range set {
		all = append(all, seq)
	}
	slices.Sort(all)
	for _, seq := range all {
		if n := len(list); n > 0 && list[n-1].Last == seq-1 {
			list[n-1].Last = seq
		} else {
			list = append(list, Span{seq, seq})
		}
	}
	return list
}

func TestReceive(t *testing.T) {
	for _, tt := range []struct {
		name   string
		base   uint32
		seqs   []uint32
		last   uint32
		failed []Span
		want   Counts
	}{
		{name: "all", seqs: []uint32{1, 2, 3}, last: 3, want: Counts{Expected: 3, Delivered: 3}},
		{name: "nothing", last: 3, want: Counts{Expected: 3, Missing: 3}},
		{name: "nothing was sent"},
		{name: "dropped", seqs: []uint32{1, 3}, last: 4, want: Counts{Expected: 4, Delivered: 2, Missing: 2}},
		{name: "duplicated", seqs: []uint32{1, 1, 2, 1}, last: 2, want: Counts{Expected: 2, Delivered: 2, Duplicated: 2}},
		{name: "swapped", seqs: []uint32{2, 1, 3}, last: 3, want: Counts{Expected: 3, Delivered: 3, OutOfOrder: 1}},
		{name: "failed", seqs: []uint32{1, 5}, last: 8, failed: []Span{{2, 3}, {7, 9}}, want: Counts{Expected: 4, Delivered: 2, Missing: 2}},
		{name: "failed, but came", seqs: []uint32{1, 2}, last: 2, failed: []Span{{2, 2}}, want: Counts{Expected: 2, Delivered: 2}},
		{name: "joined", base: 5, seqs: []uint32{6, 7}, last: 7, want: Counts{Expected: 2, Delivered: 2}},
		{name: "joined, got earlier ones", base: 5, seqs: []uint32{4, 5, 6}, last: 6, want: Counts{Expected: 3, Delivered: 3}},
		{name: "joined, earlier ones with a gap", base: 5, seqs: []uint32{3, 5}, last: 6, want: Counts{Expected: 4, Delivered: 2, Missing: 2}},
		{name: "joined, the end never came", base: 5, last: 7, want: Counts{Expected: 2, Missing: 2}},
		{name: "joined after the end", base: 5, last: 5},
		{name: "more than was sent", seqs: []uint32{9}, last: 3, want: Counts{Expected: 9, Delivered: 1, Missing: 8}},
		{name: "largest number", seqs: []uint32{math.MaxUint32, 1}, last: 3,
			want: Counts{Expected: math.MaxUint32, Delivered: 2, Missing: math.MaxUint32 - 2, OutOfOrder: 1}},
		{name: "number 0", seqs: []uint32{0}, want: Counts{Misrouted: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tally, tr := New(), Expect(tt.base)
			for _, seq := range tt.seqs {
				tally.Receive(7, &tr, seq)
			}
			tally.Settle(7, &tr, tt.last, tt.failed)
			if tally.Counts != tt.want {
				t.Errorf("%+v\nwant %+v", tally.Counts, tt.want)
			}
		})
	}
}

// TestLimit: gaps that there is no memory for are missing, and say that what
// comes of them late looks like a duplicate.
func TestLimit(t *testing.T) {
	tally, tr := New(), Expect(0)
	tally.limit = 2
	for _, seq := range []uint32{3, 6, 9, 7, 4} { // gaps 1-2, 4-5, and 7-8 forgotten
		tally.Receive(7, &tr, seq)
	}
	tally.Settle(7, &tr, 9, nil)
	want := Counts{Expected: 9, Delivered: 4, Missing: 5, OutOfOrder: 1, Duplicated: 1, Forgotten: 2}
	if tally.Counts != want || tally.spans != 0 || tally.open != 0 {
		t.Errorf("%+v\nwant %+v", tally, want)
	}

	tally, tr = New(), Expect(0)
	tally.limit = 1
	tally.Receive(7, &tr, 6)
	tally.Receive(7, &tr, 3) // splits 1-5: 1-2 is forgotten
	if tally.spans != 1 || tally.Gaps() != 2 {
		t.Errorf("%d spans, %d gaps", tally.spans, tally.Gaps())
	}
	tally.Leave(7, &tr)
	want = Counts{Expected: 6, Delivered: 2, Missing: 4, OutOfOrder: 1, Forgotten: 2}
	if tally.Counts != want {
		t.Errorf("%+v\nwant %+v", tally.Counts, want)
	}
}

// TestBadLists: lists of failures come over the network. Nonsense in them gives
// wrong counts, not a wrapped sum.
func TestBadLists(t *testing.T) {
	for _, failed := range [][]Span{{{5, 1}}, {{1, 9}, {1, 9}}, {{0, math.MaxUint32}, {0, math.MaxUint32}}} {
		tally, tr := New(), Expect(0)
		tally.Receive(7, &tr, 5)
		tally.Settle(7, &tr, 9, failed)
		if c := tally.Counts; c.Missing > 8 || c.Expected != c.Delivered+c.Missing {
			t.Errorf("%v: %+v", failed, c)
		}
	}
}

// TestCountsAdd: it forgets no field.
func TestCountsAdd(t *testing.T) {
	var a, b Counts
	va, vb := reflect.ValueOf(&a).Elem(), reflect.ValueOf(&b).Elem()
	for i := range va.NumField() {
		va.Field(i).SetUint(uint64(100 + i))
		vb.Field(i).SetUint(uint64(i))
	}
	sum := a
	sum.Add(b)
	for i := range va.NumField() {
		if got := reflect.ValueOf(sum).Field(i).Uint(); got != uint64(100+2*i) {
			t.Errorf("%s is %d", va.Type().Field(i).Name, got)
		}
	}
}

// TestInOrderAllocatesNothing: so it is with nearly all messages.
func TestInOrderAllocatesNothing(t *testing.T) {
	tally, tr, seq := New(), Expect(0), uint32(0)
	if n := testing.AllocsPerRun(100, func() { seq++; tally.Receive(7, &tr, seq) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkReceive(b *testing.B) {
	tally, tr, seq := New(), Expect(0), uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		seq++
		tally.Receive(7, &tr, seq)
	}
}

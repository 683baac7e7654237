package memory_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

// said is a message as the model remembers it, for ever.
type said struct {
	offset uint64
	at     time.Duration
}

// A model is one room of whose messages nothing is thrown away; what a history
// keeps of them is worked out anew each time.
type model struct {
	keep    broker.Retention
	epoch   string // "": unknown yet, or ended
	all     []said // of the epoch
	touched time.Duration
	now     time.Duration
}

// settle ends the epoch if its newest message is too old.
func (o *model) settle() {
	if o.now-o.touched >= o.keep.Age {
		o.epoch, o.all = "", nil
	}
}

// touch follows the memory into an epoch that it has begun.
func (o *model) touch(t *rapid.T, epoch string) {
	if o.epoch == "" {
		o.epoch, o.all, o.touched = epoch, nil, o.now
	}
	if epoch != o.epoch {
		t.Fatalf("epoch %s, want %s", epoch, o.epoch)
	}
}

// page is what a query must be answered with.
func (o *model) page(q broker.Query) (offsets []uint64, gap *broker.Gap, more bool) {
	for i, m := range o.all {
		if len(o.all)-i <= o.keep.Messages && o.now-m.at < o.keep.Age {
			offsets = append(offsets, m.offset)
		}
	}
	head := uint64(len(o.all))
	first := head + 1 - uint64(len(offsets))
	newest := q.After == nil
	if q.After != nil {
		after := *q.After
		if after == (broker.Position{}) {
			after.Epoch = o.epoch
		}
		switch {
		case after.Epoch != o.epoch || after.Offset > head:
			gap = &broker.Gap{Epoch: after.Epoch, From: after.Offset + 1, Reason: broker.GapEpoch}
			newest = true
		case after.Offset+1 < first:
			gap = &broker.Gap{Epoch: o.epoch, From: after.Offset + 1, To: first - 1, Reason: broker.GapTrimmed}
		default:
			offsets = offsets[after.Offset+1-first:]
		}
	}
	switch {
	case q.Limit <= 0 || len(offsets) <= q.Limit:
	case newest:
		offsets = offsets[len(offsets)-q.Limit:]
	default:
		offsets, more = offsets[:q.Limit], true
	}
	return offsets, gap, more
}

// TestModel drives one room with random operations and compares each page with
// the model's.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := &model{keep: broker.Retention{Messages: rapid.IntRange(1, 9).Draw(t, "messages"), Age: 100 * time.Second}}
		clock := &clock{}
		m, err := memory.New(memory.Config{Rules: broker.Rules{{Pattern: "*", Retention: o.keep}}, Now: clock.Now}, nobody{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		ctx := context.Background()
		epochs := []string{"", "other"}
		follow := func(t *rapid.T, epoch string) {
			o.touch(t, epoch)
			if !slices.Contains(epochs, epoch) {
				epochs = append(epochs, epoch)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) {
				for range rapid.IntRange(1, 5).Draw(t, "count") {
					r, err := m.Publish(ctx, &broker.Publication{Room: "r"})
					if err != nil {
						t.Fatal(err)
					}
					o.settle()
					follow(t, r.Position.Epoch)
					o.all, o.touched = append(o.all, said{r.Position.Offset, o.now}), o.now
					if r.Position.Offset != uint64(len(o.all)) {
						t.Fatalf("published at %+v, want %d", r.Position, len(o.all))
					}
				}
			},
			"time": func(t *rapid.T) {
				d := time.Duration(rapid.SampledFrom([]int{1, 10, 40, 99, 100}).Draw(t, "seconds")) * time.Second
				o.now += d
				clock.Advance(d)
			},
			"sweep": func(*rapid.T) { m.SweepAll() },
			"clear": func(t *rapid.T) {
				if err := m.Clear(ctx, "r"); err != nil {
					t.Fatal(err)
				}
				o.epoch, o.all = "", nil
			},
			"history": func(t *rapid.T) {
				q := broker.Query{Limit: rapid.IntRange(-1, 10).Draw(t, "limit"), Begin: rapid.Bool().Draw(t, "begin")}
				if rapid.Bool().Draw(t, "after") {
					q.After = &broker.Position{
						Epoch:  rapid.SampledFrom(epochs).Draw(t, "epoch"),
						Offset: rapid.OneOf(rapid.Uint64Range(0, 20), rapid.Just(^uint64(0))).Draw(t, "offset"),
					}
				}
				page, err := m.History(ctx, "r", q)
				if err != nil {
					t.Fatal(err)
				}
				o.settle()
				if begun := q.Begin && o.epoch == ""; page.Begun != begun || page.Head.Epoch == "" && (begun || o.epoch != "") {
					t.Fatalf("query %+v: head %+v, begun %v, in epoch %q", q, page.Head, page.Begun, o.epoch)
				}
				if page.Head.Epoch != "" {
					follow(t, page.Head.Epoch)
				}
				offsets, gap, more := o.page(q)
				var got []uint64
				for _, m := range page.Messages {
					got = append(got, m.Offset)
				}
				if !slices.Equal(got, offsets) || page.More != more || page.Head.Offset != uint64(len(o.all)) ||
					(page.Gap == nil) != (gap == nil) || gap != nil && *page.Gap != *gap {
					t.Fatalf("query %+v: offsets %v, gap %+v, more %v, head %+v; want %v, %+v, %v, %d",
						q, got, page.Gap, page.More, page.Head, offsets, gap, more, len(o.all))
				}
			},
			"": func(t *rapid.T) {
				if err := m.Audit(); err != nil {
					t.Fatal(err)
				}
			},
		})
	})
}

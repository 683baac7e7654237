package history

import (
	"context"
	"slices"
	"testing"

	"barrage/internal/broker"
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

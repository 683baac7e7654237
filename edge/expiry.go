// Expiry: a message with a TTL is given to nobody once that is over. It is left
// out where pages are read and where messages come to this node; what waits behind
// that, in a room's log for a viewer who is slow, still goes out.

package edge

import (
	"cmp"
	"context"
	"slices"
	"time"

	"barrage/internal/broker"
)

// maxTTL bounds a message's TTL: what waits for users waits for a week.
const maxTTL = 7 * 24 * 60 * 60 * 1000 // milliseconds

// expired goes by this node's clock, and the message by that of whoever accepted
// it: they must agree as well as a TTL is to be kept.
func expired(m *broker.Message) bool { return m.TTL > 0 && time.Now().UnixMilli() >= m.Expires() }

// readHistory reads a part of a room's history without what has expired. Where
// that is a whole page it reads on: who is told that there is more asks for what is
// behind the last message they got, and needs one.
func readHistory(ctx context.Context, b broker.Broker, room string, q broker.Query) (broker.Page, error) {
	page, err := b.History(ctx, room, q)
	all, gap := page.Messages, page.Gap
	page.Messages = unexpired(all)
	for err == nil && page.More && len(page.Messages) == 0 && len(all) > 0 {
		last := all[len(all)-1]
		// Not by q's limit: one message each time could be a thousand times.
		page, err = b.History(ctx, room, broker.Query{After: &broker.Position{Epoch: last.Epoch, Offset: last.Offset}, Limit: max(q.Limit, maxPage)})
		all, gap = page.Messages, joinGaps(gap, page.Gap)
		page.Messages, page.Gap = unexpired(all), gap
	}
	if q.Limit > 0 && len(page.Messages) > q.Limit {
		page.Messages, page.More = page.Messages[:q.Limit], true
	}
	return page, err
}

func unexpired(all []*broker.Message) []*broker.Message {
	if !slices.ContainsFunc(all, expired) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), expired)
}

// joinGaps is a gap that begins where the first does and ends where the second
// does. Either may be nil.
func joinGaps(first, second *broker.Gap) *broker.Gap {
	if first == nil || second == nil {
		return cmp.Or(first, second)
	}
	return &broker.Gap{Epoch: second.Epoch, From: first.From, To: second.To, Reason: second.Reason}
}

// Histories by command, and what of them a user has dealt with.

package edge

import (
	"context"
	"time"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

type historyReply struct {
	Room     string         `json:"room"`
	Epoch    string         `json:"epoch,omitempty"`
	Offset   uint64         `json:"offset"` // the newest message's
	Messages []*messageJSON `json:"messages"`
	Gap      *gapJSON       `json:"gap,omitempty"`
	More     bool           `json:"more,omitempty"` // ask again since the last of them
}

// cmdHistory reads from a room's history.
func (s *shard) cmdHistory(c *client, cmd *command) error {
	if err := s.mayJoin(c, cmd.Room); err != nil {
		return err
	}
	limit, err := bounded("limit", cmd.Limit, 50, maxPage)
	if err != nil {
		return err
	}
	id, room := cmd.ID, cmd.Room
	if !s.srv.fetcher.get(room, broker.Query{After: cmd.Since.position(), Limit: limit}, func(page broker.Page, err error) {
		s.post(c, func() {
			left := s.pageRoom(c)
			switch {
			case err != nil:
				s.replyError(c, id, err)
			case left == 0:
				s.replyError(c, id, refusal.TooMany("overloaded", "answers to earlier commands have not been read yet", time.Second))
			default:
				s.reply(c, id, historyOf(room, &page, left))
			}
		})
	}) {
		return refusal.TooMany("overloaded", "too many histories are being read", time.Second)
	}
	return nil
}

// historyOf takes at least one message, and so many as have room.
func historyOf(room string, page *broker.Page, left int) *historyReply {
	r := &historyReply{Room: room, Epoch: page.Head.Epoch, Offset: page.Head.Offset, Gap: gapOf(page.Gap), More: page.More}
	r.Messages = make([]*messageJSON, 0, len(page.Messages))
	for _, m := range page.Messages {
		j := messageOf(m)
		if left -= j.size(); left < 0 && len(r.Messages) > 0 {
			r.More = true
			break
		}
		r.Messages = append(r.Messages, j)
	}
	return r
}

// cmdAck notes how far a user has dealt with the messages to them.
func (s *shard) cmdAck(c *client, cmd *command) error {
	room := cmd.Room
	if room == "" {
		room = broker.UserPrefix + c.user()
	}
	if c.user() == "" || room != broker.UserPrefix+c.user() {
		return refusal.New(403, "forbidden", "only messages to oneself can be acknowledged")
	}
	if cmd.Epoch == "" || cmd.Offset == 0 {
		return refusal.New(400, "bad_command", "ack needs epoch and offset")
	}
	id, pos := cmd.ID, broker.Position{Epoch: cmd.Epoch, Offset: cmd.Offset}
	return s.later(c, id, func(ctx context.Context) (any, error) {
		return empty{}, s.srv.broker.Acknowledge(ctx, room, pos)
	})
}

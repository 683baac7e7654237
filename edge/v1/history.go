// The command history.

package v1

import (
	"barrage/edge/conn"
	"barrage/edge/history"
	"barrage/internal/broker"
)

type historyReply struct {
	Room     string         `json:"room"`
	Epoch    string         `json:"epoch,omitempty"`
	Offset   uint64         `json:"offset"` // the newest message's
	Messages []*messageJSON `json:"messages"`
	Gap      *gapPush       `json:"gap,omitempty"`
	More     bool           `json:"more,omitempty"` // ask again since the last of them
}

// cmdHistory reads from a room's history.
func cmdHistory(p *protocol, _ *conn.Read, c *client, cmd *command) error {
	if err := p.mayJoin(c, cmd.Room); err != nil {
		return err
	}
	limit, err := bounded("limit", cmd.Limit, 50, history.MaxPage)
	if err != nil {
		return err
	}
	id, room := cmd.ID, cmd.Room
	return p.fetch(c, room, broker.Query{After: cmd.Since.position(), Limit: limit}, func(page *broker.Page, err error) {
		left := p.room(nil, c)
		switch {
		case err != nil:
			p.replyError(nil, c, id, err)
		case left == 0:
			p.replyError(nil, c, id, errUnread)
		default:
			p.reply(nil, c, id, historyOf(room, page, left))
		}
	})
}

// historyOf takes at least one message, and so many as have room.
func historyOf(room string, page *broker.Page, left int) *historyReply {
	a := &historyReply{Room: room, Epoch: page.Head.Epoch, Offset: page.Head.Offset, Gap: gapOf(page.Gap), More: page.More}
	a.Messages = make([]*messageJSON, 0, len(page.Messages))
	for _, m := range page.Messages {
		j := messageOf(m)
		if left -= j.size(); left < 0 && len(a.Messages) > 0 {
			a.More = true
			break
		}
		a.Messages = append(a.Messages, j)
	}
	return a
}

// The command history.

package v1

import (
	"barrage/edge/conn"
	"barrage/edge/history"
	"barrage/edge/share"
	"barrage/internal/broker"
)

type historyReply struct {
	Room     string   `json:"room"`
	Epoch    string   `json:"epoch,omitempty"`
	Offset   uint64   `json:"offset"` // the newest message's
	Messages messages `json:"messages"`
	Gap      *gapPush `json:"gap,omitempty"`
	More     bool     `json:"more,omitempty"` // ask again since the last of them
}

func (a *historyReply) list() messages { return a.Messages }

// cmdHistory reads from a room's history.
func cmdHistory(p *protocol, _ *conn.Read, c *client, cmd *command) error {
	if err := p.mayLook(c, cmd.Room); err != nil {
		return err
	}
	limit, err := bounded("limit", cmd.Limit, 50, history.MaxPage)
	if err != nil {
		return err
	}
	if err := p.mayAsk(c); err != nil {
		return err
	}
	id, room, newest := uint64(cmd.ID), cmd.Room, cmd.Since == nil
	return p.fetch(c, history.Ask{Class: share.History, Room: room, Query: broker.Query{After: cmd.Since.position(), Limit: limit}}, func(page *page, err error) {
		left := p.room(nil, c)
		switch {
		case err != nil:
			p.replyError(nil, c, id, err)
		case left == 0:
			p.replyError(nil, c, id, errUnread)
		default:
			p.reply(nil, c, id, historyOf(room, page, newest, left))
		}
	})
}

// historyOf takes at least one message, and so many as have room: of those behind a
// position the oldest, else the newest.
func historyOf(room string, page *page, newest bool, left int) *historyReply {
	a := &historyReply{Room: room, Epoch: page.Head.Epoch, Offset: page.Head.Offset, Gap: gapOf(page.Gap), More: page.More}
	from, to := 0, len(page.json)
	if newest {
		from = page.json.last(left, 1)
	} else if to = page.json.first(left, 1); to < len(page.json) {
		a.More = true
	}
	a.Messages = append(messages{}, page.json[from:to]...)
	return a
}

// What a client has under way: for most, most of the time, nothing.

package v1

import (
	"context"
	"slices"

	"barrage/edge/conn"
	"barrage/edge/delivery"
	"barrage/edge/hooks"
)

// pending is there while something is. Owner: the loop's goroutine.
type pending struct {
	joins    []*joining
	gaps     []roomGap   // to be told as soon as the socket takes bytes again
	requests int         // to backends
	serving  *serving    // requests of others; nil: it is no worker
	proving  bool        // what the command auth brought is being checked
	tries    int         // logins that were refused
	line     *hooks.Line // of messages that backends are asked about; nil: there are none

	gone  context.Context // of the requests; ends with the connection; nil before the first
	leave context.CancelFunc
}

// roomGap is a gap of which a client has not been told yet.
type roomGap struct {
	room string
	delivery.Skips
}

// begin is where something under way is noted.
func (c *client) begin() *pending {
	if c.pending == nil {
		c.pending = new(pending)
	}
	return c.pending
}

// ended forgets the notes once nothing is under way.
func (c *client) ended() {
	d := c.pending
	if d == nil || len(d.joins) > 0 || len(d.gaps) > 0 || d.requests > 0 || d.serving != nil || d.proving || d.tries > 0 || d.line != nil {
		return
	}
	if d.leave != nil {
		d.leave()
	}
	c.pending = nil
}

// joins are the joins under way.
func (c *client) joins() []*joining {
	if c.pending == nil {
		return nil
	}
	return c.pending.joins
}

// joining returns the join of a room that is under way, nil if there is none.
func (c *client) joining(room string) *joining {
	for _, j := range c.joins() {
		if j.room == room {
			return j
		}
	}
	return nil
}

// skipped applies the slow-viewer policy.
func (p *protocol) skipped(c *client, room string, lost delivery.Skips) {
	switch {
	case p.loop.TooSlow(c.ID) || !conn.IsPublic(room):
	case p.loop.Blocked(c.ID):
		c.noteGap(room, lost)
	default:
		p.push(nil, c, slowGap(room, lost))
	}
}

func slowGap(room string, lost delivery.Skips) *gapPush {
	g := &gapPush{Push: "gap", Room: room, Count: lost.N, Reason: "slow"}
	g.From, g.To = lost.Offsets()
	return g
}

// noteGap keeps one gap for each room: a client that is stuck for long must not be
// owed more and more words about it.
func (c *client) noteGap(room string, lost delivery.Skips) {
	if i := c.gapIn(room); i >= 0 {
		c.pending.gaps[i].Add(lost)
		return
	}
	d := c.begin()
	d.gaps = append(d.gaps, roomGap{room, lost})
}

func (c *client) gapIn(room string) int {
	if c.pending == nil {
		return -1
	}
	return slices.IndexFunc(c.pending.gaps, func(g roomGap) bool { return g.room == room })
}

func (c *client) forgetGap(room string) {
	if i := c.gapIn(room); i >= 0 {
		c.pending.gaps = slices.Delete(c.pending.gaps, i, i+1)
		c.ended()
	}
}

// tellGaps is for a client whose socket takes bytes again. What its rooms say next
// follows.
func (p *protocol) tellGaps(c *client) {
	if c.pending == nil {
		return
	}
	gaps := c.pending.gaps
	c.pending.gaps = nil
	c.ended()
	for i := range gaps {
		p.push(nil, c, slowGap(gaps[i].room, gaps[i].Skips))
	}
}

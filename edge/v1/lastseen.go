// The command last_seen.

package v1

import (
	"context"

	"barrage/edge/conn"
	"barrage/edge/share"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

type lastSeenReply struct {
	User     string `json:"user"`
	Online   bool   `json:"online"`
	LastSeen int64  `json:"last_seen,omitempty"` // milliseconds since the Unix epoch
}

// cmdLastSeen tells when a user was here last, to those who have a right to know. To share a
// room is none: who is in it presence tells already, and who was there once is not kept.
func cmdLastSeen(p *protocol, _ *conn.Read, c *client, cmd *command) error {
	user, err := broker.UserID(cmd.User)
	if err != nil {
		return err
	}
	if !c.Rights.MaySee(c.User(), user) {
		return refusal.New(403, "forbidden", "this connection may not know when user "+user+" was here")
	}
	return p.later(share.Presence, c, uint64(cmd.ID), func(ctx context.Context) (any, error) {
		a := &lastSeenReply{User: user, Online: p.node.Online(ctx, user)}
		at, err := p.node.Presence.LastSeen(ctx, user)
		if err != nil {
			return nil, broker.ErrUnavailable
		}
		if !at.IsZero() {
			a.LastSeen = at.UnixMilli()
		}
		return a, nil
	})
}

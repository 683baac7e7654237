// The command ack.

package v1

import (
	"context"

	"barrage/edge/conn"
	"barrage/edge/share"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// cmdAck notes how far a user has dealt with the messages to them.
func cmdAck(p *protocol, _ *conn.Read, c *client, cmd *command) error {
	own := broker.UserRoom(c.User())
	if c.User() == "" || cmd.Room != "" && cmd.Room != own {
		return refusal.New(403, "forbidden", "only messages to oneself can be acknowledged")
	}
	if cmd.Epoch == "" || cmd.Offset == 0 {
		return badCommand("ack needs epoch and offset")
	}
	pos := broker.Position{Epoch: cmd.Epoch, Offset: uint64(cmd.Offset)}
	return p.later(share.Mail, c, uint64(cmd.ID), func(ctx context.Context) (any, error) {
		return empty{}, p.node.Broker.Acknowledge(ctx, own, pos)
	})
}

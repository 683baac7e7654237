// The command ping.

package v1

import (
	"time"

	"barrage/edge/conn"
)

type pingReply struct {
	Time        int64  `json:"time"`
	Room        string `json:"room,omitempty"`
	Users       *int   `json:"users,omitempty"`
	Connections *int   `json:"connections,omitempty"`
}

// cmdPing answers with the server's time, and how many are in a room.
func cmdPing(p *protocol, r *conn.Read, c *client, cmd *command) error {
	a := pingReply{Time: time.Now().UnixMilli()}
	if cmd.Room != "" {
		if err := p.mayLook(c, cmd.Room); err != nil {
			return err
		}
		users, connections := p.node.Count(cmd.Room)
		a.Room, a.Users, a.Connections = cmd.Room, &users, &connections
	}
	p.reply(r, c, uint64(cmd.ID), &a)
	return nil
}

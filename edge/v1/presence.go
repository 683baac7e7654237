// The command presence, and the pushes of that name: who is in a room, who comes and
// goes.

package v1

import (
	"context"
	"encoding/json"

	"github.com/valyala/bytebufferpool"

	"barrage/edge/conn"
	"barrage/edge/node"
	"barrage/edge/presence"
	"barrage/edge/share"
	"barrage/internal/broker"
)

const (
	maxUsers = 500 // users in one reply

	// kindPresence is that of messages between nodes; no kind of the outside begins so.
	kindPresence = "\x00presence"
	// presencePrefix begins the name of the room through which clients that asked for
	// it hear who comes and goes.
	presencePrefix = conn.InternalPrefix + "presence:"
)

type presenceReply struct {
	Room        string           `json:"room"`
	List        []*presence.User `json:"list"`               // newest first
	Complete    bool             `json:"complete,omitempty"` // the list has all users
	Users       int              `json:"users"`
	Connections int              `json:"connections"`
}

// presencePush tells who came or went, or, in large rooms, how many there are.
type presencePush struct {
	Push        string           `json:"push"` // "presence"
	Room        string           `json:"room"`
	Join        *presence.User   `json:"join,omitempty"`
	Leave       *presence.User   `json:"leave,omitempty"`
	Joined      []*presence.User `json:"joined,omitempty"` // a sample
	Users       int              `json:"users"`
	Connections int              `json:"connections"`
	Exact       bool             `json:"exact,omitempty"` // ask for the list again: from now on each join and leave is told
}

// cmdPresence lists who is in a room.
func cmdPresence(p *protocol, _ *conn.Read, c *client, cmd *command) error {
	if err := p.mayLook(c, cmd.Room); err != nil {
		return err
	}
	limit, err := bounded("limit", cmd.Limit, 100, maxUsers)
	if err != nil {
		return err
	}
	room := cmd.Room
	return p.later(share.Presence, c, uint64(cmd.ID), func(ctx context.Context) (any, error) {
		l, err := p.node.Presence.Cluster(ctx, room, limit) // with an error, this node's: better than none
		a := &presenceReply{Room: room, List: make([]*presence.User, 0, len(l.Users)), Complete: l.Complete && err == nil, Users: l.Total, Connections: l.Connections}
		for _, e := range l.Users {
			a.List = append(a.List, e.User)
		}
		return a, nil
	})
}

// announce has clients told, on all nodes, who came and went. What is for members on all
// nodes goes through the broker.
func announce(n *node.Node) {
	n.Delivery.Internal(kindPresence, func(m *broker.Message) {
		var push presencePush
		if json.Unmarshal(m.Payload, &push) == nil {
			tell(n, m.Room, &push)
		}
	})
	n.Announce = append(n.Announce, func(c *presence.Change) { announceChange(n, c) })
}

func announceChange(n *node.Node, c *presence.Change) {
	if n.Moderation.Quiet(c.Room) {
		return
	}
	push := pushOfChange(c)
	if c.Kind == presence.Summary && !c.Exact {
		tell(n, c.Room, push)
		return
	}
	if body, err := json.Marshal(push); err == nil {
		n.Broker.TryPublish(&broker.Publication{Room: c.Room, Kind: kindPresence, Format: broker.JSON, Payload: body, Forget: true}, nil)
	}
}

func pushOfChange(c *presence.Change) *presencePush {
	push := &presencePush{Push: "presence", Room: c.Room, Users: c.Count, Connections: c.Connections, Exact: c.Exact, Joined: c.Joined}
	switch c.Kind {
	case presence.Join:
		push.Join = c.User
	case presence.Leave:
		push.Leave = c.User
	}
	return push
}

// tell tells the members here that asked for it. A node too far behind leaves it out:
// the next ping has the counts.
func tell(n *node.Node, room string, push *presencePush) {
	var buf bytebufferpool.ByteBuffer
	n.Delivery.Tell(presencePrefix+room, appendJSON(&buf, push))
}

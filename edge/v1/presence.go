// The command presence, and the pushes of that name: who is in a room, who comes and
// goes, and what they say of themselves.

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
	Room        string      `json:"room"`
	List        []*userJSON `json:"list"`               // newest first
	Complete    bool        `json:"complete,omitempty"` // the list has all users
	Users       int         `json:"users"`
	Connections int         `json:"connections"`
}

// presencePush tells who came or went, or, in large rooms, how many there are.
type presencePush struct {
	Push        string      `json:"push"` // "presence"
	Room        string      `json:"room"`
	Join        *userJSON   `json:"join,omitempty"`
	Leave       *userJSON   `json:"leave,omitempty"`
	Update      *userJSON   `json:"update,omitempty"`
	Joined      []*userJSON `json:"joined,omitempty"` // a sample
	Users       int         `json:"users"`
	Connections int         `json:"connections"`
	Exact       bool        `json:"exact,omitempty"` // ask for the list again: from now on each join and leave is told
}

// presenceNotice is a push as nodes tell it each other.
type presenceNotice struct {
	presencePush
	At int64 `json:"at,omitempty"` // of the status that Update has
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
		a := &presenceReply{Room: room, List: make([]*userJSON, 0, len(l.Users)), Complete: l.Complete && err == nil, Users: l.Total, Connections: l.Connections}
		for _, e := range l.Users {
			a.List = append(a.List, userOf(e.User, e.Status))
		}
		return a, nil
	})
}

// announce has clients told, on all nodes, who came and went. What is for members on all
// nodes goes through the broker.
func announce(n *node.Node) {
	n.Delivery.Internal(kindPresence, func(m *broker.Message) {
		var heard presenceNotice
		if json.Unmarshal(m.Payload, &heard) != nil {
			return
		}
		if u := heard.Update; u != nil {
			n.Presence.HeardStatus(m.Room, u.ID, &presence.Status{Text: u.Status, Data: u.Data, At: heard.At})
		}
		tell(n, m.Room, &heard.presencePush)
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
	notice := presenceNotice{presencePush: *push}
	if c.Kind == presence.Restate {
		notice.At = c.Status.At
	}
	if body, err := json.Marshal(&notice); err == nil {
		n.Broker.TryPublish(&broker.Publication{Room: c.Room, Kind: kindPresence, Format: broker.JSON, Payload: body, Forget: true}, nil)
	}
}

func pushOfChange(c *presence.Change) *presencePush {
	push := &presencePush{Push: "presence", Room: c.Room, Users: c.Count, Connections: c.Connections, Exact: c.Exact}
	for _, u := range c.Joined {
		push.Joined = append(push.Joined, userOf(u, nil))
	}
	switch c.Kind {
	case presence.Join:
		push.Join = userOf(c.User, c.Status)
	case presence.Leave:
		push.Leave = userOf(c.User, nil)
	case presence.Restate:
		push.Update = userOf(c.User, c.Status)
	}
	return push
}

// tell tells the members here that asked for it. A node too far behind leaves it out:
// the next ping has the counts.
func tell(n *node.Node, room string, push *presencePush) {
	var buf bytebufferpool.ByteBuffer
	n.Delivery.Tell(presencePrefix+room, appendJSON(&buf, push))
}

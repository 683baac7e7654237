// The command publish.

package v1

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/edge/node"
	"barrage/edge/publish"
	"barrage/edge/share"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

type publishReply struct {
	MessageID string `json:"message_id"`
	Epoch     string `json:"epoch,omitempty"`
	Offset    uint64 `json:"offset,omitempty"`
	LocalOnly bool   `json:"local_only,omitempty"`   // the other nodes cannot be reached at present
	Replayed  bool   `json:"replayed,omitempty"`     // the key was seen before
	Sampled   bool   `json:"sampled,omitempty"`      // the room is hot: others do not get it
	Online    *bool  `json:"online,omitempty"`       // publish to a user: are they connected?
	Delivered *int   `json:"delivered_to,omitempty"` // publish to a device: how many of its connections got it
}

// cmdPublish replies when the broker has the message.
func cmdPublish(p *protocol, r *conn.Read, c *client, cmd *command) error {
	p.node.Publisher.Received.Add(1)
	m, err := p.publication(c, cmd)
	if err != nil {
		return err
	}
	if err := CheckSize(p.node, m); err != nil {
		return err
	}
	if ok, wait := r.TakePublish(len(m.Payload)); !ok {
		p.node.Publisher.Refused.Add(publish.Rate)
		return refusal.TooMany("rate_limited", "this connection's publish rate is used up", wait)
	}
	to, id := cmd.To, uint64(cmd.ID)
	if c.pending != nil && c.pending.line != nil || p.node.Hooks.AsksToPublish(m.Room) {
		return p.askToPublish(c, id, to, m)
	}
	return p.publish(c, id, to, m)
}

// publish gives the broker what may be published.
func (p *protocol) publish(c *client, id uint64, to string, m *broker.Publication) error {
	single, own := m.Single(), p.node.Publisher.Own(m)
	if !p.node.Publisher.Try(m, func(got broker.Receipt, err error) {
		p.loop.Post(&c.Client, func() {
			if got.Sampled && own != nil {
				p.showOwn(c, own, got.ID)
			}
			p.onPublished(c, id, to, single, &got, err)
		})
	}) {
		return publish.Overloaded
	}
	return nil
}

func (p *protocol) onPublished(c *client, id uint64, to string, single bool, got *broker.Receipt, err error) {
	if err != nil {
		p.replyError(nil, c, id, err)
		return
	}
	a := published(got, single)
	if to == "" || single {
		p.reply(nil, c, id, a)
		return
	}
	// Whether the user written to is there, other nodes may have to be asked.
	if err := p.later(share.Mail, c, id, func(ctx context.Context) (any, error) {
		online := p.node.Online(ctx, to)
		a.Online = &online
		return a, nil
	}); err != nil {
		p.reply(nil, c, id, a) // the message is published all the same
	}
}

// showOwn pushes a client its own message, which its room has left out, if it is there.
func (p *protocol) showOwn(c *client, own *broker.Message, id string) {
	if !slices.Contains(slices.Collect(p.loop.Rooms(c.ID)), own.Room) {
		return
	}
	own.ID = id
	push := pushTo(p.loop, &c.Client, own)
	push.Sampled = true
	p.push(nil, c, push)
}

func published(got *broker.Receipt, single bool) *publishReply {
	a := &publishReply{MessageID: got.ID, Epoch: got.Position.Epoch, Offset: got.Position.Offset, LocalOnly: got.LocalOnly, Replayed: got.Replayed, Sampled: got.Sampled}
	if single {
		a.Delivered = &got.Members
	}
	return a
}

// publication checks what a client wants published.
func (p *protocol) publication(c *client, cmd *command) (*broker.Publication, error) {
	room, err := p.target(c, cmd)
	if err != nil {
		return nil, err
	}
	m, err := cmd.publication(p.node, room, c.User(), c.Rights)
	if err == nil {
		m.Sender, m.From, m.NoEcho = p.loop.Sender(&c.Client), p.loop.From(c.ID), p.noEcho(c, cmd, room)
	}
	return m, err
}

// publication checks what a user wants published to a room.
func (cmd *command) publication(n *node.Node, room, user string, rights auth.Rights) (*broker.Publication, error) {
	if err := n.Publisher.Allowed(user, rights, room); err != nil {
		return nil, err
	}
	if err := broker.CheckKind(cmd.Kind); err != nil {
		return nil, err
	}
	if len(cmd.Key) > broker.MaxKey {
		return nil, badCommand(fmt.Sprintf("key may have %d bytes", broker.MaxKey))
	}
	m := &broker.Publication{Room: room, Kind: cmd.Kind, Key: cmd.Key, Via: rights.Key(), Forget: cmd.Forget}
	var err error
	if cmd.Device != "" {
		if m.Device, err = broker.DeviceName(cmd.Device); err != nil {
			return nil, err
		}
	}
	if err := cmd.setTerms(n, m); err != nil {
		return nil, err
	}
	if m.Format, m.Payload, err = payloadOf(cmd); err != nil {
		return nil, err
	}
	return m, broker.CheckPayload(m.Format, m.Payload)
}

// noEcho tells whether the connection is spared what it publishes. What users write to
// themselves is for all their connections.
func (p *protocol) noEcho(c *client, cmd *command, room string) bool {
	if _, toUser := broker.UserOf(room); toUser {
		return false
	}
	if cmd.Echo == nil {
		return !p.loop.Echoes(&c.Client, room)
	}
	if !*cmd.Echo {
		p.loop.Spare(&c.Client)
	}
	return !*cmd.Echo
}

// setTerms says for how long the message is good, and whether it is to be
// acknowledged.
func (cmd *command) setTerms(n *node.Node, m *broker.Publication) error {
	ttl, err := bounded("ttl", cmd.TTL, 0, int(broker.MaxTTL.Milliseconds()))
	if err != nil {
		return err
	}
	if cmd.QoS != 0 && cmd.QoS != 1 {
		return badCommand("qos must be 0 or 1")
	}
	m.TTL, m.Confirm = uint32(ttl), cmd.QoS == 1
	return n.Publisher.CheckTerms(m)
}

// target is the room that a publish goes to.
func (p *protocol) target(c *client, cmd *command) (string, error) {
	switch {
	case cmd.names():
		return cmd.named()
	}
	for room := range p.loop.Rooms(c.ID) { // the last joined first
		if !c.owns(room) && c.joining(room) == nil {
			return room, nil
		}
	}
	return "", refusal.New(409, "not_joined", "the publish names no room, and this connection is in none")
}

// names tells whether a publish says where it goes to, and named returns that.
func (cmd *command) names() bool { return cmd.To != "" || cmd.Room != "" }

func (cmd *command) named() (string, error) {
	if cmd.To != "" {
		user, err := broker.UserID(cmd.To)
		return broker.UserRoom(user), err
	}
	return broker.RoomName(cmd.Room)
}

// payloadOf is the payload that raw members get. A string is published as its
// text, so that the two kinds of clients understand each other.
func payloadOf(cmd *command) (broker.Format, []byte, error) {
	switch {
	case cmd.Base64 != nil && cmd.Data != nil:
		return 0, nil, badCommand("publish takes data or base64, not both")
	case cmd.Base64 != nil:
		return broker.Binary, cmd.Base64, nil
	case len(cmd.Data) == 0:
		return 0, nil, badCommand("publish needs data or base64")
	case cmd.Data[0] == '"':
		var text string
		if err := json.Unmarshal(cmd.Data, &text); err != nil {
			return 0, nil, errBadData
		}
		return broker.Text, []byte(text), nil
	}
	var buf bytes.Buffer
	if err := json.Compact(&buf, cmd.Data); err != nil {
		return 0, nil, errBadData
	}
	return broker.JSON, buf.Bytes(), nil
}

var errBadData = refusal.New(400, "bad_json", "data is not valid JSON")

// Publishing, from the API and by command: what is checked, and the answer.

package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"barrage/edge/events"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// Publish sends a message to all members of a room, on all nodes. It returns once
// the broker has it, or the time of ctx is over.
func (s *Server) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	if err := broker.CheckRoom(p.Room); err != nil {
		return broker.Receipt{}, err
	}
	if err := checkKind(p.Kind); err != nil {
		return broker.Receipt{}, err
	}
	if err := checkDepth(p.Format, p.Payload); err != nil {
		return broker.Receipt{}, err
	}
	if err := s.checkTerms(p); err != nil {
		return broker.Receipt{}, err
	}
	p.Keep = s.waits(p)
	r, err := s.broker.Publish(ctx, p)
	if err != nil {
		return broker.Receipt{}, brokerError(err)
	}
	s.published.Add(1)
	if s.cfg.Events.Wants(events.Publish, p.Room) {
		kept := *p
		kept.Payload = slices.Clone(p.Payload)
		s.tell(&kept, r)
	}
	return r, nil
}

// waits tells whether the message, should its user not be there, waits for them. It
// cannot if only this node ever knew of it.
func (s *Server) waits(p *broker.Publication) bool {
	_, toUser := broker.UserOf(p.Room)
	return toUser && !p.Forget && s.Retention(p.Room).On()
}

// tell has backends told of a message that was published here. p is kept.
func (s *Server) tell(p *broker.Publication, r broker.Receipt) {
	if r.Replayed {
		return
	}
	s.cfg.Events.Emit(&events.Event{
		Type: events.Publish, Room: p.Room, User: p.Sender.User, Conn: p.Sender.Conn,
		Message: &broker.Message{
			Room: p.Room, ID: r.ID, Epoch: r.Position.Epoch, Offset: r.Position.Offset, Time: time.Now().UnixMilli(),
			Sender: p.Sender, Kind: p.Kind, Format: p.Format, Payload: p.Payload,
		},
	})
}

// tryPublish is Publish for the loops. done may be nil.
func (s *Server) tryPublish(p *broker.Publication, done func(broker.Receipt, error)) bool {
	if s.cfg.Events.Wants(events.Publish, p.Room) {
		done = s.telling(p, done)
	}
	p.Keep = s.waits(p)
	ok := s.broker.TryPublish(p, done)
	if ok {
		s.published.Add(1)
	}
	return ok
}

// telling adds tell to what is done after a publish, when the caller's p is long
// something else.
func (s *Server) telling(p *broker.Publication, done func(broker.Receipt, error)) func(broker.Receipt, error) {
	kept := *p
	kept.Payload = slices.Clone(p.Payload)
	return func(r broker.Receipt, err error) {
		if err == nil {
			s.tell(&kept, r)
		}
		if done != nil {
			done(r, err)
		}
	}
}

type publishReply struct {
	MessageID string `json:"message_id"`
	Epoch     string `json:"epoch,omitempty"`
	Offset    uint64 `json:"offset,omitempty"`
	LocalOnly bool   `json:"local_only,omitempty"` // the other nodes cannot be reached at present
	Replayed  bool   `json:"replayed,omitempty"`   // the key was seen before
	Online    *bool  `json:"online,omitempty"`     // publish to a user: are they connected?
}

// cmdPublish replies when the broker has the message.
func (s *shard) cmdPublish(c *client, cmd *command) error {
	s.srv.received.Add(1)
	p, err := s.publication(c, cmd)
	if err != nil {
		return err
	}
	ses := s.sessions.at(c.id)
	if !s.srv.publishRate.allow(&ses.tat, s.now) {
		s.srv.refused[refusedRate].Add(1)
		return refusal.TooMany("rate_limited", "this connection's publish rate is used up", s.srv.publishRate.wait(ses.tat, s.now, 1))
	}
	to, id := cmd.To, cmd.ID
	answer := func(r broker.Receipt, err error) {
		s.post(c, func() {
			switch {
			case err != nil:
				s.replyError(c, id, err)
			case to == "":
				s.reply(c, id, receiptOf(&r))
			default:
				s.replyOnline(c, id, to, receiptOf(&r))
			}
		})
	}
	if !s.srv.tryPublish(p, answer) {
		s.srv.refused[refusedOverload].Add(1)
		return refusal.TooMany("overloaded", "the server is too far behind its input", time.Second)
	}
	return nil
}

func receiptOf(r *broker.Receipt) *publishReply {
	return &publishReply{MessageID: r.ID, Epoch: r.Position.Epoch, Offset: r.Position.Offset, LocalOnly: r.LocalOnly, Replayed: r.Replayed}
}

// replyOnline says whether the user written to is there, which other nodes may
// have to be asked.
func (s *shard) replyOnline(c *client, id uint64, user string, ok *publishReply) {
	if err := s.later(c, id, func(ctx context.Context) (any, error) {
		online := s.srv.Online(ctx, user)
		ok.Online = &online
		return ok, nil
	}); err != nil {
		s.reply(c, id, ok) // the message is published all the same
	}
}

// publication checks what a client wants published.
func (s *shard) publication(c *client, cmd *command) (*broker.Publication, error) {
	room, err := s.target(c, cmd)
	if err != nil {
		return nil, err
	}
	if err := s.srv.checkPublish(c.user(), c.rights, room); err != nil {
		return nil, err
	}
	if err := checkKind(cmd.Kind); err != nil {
		return nil, err
	}
	if len(cmd.Key) > maxKey {
		return nil, refusal.New(400, "bad_command", "key may have 128 bytes")
	}
	p := &broker.Publication{Room: room, Sender: s.sender(c), Kind: cmd.Kind, Key: cmd.Key, Forget: cmd.Forget}
	if err := s.srv.setTerms(p, cmd); err != nil {
		return nil, err
	}
	if p.Format, p.Payload, err = payloadOf(cmd); err != nil {
		return nil, err
	}
	return p, checkDepth(p.Format, p.Payload)
}

// setTerms says for how long the message is good, and whether it is to be
// acknowledged.
func (s *Server) setTerms(p *broker.Publication, cmd *command) error {
	ttl, err := bounded("ttl", cmd.TTL, 0, maxTTL)
	if err != nil {
		return err
	}
	if cmd.QoS != 0 && cmd.QoS != 1 {
		return refusal.New(400, "bad_command", "qos must be 0 or 1")
	}
	p.TTL, p.Confirm = uint32(ttl), cmd.QoS == 1
	return s.checkTerms(p)
}

// checkTerms refuses to promise an acknowledgement that nobody can give.
func (s *Server) checkTerms(p *broker.Publication) error {
	_, toUser := broker.UserOf(p.Room)
	switch {
	case !p.Confirm:
		return nil
	case !toUser:
		return refusal.New(400, "bad_command", "qos 1 is for messages to users only")
	case p.Forget:
		return refusal.New(400, "bad_command", "a message with qos 1 cannot be kept out of the history")
	case !s.Retention(p.Room).On():
		return refusal.New(400, "bad_command", "qos 1 needs a history, and room "+p.Room+" keeps none")
	}
	return nil
}

// target is the room that a publish goes to.
func (s *shard) target(c *client, cmd *command) (string, error) {
	switch {
	case cmd.To != "":
		return broker.UserPrefix + cmd.To, broker.CheckUser(cmd.To)
	case cmd.Room != "":
		return cmd.Room, broker.CheckRoom(cmd.Room)
	}
	for room := range s.fan.Rooms(uint32(c.id)) { // the last joined first
		if isPublicName(room) && room != broker.UserPrefix+c.user() && c.joinOf(room) == nil {
			return room, nil
		}
	}
	return "", refusal.New(409, "not_joined", "the publish names no room, and this connection is in none")
}

// checkKind keeps kinds short and printable; those of the nodes themselves begin
// with NUL.
func checkKind(kind string) error {
	if len(kind) > maxKind {
		return refusal.New(http.StatusBadRequest, "bad_kind", "kind has "+strconv.Itoa(len(kind))+" bytes, want at most "+strconv.Itoa(maxKind))
	}
	for i := range len(kind) {
		if kind[i] <= ' ' || kind[i] >= 0x7f {
			return refusal.New(http.StatusBadRequest, "bad_kind", "kind has a byte that is not printable ASCII")
		}
	}
	return nil
}

// checkDepth keeps out what could be published but not be sent: encoding/json
// writes nothing that is nested too deep, and a message is nested in its reply.
func checkDepth(format broker.Format, payload []byte) error {
	if format != broker.JSON {
		return nil
	}
	depth, text := 0, false
	for i := 0; i < len(payload); i++ {
		switch c := payload[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '[' || c == '{':
			if depth++; depth > maxDepth {
				return refusal.New(400, "bad_command", "data is nested deeper than "+strconv.Itoa(maxDepth))
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return nil
}

// payloadOf is the payload that raw members get. A string is published as its
// text, so that the two kinds of clients understand each other.
func payloadOf(cmd *command) (broker.Format, []byte, error) {
	switch {
	case cmd.Base64 != nil && cmd.Data != nil:
		return 0, nil, refusal.New(400, "bad_command", "publish takes data or base64, not both")
	case cmd.Base64 != nil:
		return broker.Binary, cmd.Base64, nil
	case len(cmd.Data) == 0:
		return 0, nil, refusal.New(400, "bad_command", "publish needs data or base64")
	case cmd.Data[0] == '"':
		var text string
		if err := json.Unmarshal(cmd.Data, &text); err != nil {
			return 0, nil, refusal.New(400, "bad_json", "data is not valid JSON")
		}
		return broker.Text, []byte(text), nil
	}
	var buf bytes.Buffer
	if err := json.Compact(&buf, cmd.Data); err != nil {
		return 0, nil, refusal.New(400, "bad_json", "data is not valid JSON")
	}
	return broker.JSON, buf.Bytes(), nil
}

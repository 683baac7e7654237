// barrage.v1: commands of clients and the replies to them. The protocol is
// written down in docs/protocol.md.

package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"barrage/edge/broker"
	"barrage/frame"
)

// Bounds of one command.
const (
	maxKind   = 64
	maxKey    = 128
	maxPage   = 1000      // messages in one reply
	pageBytes = 512 << 10 // of the messages in one reply
	maxUsers  = 500       // users in one reply
)

// command is one object from a client.
type command struct {
	ID  uint64 `json:"id"`
	Cmd string `json:"cmd"`

	Room     string        `json:"room"`
	To       string        `json:"to"`       // publish: a user, instead of room
	Since    *positionJSON `json:"since"`    // join, history: what the client has
	History  int           `json:"history"`  // join: newest messages wanted
	Limit    int           `json:"limit"`    // history, presence
	Presence bool          `json:"presence"` // join: tell who comes and goes
	Leave    string        `json:"leave"`    // join: the room to leave for it

	Data   json.RawMessage `json:"data"`   // publish, request
	Base64 []byte          `json:"base64"` // publish: bytes instead of data
	Kind   string          `json:"kind"`
	Key    string          `json:"key"`    // publish: idempotency key
	Forget bool            `json:"forget"` // publish: keep it out of the history

	Token  string `json:"token"`  // auth
	Method string `json:"method"` // request

	Epoch  string `json:"epoch"` // ack
	Offset uint64 `json:"offset"`
}

type positionJSON struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

func (p *positionJSON) position() *broker.Position {
	if p == nil {
		return nil
	}
	return &broker.Position{Epoch: p.Epoch, Offset: p.Offset}
}

// replyJSON answers the command with the same id.
type replyJSON struct {
	ID    uint64     `json:"id,omitempty"`
	OK    any        `json:"ok,omitempty"`
	Error *errorJSON `json:"error,omitempty"`
}

type errorJSON struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	RetryAfter int64  `json:"retry_after,omitempty"` // milliseconds; 0: repeating it will not help
}

type empty struct{}

// commands are the client's, by name. Each replies by itself, now or later, or
// returns the error to reply with.
var commands = map[string]func(*shard, *client, *command) error{
	"join":     (*shard).cmdJoin,
	"leave":    (*shard).cmdLeave,
	"publish":  (*shard).cmdPublish,
	"history":  (*shard).cmdHistory,
	"presence": (*shard).cmdPresence,
	"ping":     (*shard).cmdPing,
	"auth":     (*shard).cmdAuth,
	"ack":      (*shard).cmdAck,
	"request":  (*shard).cmdRequest,
}

// command takes one frame of a barrage.v1 client.
func (s *shard) command(c *client, op frame.Opcode, payload []byte) {
	var cmd command
	switch err := decode(op, payload, &cmd); {
	case err != nil:
		s.replyError(c, cmd.ID, err)
		return
	case !commandRate.allow(&c.tat, s.now):
		s.replyError(c, cmd.ID, retryIn("rate_limited", "too many commands", time.Second))
		return
	}
	f := commands[cmd.Cmd]
	switch {
	case f == nil:
		s.replyError(c, cmd.ID, refuse(400, "bad_command", "cmd must be one of join, leave, publish, history, presence, ping, auth, ack, request"))
	case c.ident == nil && cmd.Cmd != "auth":
		s.replyError(c, cmd.ID, refuse(401, "unauthorized", "the first command must be auth"))
	default:
		if err := f(s, c, &cmd); err != nil {
			s.replyError(c, cmd.ID, err)
		}
	}
}

func decode(op frame.Opcode, payload []byte, cmd *command) error {
	if op != frame.Text {
		return refuse(400, "bad_json", "commands are text frames")
	}
	if err := json.Unmarshal(payload, cmd); err != nil {
		var te *json.UnmarshalTypeError
		if errors.As(err, &te) && te.Field != "" {
			return refuse(400, "bad_json", te.Field+" cannot be a "+te.Value)
		}
		return refuse(400, "bad_json", "a command is one JSON object in a frame")
	}
	return nil
}

func (s *shard) reply(c *client, id uint64, ok any) {
	if id != 0 {
		s.push(c, &replyJSON{ID: id, OK: ok})
	}
}

// replyError answers also where there is no id to answer to.
func (s *shard) replyError(c *client, id uint64, err error) {
	s.push(c, &replyJSON{ID: id, Error: errorOf(err)})
}

func errorOf(err error) *errorJSON {
	var own *Error
	var coded interface{ Code() string }
	switch {
	case errors.As(err, &own):
		return &errorJSON{own.code, own.message, own.retry.Milliseconds()}
	case errors.As(err, &coded):
		return &errorJSON{Code: coded.Code(), Message: err.Error()}
	case errors.Is(err, broker.ErrOverloaded):
		return &errorJSON{"overloaded", "the server is too far behind its input", 1000}
	}
	return &errorJSON{"unavailable", "the store of messages cannot be reached", 1000}
}

type pingReply struct {
	Time        int64  `json:"time"`
	Room        string `json:"room,omitempty"`
	Users       *int   `json:"users,omitempty"`
	Connections *int   `json:"connections,omitempty"`
}

// cmdPing answers with the server's time, and how many are in a room.
func (s *shard) cmdPing(c *client, cmd *command) error {
	r := pingReply{Time: time.Now().UnixMilli()}
	if cmd.Room != "" {
		if err := s.mayJoin(c, cmd.Room); err != nil {
			return err
		}
		users, connections := s.srv.count(cmd.Room)
		r.Room, r.Users, r.Connections = cmd.Room, &users, &connections
	}
	s.reply(c, cmd.ID, &r)
	return nil
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
		return retryIn("rate_limited", "this connection's publish rate is used up", s.srv.publishRate.wait(ses.tat, s.now))
	}
	to, id := cmd.To, cmd.ID
	answer := func(r broker.Receipt, err error) {
		s.loop.Post(func() {
			switch {
			case !s.alive(c):
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
		return retryIn("overloaded", "the server is too far behind its input", time.Second)
	}
	return nil
}

func receiptOf(r *broker.Receipt) *publishReply {
	return &publishReply{MessageID: r.ID, Epoch: r.Position.Epoch, Offset: r.Position.Offset, LocalOnly: r.LocalOnly, Replayed: r.Replayed}
}

// replyOnline says whether the user written to is there, which other nodes may
// have to be asked.
func (s *shard) replyOnline(c *client, id uint64, user string, ok *publishReply) {
	if err := s.later(c, id, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
		defer cancel()
		online := s.srv.Online(ctx, user)
		ok.Online = &online
		return ok, nil
	}); err != nil {
		s.reply(c, id, ok) // the message is published all the same
	}
}

// publication checks what a client wants published.
func (s *shard) publication(c *client, cmd *command) (*broker.Publication, error) {
	p := &broker.Publication{Room: cmd.Room, Sender: s.sender(c), Kind: cmd.Kind, Key: cmd.Key, Forget: cmd.Forget}
	if cmd.To != "" {
		p.Room = userPrefix + cmd.To
	}
	if p.Room == "" {
		p.Room = s.fan.LastJoined(uint32(c.id))
	}
	if err := CheckRoom(p.Room); err != nil {
		return nil, err
	}
	if err := s.srv.checkPublish(c.ident, p.Room); err != nil {
		return nil, err
	}
	if len(cmd.Kind) > maxKind || len(cmd.Key) > maxKey {
		return nil, refuse(400, "bad_command", "kind may have 64 bytes and key 128")
	}
	var err error
	p.Format, p.Payload, err = payloadOf(cmd)
	return p, err
}

// payloadOf is the payload that raw members get. A string is published as its
// text, so that the two kinds of clients understand each other.
func payloadOf(cmd *command) (broker.Format, []byte, error) {
	switch {
	case cmd.Base64 != nil:
		return broker.Binary, cmd.Base64, nil
	case len(cmd.Data) == 0:
		return 0, nil, refuse(400, "bad_command", "publish needs data or base64")
	case cmd.Data[0] == '"':
		var text string
		if err := json.Unmarshal(cmd.Data, &text); err != nil {
			return 0, nil, refuse(400, "bad_json", "data is not valid JSON")
		}
		return broker.Text, []byte(text), nil
	}
	var buf bytes.Buffer
	if err := json.Compact(&buf, cmd.Data); err != nil {
		return 0, nil, refuse(400, "bad_json", "data is not valid JSON")
	}
	return broker.JSON, buf.Bytes(), nil
}

type historyReply struct {
	Room     string         `json:"room"`
	Epoch    string         `json:"epoch,omitempty"`
	Offset   uint64         `json:"offset"` // the newest message's
	Messages []*messageJSON `json:"messages"`
	Gap      *gapJSON       `json:"gap,omitempty"`
	More     bool           `json:"more,omitempty"` // ask again since the last of them
}

// cmdHistory reads from a room's history.
func (s *shard) cmdHistory(c *client, cmd *command) error {
	if err := s.mayJoin(c, cmd.Room); err != nil {
		return err
	}
	limit, err := bounded("limit", cmd.Limit, 50, maxPage)
	if err != nil {
		return err
	}
	id, room := cmd.ID, cmd.Room
	if !s.srv.fetcher.get(room, broker.Query{After: cmd.Since.position(), Limit: limit}, func(page broker.Page, err error) {
		s.loop.Post(func() {
			switch {
			case !s.alive(c):
			case err != nil:
				s.replyError(c, id, err)
			default:
				s.reply(c, id, historyOf(room, &page))
			}
		})
	}) {
		return retryIn("overloaded", "too many histories are being read", time.Second)
	}
	return nil
}

func historyOf(room string, page *broker.Page) *historyReply {
	r := &historyReply{Room: room, Epoch: page.Head.Epoch, Offset: page.Head.Offset, Gap: gapOf(page.Gap), More: page.More}
	size := 0
	r.Messages = make([]*messageJSON, 0, len(page.Messages))
	for _, m := range page.Messages {
		if size += jsonSize(m); size > pageBytes && len(r.Messages) > 0 {
			r.More = true
			break
		}
		r.Messages = append(r.Messages, messageOf(m))
	}
	return r
}

// jsonSize is about what a message takes in a reply.
func jsonSize(m *broker.Message) int { return 256 + len(m.Payload)*4/3 }

// cmdAck notes how far a user has dealt with the messages to them.
func (s *shard) cmdAck(c *client, cmd *command) error {
	room := cmd.Room
	if room == "" {
		room = userPrefix + c.user()
	}
	if c.user() == "" || room != userPrefix+c.user() {
		return refuse(403, "forbidden", "only messages to oneself can be acknowledged")
	}
	if cmd.Epoch == "" || cmd.Offset == 0 {
		return refuse(400, "bad_command", "ack needs epoch and offset")
	}
	id, pos := cmd.ID, broker.Position{Epoch: cmd.Epoch, Offset: cmd.Offset}
	return s.later(c, id, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
		defer cancel()
		return empty{}, s.srv.broker.Acknowledge(ctx, room, pos)
	})
}

// later does what may block, and replies with what comes of it.
func (s *shard) later(c *client, id uint64, f func() (any, error)) error {
	if !s.srv.pool.try(func() {
		ok, err := f()
		s.loop.Post(func() {
			switch {
			case !s.alive(c):
			case err != nil:
				s.replyError(c, id, err)
			default:
				s.reply(c, id, ok)
			}
		})
	}) {
		return retryIn("overloaded", "the server has too much to do", time.Second)
	}
	return nil
}

// bounded is v, or def if it is 0.
func bounded(field string, v, def, most int) (int, error) {
	switch {
	case v == 0:
		return def, nil
	case v < 0 || v > most:
		return 0, refuse(400, "bad_command", field+" must be 1 to "+strconv.Itoa(most))
	}
	return v, nil
}

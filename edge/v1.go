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

	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// Bounds of one command.
const (
	maxKind   = 64
	maxKey    = 128
	maxPage   = 1000      // messages in one reply
	pageBytes = 512 << 10 // of the messages in one reply
	maxUsers  = 500       // users in one reply
	maxDepth  = 100       // of what is nested in a message's data
	maxOwed   = 1 << 20   // bytes of answers that a client has not read, for further large ones
	largeOnes = 16 << 10  // are larger than this
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
	TTL    int             `json:"ttl"`    // publish: milliseconds
	QoS    int             `json:"qos"`    // publish: 1 is to be acknowledged

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

// commands are the client's, by name.
var commands = map[string]struct {
	price int // what it costs the server, about, in pings
	// run replies by itself, now or later, or returns the error to reply with.
	run func(*shard, *client, *command) error
}{
	"join":     {2, (*shard).cmdJoin},
	"leave":    {1, (*shard).cmdLeave},
	"publish":  {1, (*shard).cmdPublish},
	"history":  {5, (*shard).cmdHistory},
	"presence": {5, (*shard).cmdPresence},
	"ping":     {1, (*shard).cmdPing},
	"auth":     {5, (*shard).cmdAuth},
	"ack":      {1, (*shard).cmdAck},
	"request":  {1, (*shard).cmdRequest},
}

// What one connection may ask, in pings: so many, and what it may publish besides.
const (
	commandsPerSecond = 50
	commandBurst      = 100
	pricedBytes       = 16 << 10 // of a command cost as much as a ping
)

// command takes one frame of a barrage.v1 client.
func (s *shard) command(c *client, op frame.Opcode, payload []byte) {
	var cmd command
	err := decode(op, payload, &cmd)
	f := commands[cmd.Cmd]
	price := max(f.price, 1) + len(payload)/pricedBytes
	if !s.srv.commandRate.take(&c.tat, s.now, price) {
		s.tooMany(c, cmd.ID, price)
		return
	}
	s.sessions.at(c.id).forgive()
	switch {
	case err != nil:
		s.replyError(c, cmd.ID, err)
	case f.run == nil:
		s.replyError(c, cmd.ID, refusal.New(400, "bad_command", "cmd must be one of join, leave, publish, history, presence, ping, auth, ack, request"))
	case !c.known() && cmd.Cmd != "auth":
		s.replyError(c, cmd.ID, refusal.New(401, "unauthorized", "the first command must be auth"))
	default:
		if err := f.run(s, c, &cmd); err != nil {
			s.replyError(c, cmd.ID, err)
		}
	}
}

// tooMany refuses a command that is over the rate. Who goes on all the same is
// closed: being told costs the server more than asking costs the client.
func (s *shard) tooMany(c *client, id uint64, price int) {
	s.srv.refused[refusedRate].Add(1)
	if s.sessions.at(c.id).overrun(price, floodFactor*(commandBurst+s.srv.cfg.PublishBurst)) {
		s.part(c.id, frame.ClosePolicy, "too many commands", closeFlood, 0)
		return
	}
	s.replyError(c, id, refusal.TooMany("rate_limited", "too many commands", s.srv.commandRate.wait(c.tat, s.now, price)))
}

func decode(op frame.Opcode, payload []byte, cmd *command) error {
	if op != frame.Text {
		return refusal.New(400, "bad_json", "commands are text frames")
	}
	if err := json.Unmarshal(payload, cmd); err != nil {
		var te *json.UnmarshalTypeError
		if errors.As(err, &te) && te.Field != "" {
			return refusal.New(400, "bad_json", te.Field+" cannot be a "+te.Value)
		}
		return refusal.New(400, "bad_json", "a command is one JSON object in a frame")
	}
	return nil
}

// reply answers a command. A client that does not read has its further large
// answers refused, before it owes so much that it would be closed.
func (s *shard) reply(c *client, id uint64, ok any) {
	if id == 0 {
		return
	}
	buf := jsonBuffers.Get().(*bytes.Buffer)
	defer putJSON(buf)
	payload, sound := tryJSON(buf, &replyJSON{ID: id, OK: ok})
	owed := s.owed(c)
	switch {
	case !sound:
		s.replyError(c, id, refusal.New(500, "unavailable", "the answer cannot be written as JSON"))
	case len(payload) > largeOnes && owed > 0 && owed+len(payload) > maxOwed:
		s.replyError(c, id, refusal.TooMany("overloaded", "answers to earlier commands have not been read yet", time.Second))
	default:
		s.write(c, payload)
	}
}

// owed is how many bytes the client has not read, beyond what its socket holds.
func (s *shard) owed(c *client) int {
	n := s.loop.Queued(c.id)
	if c.id == s.cur && s.reading {
		n += len(s.replies)
	}
	return n
}

// pageRoom is how many bytes of messages the next reply may have.
func (s *shard) pageRoom(c *client) int { return min(pageBytes, max(0, maxOwed-pageBytes/4-s.owed(c))) }

// replyError answers also where there is no id to answer to.
func (s *shard) replyError(c *client, id uint64, err error) {
	s.push(c, &replyJSON{ID: id, Error: errorOf(err)})
}

func errorOf(err error) *errorJSON {
	var own *refusal.Error
	switch {
	case errors.As(err, &own):
		return &errorJSON{own.Code(), own.Error(), own.RetryAfter().Milliseconds()}
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

// later does what may block, and replies with what comes of it.
func (s *shard) later(c *client, id uint64, f func(context.Context) (any, error)) error {
	if !s.srv.pool.try(func(ctx context.Context) {
		ok, err := f(ctx)
		s.post(c, func() {
			if err != nil {
				s.replyError(c, id, err)
				return
			}
			s.reply(c, id, ok)
		})
	}) {
		return refusal.TooMany("overloaded", "the server has too much to do", time.Second)
	}
	return nil
}

// bounded is v, or def if it is 0.
func bounded(field string, v, def, most int) (int, error) {
	switch {
	case v == 0:
		return def, nil
	case v < 0 || v > most:
		return 0, refusal.New(400, "bad_command", field+" must be 1 to "+strconv.Itoa(most))
	}
	return v, nil
}

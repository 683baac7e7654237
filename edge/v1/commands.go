// Commands of clients: their table, their bounds, and how one is taken.

package v1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"barrage/edge/conn"
	"barrage/edge/events"
	"barrage/edge/publish"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/refusal"
	"barrage/internal/whole"
)

// commands are those there are, in the order in which they are told of.
var commands = []struct {
	name  string
	price int // what it costs the server, about, in pings
	// run replies by itself, now or later, or returns the error to reply with.
	run func(*protocol, *conn.Read, *client, *command) error
}{
	{"join", 2, cmdJoin},
	{"leave", 1, cmdLeave},
	{"publish", 1, cmdPublish},
	{"history", 5, cmdHistory},
	{"presence", 5, cmdPresence},
	{"presence_update", 5, cmdPresenceUpdate},
	{"last_seen", 5, cmdLastSeen},
	{"ping", 1, cmdPing},
	{"auth", 5, cmdAuth},
	{"ack", 1, cmdAck},
	{"request", 1, cmdRequest},
	{"serve", 5, cmdServe},
	{"answer", 1, cmdAnswer},
}

// command is one object from a client.
type command struct {
	ID  whole.Uint `json:"id"`
	Cmd string     `json:"cmd"`

	wrongID json.RawMessage // what a command that is refused calls itself, where that is no ID

	Room     string        `json:"room"`
	To       string        `json:"to"`       // publish: a user, instead of room
	Since    *positionJSON `json:"since"`    // join, history: what the client has
	History  whole.Int     `json:"history"`  // join: newest messages wanted
	Limit    whole.Int     `json:"limit"`    // history, presence, serve
	Presence bool          `json:"presence"` // join: tell who comes and goes
	Hidden   bool          `json:"hidden"`   // join: nobody is to see it there
	Leave    string        `json:"leave"`    // join: the room to leave for it

	Data   json.RawMessage `json:"data"`   // publish, request, answer, presence_update
	Base64 []byte          `json:"base64"` // publish: bytes instead of data
	Kind   string          `json:"kind"`
	Key    string          `json:"key"`    // publish: idempotency key
	Forget bool            `json:"forget"` // publish: keep it out of the history
	Echo   *bool           `json:"echo"`   // publish, join: false spares this connection what it sends itself
	TTL    whole.Int       `json:"ttl"`    // publish: milliseconds
	QoS    whole.Int       `json:"qos"`    // publish: 1 is to be acknowledged

	Token  string `json:"token"`  // auth
	Login  string `json:"login"`  // auth: what a backend is asked about, instead of token
	Device string `json:"device"` // auth: which of the user's this is. publish: the one of the user written to
	Own    *bool  `json:"own"`    // auth: it is to be given what the user's other connections write to users
	Method string `json:"method"` // request
	User   string `json:"user"`   // last_seen
	Status string `json:"status"` // presence_update

	Timeout   whole.Int          `json:"timeout"`   // request: milliseconds
	Redeliver bool               `json:"redeliver"` // request: another worker may be given it
	Methods   []string           `json:"methods"`   // serve: patterns
	Request   whole.Uint         `json:"request"`   // answer: the push's
	Error     *events.ReplyError `json:"error"`     // answer: instead of data

	Epoch  string     `json:"epoch"` // ack
	Offset whole.Uint `json:"offset"`
}

type positionJSON struct {
	Epoch  string     `json:"epoch"`
	Offset whole.Uint `json:"offset"`
}

func (p *positionJSON) position() *broker.Position {
	if p == nil {
		return nil
	}
	return &broker.Position{Epoch: p.Epoch, Offset: uint64(p.Offset)}
}

// command takes one message of a client.
func (p *protocol) command(r *conn.Read, c *client, binary bool, payload []byte) {
	var cmd command
	err := decode(binary, payload, &cmd)
	// One that leaves a room may write its name as another than the one that joined it did.
	cmd.Room, cmd.To, cmd.Leave = broker.Normal(cmd.Room), broker.Normal(cmd.To), broker.Normal(cmd.Leave)
	i := 0
	for i < len(commands) && commands[i].name != cmd.Cmd {
		i++
	}
	price := 1 + len(payload)/bounds.PricedBytes
	if i < len(commands) {
		price += commands[i].price - 1
	}
	if !c.owes(&cmd) && !p.rate.Take(&c.tat, r.Now, price) {
		p.tooMany(r, c, &cmd, price)
		return
	}
	r.Forgive()
	switch {
	case err != nil:
		p.spoilAnswer(r, c, &cmd)
	case i == len(commands):
		err = badCommand("cmd must be one of " + commandNames())
	case !c.Known() && cmd.Cmd != "auth":
		err = refusal.New(401, "unauthorized", "the first command must be auth")
	default:
		err = commands[i].run(p, r, c, &cmd)
	}
	if err != nil {
		p.refuse(r, c, &cmd, err)
	}
}

// refuse answers a command with an error, by the name that it has given itself.
func (p *protocol) refuse(r *conn.Read, c *client, cmd *command, err error) {
	if cmd.wrongID != nil {
		p.push(r, c, &refusedJSON{cmd.wrongID, errorOf(err)})
		return
	}
	p.replyError(r, c, uint64(cmd.ID), err)
}

// tooMany refuses a command that is over the rate. A client that goes on all the same
// is closed: being told costs the server more than asking costs the client.
func (p *protocol) tooMany(r *conn.Read, c *client, cmd *command, price int) {
	p.node.Publisher.Refused.Add(publish.Rate)
	if r.Overrun(price, bounds.FloodFactor*(bounds.CommandBurst+p.node.PublishBurst)) {
		p.loop.Close(r, c.ID, conn.CodePolicy, "too many commands", conn.Flood, 0)
		return
	}
	p.refuse(r, c, cmd, refusal.TooMany("rate_limited", "too many commands", p.rate.Wait(c.tat, r.Now, price)))
}

// byteOrderMark is what some platforms write before any text of theirs.
var byteOrderMark = []byte("\ufeff")

func decode(binary bool, payload []byte, cmd *command) error {
	payload = bytes.TrimPrefix(payload, byteOrderMark)
	if binary {
		cmd.find(payload)
		return refusal.New(400, "bad_json", "commands are text frames")
	}
	if !utf8.Valid(payload) { // a WebSocket's is; what comes by other doors may be anything
		cmd.find(payload)
		return refusal.New(400, "bad_json", "a command must be valid UTF-8")
	}
	err := json.Unmarshal(payload, cmd)
	if err == nil {
		return nil
	}
	cmd.find(payload)
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && te.Field != "" {
		article := "a "
		if te.Value == "array" || te.Value == "object" {
			article = "an "
		}
		return refusal.New(400, "bad_json", te.Field+" cannot be "+article+te.Value)
	}
	return refusal.New(400, "bad_json", "a command is one JSON object in a frame")
}

// maxWrongID bounds what an answer repeats that is no id.
const maxWrongID = 64

// find finds what a refusal needs of what is no command: the id, for the answer, and of a
// worker's answer which request it is for. They may stand behind what is wrong with it, before
// where it ends being JSON, and the id may be wrong itself: a client that calls its commands by
// texts is told that so that it knows which one it was.
func (cmd *command) find(payload []byte) {
	d := json.NewDecoder(bytes.NewReader(payload))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return
	}
	for d.More() {
		key, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return
		}
		switch key {
		case "id":
			cmd.findID(value)
		case "cmd":
			_ = json.Unmarshal(value, &cmd.Cmd)
		case "request":
			_ = json.Unmarshal(value, &cmd.Request)
		}
	}
}

func (cmd *command) findID(value json.RawMessage) {
	cmd.wrongID = nil
	scalar := value[0] == '"' || value[0] == '-' || '0' <= value[0] && value[0] <= '9'
	if json.Unmarshal(value, &cmd.ID) != nil && scalar && len(value) <= maxWrongID && utf8.Valid(value) {
		cmd.wrongID = value
	}
}

// commandNames is for people.
func commandNames() string {
	names := make([]string, len(commands))
	for i := range commands {
		names[i] = commands[i].name
	}
	return strings.Join(names, ", ")
}

func badCommand(message string) error { return refusal.New(400, "bad_command", message) }

// overloaded refuses what the server has too much to do for.
func overloaded(message string) error { return refusal.TooMany("overloaded", message, time.Second) }

// bounded is v, or def if it is 0.
func bounded(field string, v whole.Int, def, most int) (int, error) {
	switch {
	case v == 0:
		return def, nil
	case v < 0 || int(v) > most:
		return 0, badCommand(fmt.Sprintf("%s must be 1 to %d", field, most))
	}
	return int(v), nil
}

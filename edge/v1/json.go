// The JSON of barrage.v1: its shapes, and how they are written.

package v1

import (
	"bytes"
	"encoding/json"
	"iter"

	"github.com/valyala/bytebufferpool"

	"barrage/internal/broker"
)

// maxEscape is by how much a text's JSON may be longer than the text: \u0001.
const maxEscape = 6

// replyJSON answers the command with the same id.
type replyJSON struct {
	ID    uint64     `json:"id,omitempty"`
	OK    any        `json:"ok,omitempty"`
	Error *errorJSON `json:"error,omitempty"`
}

// refusedJSON answers a command whose id is none.
type refusedJSON struct {
	ID    json.RawMessage `json:"id"`
	Error *errorJSON      `json:"error"`
}

type errorJSON struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	RetryAfter int64  `json:"retry_after,omitempty"` // milliseconds; 0: repeating it will not help
}

type empty struct{}

// messageJSON is a message: pushed, and in replies to join and history.
type messageJSON struct {
	Push   string          `json:"push,omitempty"` // "message"
	Room   string          `json:"room,omitempty"` // not in replies, which name it once
	ID     string          `json:"id"`
	Epoch  string          `json:"epoch,omitempty"`
	Offset uint64          `json:"offset,omitempty"`
	Time   int64           `json:"time"`
	Sender *broker.Sender  `json:"sender,omitempty"`
	Kind   string          `json:"kind,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
	Base64 []byte          `json:"base64,omitzero"` // instead of data, of binary messages: not nil

	QoS     int   `json:"qos,omitempty"`     // 1: to be acknowledged
	Expires int64 `json:"expires,omitempty"` // when it is of no use any more
	Repeat  bool  `json:"repeat,omitempty"`  // it was pushed before, and not acknowledged

	Local   bool `json:"local_only,omitempty"` // as in publishReply
	Sampled bool `json:"sampled,omitempty"`    // likewise

	// Of messages to users, and of pushes that are for one client alone.
	Self     bool   `json:"self,omitempty"`     // it is of the client, or its user
	Receiver string `json:"receiver,omitempty"` // the user whom it was written to, of a copy for its writer
	Device   string `json:"device,omitempty"`   // it is for this device of that user, or of the client's
	Conn     string `json:"conn,omitempty"`     // it is for this connection
}

// messages are those of a reply, each as its JSON. That was made before, so insert puts
// it in as it is: encoding/json would check and copy each byte once more.
type messages [][]byte

const noMessages = `"messages":[]`

// MarshalJSON leaves the place for insert.
func (messages) MarshalJSON() ([]byte, error) { return []byte("[]"), nil }

// first is the end of the first messages that have at most so many bytes, last the
// beginning of the last such; at least so many messages, if there are.
func (l messages) first(bytes, least int) int {
	for i := range l {
		if bytes -= len(l[i]); bytes < 0 && i >= least {
			return i
		}
	}
	return len(l)
}

func (l messages) last(bytes, least int) int {
	for i := len(l); i > 0; i-- {
		if bytes -= len(l[i-1]); bytes < 0 && len(l)-i >= least {
			return i
		}
	}
	return 0
}

// insert puts the messages that v has into its JSON, which is the end of buf. Within a
// text of that JSON there is no unescaped quote, so the place is the only one.
func insert(buf *bytebufferpool.ByteBuffer, payload []byte, v any) []byte {
	l, ok := v.(interface{ list() messages })
	if !ok || len(l.list()) == 0 {
		return payload
	}
	at := bytes.LastIndex(payload, []byte(noMessages)) + len(noMessages) - 1
	tail := bytes.Clone(payload[at:])
	buf.B = payload[:at]
	for i, m := range l.list() {
		if i > 0 {
			buf.B = append(buf.B, ',')
		}
		buf.B = append(buf.B, m...)
	}
	buf.B = append(buf.B, tail...)
	return buf.B
}

// pushOf is a message as a push; m is sanitized.
func pushOf(m *broker.Message) *messageJSON {
	j := messageOf(m)
	j.Push, j.Room = "message", m.Room
	return j
}

// messageOf is a message in a reply; m is sanitized.
func messageOf(m *broker.Message) *messageJSON {
	j := &messageJSON{ID: m.ID, Epoch: m.Epoch, Offset: m.Offset, Time: m.Time, Kind: m.Kind, Expires: m.Expires(), Local: m.Local}
	if m.Confirm && m.Offset > 0 {
		j.QoS = 1
	}
	if m.Sender != (broker.Sender{}) {
		j.Sender = &m.Sender // m is immutable
	}
	if user, toUser := broker.UserOf(m.Room); toUser {
		j.Self = m.Sender.User == user // whoever is in that room is that user
	}
	switch m.Format {
	case broker.JSON:
		j.Data = m.Payload
	case broker.Binary:
		if j.Base64 = m.Payload; j.Base64 == nil {
			j.Base64 = []byte{}
		}
	default:
		j.Data = textJSON(m.Payload)
	}
	return j
}

// size is about what the message takes in a reply; texts are escaped already.
func (j *messageJSON) size() int {
	n := 192 + len(j.ID) + len(j.Epoch) + len(j.Kind) + len(j.Data) + len(j.Base64)*4/3
	if s := j.Sender; s != nil {
		n += len(s.User) + len(s.Name) + len(s.Avatar) + len(s.Conn)
	}
	return n
}

// textJSON is a text as a JSON string.
func textJSON(text []byte) json.RawMessage {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(string(text)) // strings cannot fail
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// gapPush tells of messages that the client will not get; without Push it is a part of
// a reply.
type gapPush struct {
	Push   string `json:"push,omitempty"` // "gap"
	Room   string `json:"room,omitempty"`
	Epoch  string `json:"epoch,omitempty"`
	From   uint64 `json:"from,omitempty"`
	To     uint64 `json:"to,omitempty"`
	Count  uint64 `json:"count,omitempty"` // messages without an offset included
	Reason string `json:"reason"`          // "slow", "trimmed", "epoch", "large" or "overloaded"
}

func gapOf(g *broker.Gap) *gapPush {
	if g == nil {
		return nil
	}
	return &gapPush{Epoch: g.Epoch, From: g.From, To: g.To, Reason: g.Reason}
}

// welcomePush is the first push.
type welcomePush struct {
	Push    string   `json:"push"` // "welcome"
	Conn    string   `json:"conn"` // as sender.conn of this connection's messages
	User    string   `json:"user,omitempty"`
	Device  string   `json:"device,omitempty"`
	Name    string   `json:"name,omitempty"`
	Rooms   []string `json:"rooms,omitempty"` // asked for in the URL; joined
	Time    int64    `json:"time"`
	Auth    string   `json:"auth,omitempty"`    // "required": the first command must be auth
	Expires int64    `json:"expires,omitempty"` // when the token must have been refreshed
	Message string   `json:"message,omitempty"` // for people, of the backend that was asked
}

// byePush tells why the connection ends, before its close frame.
type byePush struct {
	Push      string `json:"push"` // "bye"
	Code      uint16 `json:"code"`
	Reason    string `json:"reason"`
	Error     string `json:"error,omitempty"` // the code of why it is not let in
	Reconnect bool   `json:"reconnect"`
	Wait      int64  `json:"wait,omitempty"` // milliseconds before a reconnect
}

// leftPush tells that the server took a client out of a room.
type leftPush struct {
	Push   string     `json:"push"` // "left"
	Room   string     `json:"room"`
	Reason string     `json:"reason,omitempty"`
	Error  *errorJSON `json:"error,omitempty"`
}

// codec implements delivery.Batcher.
type codec struct{}

// Message implements delivery.Codec.
func (codec) Message(buf *bytebufferpool.ByteBuffer, m *broker.Message) (binary bool, payload []byte) {
	return false, appendJSON(buf, pushOf(broker.Sanitize(m)))
}

// Gap implements delivery.Codec.
func (codec) Gap(buf *bytebufferpool.ByteBuffer, room string, g *broker.Gap) ([]byte, bool) {
	j := gapOf(g)
	j.Push, j.Room = "gap", room
	return appendJSON(buf, j), true
}

type leftOutPush struct {
	Push  string `json:"push"`
	Room  string `json:"room"`
	Count uint64 `json:"count"`
}

// LeftOut implements delivery.Codec.
func (codec) LeftOut(buf *bytebufferpool.ByteBuffer, room string, n uint64) ([]byte, bool) {
	return appendJSON(buf, &leftOutPush{"left_out", room, n}), true
}

// Batch implements delivery.Batcher.
func (codec) Batch(buf *bytebufferpool.ByteBuffer, payloads iter.Seq[[]byte]) []byte {
	buf.WriteString(`{"push":"batch","batch":`)
	sep := byte('[')
	for p := range payloads {
		buf.WriteByte(sep)
		buf.Write(p)
		sep = ','
	}
	buf.WriteString("]}")
	return buf.Bytes()
}

// appendJSON encodes v, one of the types above, into buf and returns its bytes.
func appendJSON(buf *bytebufferpool.ByteBuffer, v any) []byte {
	p, ok := tryJSON(buf, v)
	if !ok {
		buf.Reset()
		buf.WriteString(`{"push":"error"}`)
		return buf.Bytes()
	}
	return p
}

// tryJSON is appendJSON for what may have raw parts that were not checked when
// they came: those of a message in a store that others write to, or of a backend.
func tryJSON(buf *bytebufferpool.ByteBuffer, v any) (p []byte, ok bool) {
	buf.Reset()
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err == nil
}

// toJSON is tryJSON for what is kept.
func toJSON(v any) ([]byte, bool) {
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	p, ok := tryJSON(buf, v)
	return bytes.Clone(p), ok
}

// Messages as bytes: a message of a room in each encoding, and the JSON of
// barrage.v1 (docs/protocol.md).

package edge

import (
	"bytes"
	"encoding/json"
	"sync"

	"barrage/fanout"
	"barrage/frame"
	"barrage/internal/broker"
)

// Subprotocol is the name under which clients ask for JSON instead of raw
// payloads.
const Subprotocol = "barrage.v1"

// The encodings of a room's messages: three bits.
const (
	encodeJSON    fanout.Encoding = 1 << iota // barrage.v1, else raw
	encodeDeflate                             // permessage-deflate was negotiated
	encodeBatch                               // several pushes may be in one frame; only with both of the others

	numEncodings = 8
)

// presencePrefix begins the name of the room through which those who asked for
// it hear who comes and goes. No room of the outside can have such a name.
const presencePrefix = "\x00presence:"

// publication is a message on its way to the members of its room here. It
// implements fanout.Publication.
type publication struct {
	m      *broker.Message
	offset uint64 // see epochs.place
}

func (p *publication) Sequence() uint64 { return p.offset }
func (p *publication) Size() int        { return batchOverhead + len(p.m.Payload) }
func (p *publication) object() any      { return pushOf(legible(p.m)) }

// AppendPart appends its JSON.
func (p *publication) AppendPart(b []byte, _ fanout.Encoding) []byte {
	return appendPart(b, p.object())
}

// Encode makes the frame that all members with this encoding are sent.
func (p *publication) Encode(e fanout.Encoding) fanout.Message {
	op, payload := frame.Text, p.m.Payload
	if e&encodeJSON != 0 {
		buf := jsonBuffers.Get().(*bytes.Buffer)
		defer putJSON(buf)
		payload = appendJSON(buf, p.object())
	} else if p.m.Format == broker.Binary {
		op = frame.Binary
	}
	if e&encodeDeflate != 0 {
		return frame.EncodeDeflated(op, payload)
	}
	return frame.Encode(op, payload)
}

// notice is a push that is no message, to a whole room: presence.
type notice struct{ v any }

func (n *notice) Sequence() uint64 { return 0 }
func (n *notice) Size() int        { return batchOverhead }

// AppendPart appends its JSON.
func (n *notice) AppendPart(b []byte, _ fanout.Encoding) []byte { return appendPart(b, n.v) }

func (n *notice) Encode(e fanout.Encoding) fanout.Message {
	buf := jsonBuffers.Get().(*bytes.Buffer)
	defer putJSON(buf)
	payload := appendJSON(buf, n.v)
	if e&encodeDeflate != 0 {
		return frame.EncodeDeflated(frame.Text, payload)
	}
	return frame.Encode(frame.Text, payload)
}

// jsonBuffers are recycled memory only.
var jsonBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func putJSON(b *bytes.Buffer) {
	if b.Cap() <= 256<<10 {
		jsonBuffers.Put(b)
	}
}

// appendJSON encodes v, one of the types below, into buf and returns its bytes.
func appendJSON(buf *bytes.Buffer, v any) []byte {
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
func tryJSON(buf *bytes.Buffer, v any) (p []byte, ok bool) {
	buf.Reset()
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err == nil
}

// maxEscape is by how much a text's JSON may be longer than the text: \u0001.
const maxEscape = 6

// messageJSON is a message: pushed, and in replies to join and history.
type messageJSON struct {
	Push   string          `json:"push,omitempty"` // "message"
	Room   string          `json:"room,omitempty"` // not in replies, which name it once
	ID     string          `json:"id"`
	Epoch  string          `json:"epoch,omitempty"`
	Offset uint64          `json:"offset,omitempty"`
	Time   int64           `json:"time"`
	Sender *senderJSON     `json:"sender,omitempty"`
	Kind   string          `json:"kind,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
	Base64 []byte          `json:"base64,omitzero"` // instead of data, of binary messages: not nil

	QoS     int   `json:"qos,omitempty"`     // 1: to be acknowledged
	Expires int64 `json:"expires,omitempty"` // when it is of no use any more
	Repeat  bool  `json:"repeat,omitempty"`  // it was pushed before, and not acknowledged

	Local bool `json:"local_only,omitempty"` // as in publishReply
}

type senderJSON struct {
	User   string `json:"user,omitempty"`
	Name   string `json:"name,omitempty"`
	Avatar string `json:"avatar,omitempty"`
	Conn   string `json:"conn,omitempty"`
}

func pushOf(m *broker.Message) *messageJSON {
	j := messageOf(m)
	j.Push, j.Room = "message", m.Room
	return j
}

func messageOf(m *broker.Message) *messageJSON {
	j := &messageJSON{ID: m.ID, Epoch: m.Epoch, Offset: m.Offset, Time: m.Time, Kind: m.Kind, Expires: m.Expires(), Local: m.Local}
	if m.Confirm && m.Offset > 0 {
		j.QoS = 1
	}
	if m.Sender != (broker.Sender{}) {
		j.Sender = &senderJSON{m.Sender.User, m.Sender.Name, m.Sender.Avatar, m.Sender.Conn}
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

// textJSON is a text as a JSON string.
func textJSON(text []byte) json.RawMessage {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(string(text)) // strings cannot fail
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// size is about what the message takes in a reply; texts are escaped already.
func (j *messageJSON) size() int {
	n := 192 + len(j.ID) + len(j.Epoch) + len(j.Kind) + len(j.Data) + len(j.Base64)*4/3
	if s := j.Sender; s != nil {
		n += len(s.User) + len(s.Name) + len(s.Avatar) + len(s.Conn)
	}
	return n
}

// legible is the message, as a text if it claims to be JSON and is none that can be
// written into more JSON: others may write to the store. One of those would else
// take all the messages of its page with it.
func legible(m *broker.Message) *broker.Message {
	if m.Format != broker.JSON || checkDepth(m.Format, m.Payload) == nil && json.Valid(m.Payload) {
		return m
	}
	text := *m
	text.Format = broker.Text
	return &text
}

type gapJSON struct {
	Push   string `json:"push,omitempty"` // "gap"
	Room   string `json:"room,omitempty"`
	Epoch  string `json:"epoch,omitempty"`
	From   uint64 `json:"from,omitempty"`
	To     uint64 `json:"to,omitempty"`
	Count  uint64 `json:"count,omitempty"` // messages without an offset included
	Reason string `json:"reason"`          // "slow", "trimmed", "epoch" or "overloaded"
}

func gapOf(g *broker.Gap) *gapJSON {
	if g == nil {
		return nil
	}
	return &gapJSON{Epoch: g.Epoch, From: g.From, To: g.To, Reason: g.Reason}
}

// welcomeJSON is the first push.
type welcomeJSON struct {
	Push    string   `json:"push"` // "welcome"
	Conn    string   `json:"conn"` // as sender.conn of this connection's messages
	User    string   `json:"user,omitempty"`
	Name    string   `json:"name,omitempty"`
	Rooms   []string `json:"rooms,omitempty"` // asked for in the URL; joined
	Time    int64    `json:"time"`
	Auth    string   `json:"auth,omitempty"`    // "required": the first command must be auth
	Expires int64    `json:"expires,omitempty"` // when the token must have been refreshed
}

// byeJSON tells why the connection ends, before its close frame.
type byeJSON struct {
	Push      string `json:"push"` // "bye"
	Code      uint16 `json:"code"`
	Reason    string `json:"reason"`
	Reconnect bool   `json:"reconnect"`
	Wait      int64  `json:"wait,omitempty"` // milliseconds before a reconnect
}

type userJSON struct {
	User   string `json:"user"`
	Name   string `json:"name,omitempty"`
	Avatar string `json:"avatar,omitempty"`
}

// presenceJSON tells who came or went, or, in large rooms, how many there are.
type presenceJSON struct {
	Push        string     `json:"push"` // "presence"
	Room        string     `json:"room"`
	Join        *userJSON  `json:"join,omitempty"`
	Leave       *userJSON  `json:"leave,omitempty"`
	Joined      []userJSON `json:"joined,omitempty"` // a sample
	Users       int        `json:"users"`
	Connections int        `json:"connections"`
	Exact       bool       `json:"exact,omitempty"` // ask for the list again: from now on each join and leave is told
}

// What an event is, and its JSON form.

package events

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unsafe"

	"barrage/internal/broker"
)

// Type says what happened. Its string is the one in the JSON form.
type Type string

// The types of events.
const (
	Connect    Type = "connect"
	Disconnect Type = "disconnect"
	Join       Type = "join"
	Leave      Type = "leave"
	Publish    Type = "publish"
	RoomClosed Type = "room_closed"
)

// AllTypes returns every type there is.
func AllTypes() []Type { return []Type{Connect, Disconnect, Join, Leave, Publish, RoomClosed} }

// Event is something that happened. Which fields it has depends on its type; see
// the package comment.
type Event struct {
	ID     string `json:"id"` // unique; "": the emitter makes one
	Type   Type   `json:"type"`
	Time   int64  `json:"time"` // milliseconds since the Unix epoch; 0: when it is emitted
	Node   string `json:"node"` // "": Config.Node
	Room   string `json:"room,omitempty"`
	User   string `json:"user,omitempty"`
	Conn   string `json:"conn,omitempty"`
	Key    string `json:"key,omitempty"` // name of the one that the connection has, or the message was published with
	Reason string `json:"reason,omitempty"`
	Remote string `json:"remote,omitempty"` // Connect: the address the client comes from, with its port if that is known

	Hidden bool   `json:"hidden,omitempty"` // Connect, Join, Leave: others do not see it
	Device string `json:"device,omitempty"` // Connect: which of the user's it is. Publish: the one that it is for

	Part int  `json:"part,omitempty"` // RoomClosed: the transcript's, from 1
	Last bool `json:"last,omitempty"` // RoomClosed: no more parts come, and the room's history is gone

	// Message and Transcript are kept until they are sent and must not change.
	Message    *broker.Message   `json:"-"` // Publish
	Transcript []*broker.Message `json:"-"` // RoomClosed, oldest first
}

type wireMessage struct {
	ID     string        `json:"id"`
	Epoch  string        `json:"epoch,omitempty"`
	Offset uint64        `json:"offset,omitempty"`
	Time   int64         `json:"time"`
	Sender broker.Sender `json:"sender,omitzero"`
	Kind   string        `json:"kind,omitempty"`
	Format string        `json:"format"`
	Data   any           `json:"data"`
}

// MarshalJSON returns the JSON form. It fails if a message's Format is unknown, or
// is JSON and its payload is not.
func (e *Event) MarshalJSON() ([]byte, error) {
	type plain Event // without this method
	w := struct {
		*plain
		Message    *wireMessage  `json:"message,omitempty"`
		Transcript []wireMessage `json:"transcript,omitzero"`
	}{plain: (*plain)(e)}
	if e.Message != nil {
		m, err := newWireMessage(e.Message)
		if err != nil {
			return nil, err
		}
		w.Message = &m
	}
	if e.Type == RoomClosed {
		w.Transcript = make([]wireMessage, 0, len(e.Transcript))
	}
	for _, m := range e.Transcript {
		wm, err := newWireMessage(m)
		if err != nil {
			return nil, err
		}
		w.Transcript = append(w.Transcript, wm)
	}
	return marshal(w)
}

func newWireMessage(m *broker.Message) (wireMessage, error) {
	w := wireMessage{ID: m.ID, Epoch: m.Epoch, Offset: m.Offset, Time: m.Time, Sender: m.Sender, Kind: m.Kind}
	switch m.Format {
	case broker.Text:
		w.Format, w.Data = "text", string(m.Payload)
	case broker.Binary:
		w.Format, w.Data = "binary", base64.StdEncoding.EncodeToString(m.Payload)
	case broker.JSON:
		w.Format, w.Data = "json", json.RawMessage(m.Payload)
	default:
		return w, fmt.Errorf("events: message %q has the unknown format %d", m.ID, m.Format)
	}
	return w, nil
}

// marshal is json.Marshal without the escapes that are meant for HTML.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// size is about what the event holds in memory. Messages count in full, though
// the room's history may hold them as well.
func (e *Event) size() int {
	n := int(unsafe.Sizeof(queued{})) + len(e.Node) + len(e.ID) + len(e.Room) + len(e.User) + len(e.Conn) + len(e.Key) + len(e.Reason) + len(e.Remote) + len(e.Device)
	if e.Message != nil {
		n += messageSize(e.Message)
	}
	for _, m := range e.Transcript {
		n += messageSize(m)
	}
	return n
}

func messageSize(m *broker.Message) int {
	s := &m.Sender
	return int(unsafe.Sizeof(*m)) + len(m.Room) + len(m.ID) + len(m.Epoch) + len(m.Kind) + len(m.Payload) +
		len(s.User) + len(s.Name) + len(s.Avatar) + len(s.Conn)
}

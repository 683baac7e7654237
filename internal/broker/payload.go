// What a message may say: the rules that hold wherever one comes from.

package broker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"barrage/internal/refusal"
)

const (
	// MaxTTL bounds a message's TTL: what waits for users waits for a week.
	MaxTTL = 7 * 24 * time.Hour
	// MaxDepth bounds how deep a JSON payload is nested. encoding/json writes nothing
	// that is nested too deep, and a message is nested in the answers it is part of.
	MaxDepth = 100
)

// CheckKind keeps kinds short and printable; those of the nodes themselves begin with
// NUL. What is wrong is a [refusal.Error] with the code bad_kind.
func CheckKind(kind string) error {
	if len(kind) > MaxKind {
		return refusal.New(http.StatusBadRequest, "bad_kind", fmt.Sprintf("kind has %d bytes, want at most %d", len(kind), MaxKind))
	}
	for i := range len(kind) {
		if kind[i] <= ' ' || kind[i] >= 0x7f {
			return refusal.New(http.StatusBadRequest, "bad_kind", "kind has a byte that is not printable ASCII")
		}
	}
	return nil
}

// CheckPayload keeps out what could be published but not be sent. What is wrong is a
// [refusal.Error] with the code bad_command.
func CheckPayload(format Format, payload []byte) error {
	if format != Binary && !utf8.Valid(payload) {
		return refusal.New(http.StatusBadRequest, "bad_command", "data must be valid UTF-8") // or all WebSockets that get it end (RFC 6455, 8.1)
	}
	if format != JSON {
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
			if depth++; depth > MaxDepth {
				return refusal.New(http.StatusBadRequest, "bad_command", fmt.Sprintf("data is nested deeper than %d", MaxDepth))
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return nil
}

// Sanitize returns the message, as a text if it claims to be JSON and is none that can
// be written into more JSON, and as bytes if it claims to be text and is none: others may
// write to the store of messages. Else one of those would take all messages of its page
// with it.
func Sanitize(m *Message) *Message {
	if m.Format == Binary || CheckPayload(m.Format, m.Payload) == nil && (m.Format != JSON || json.Valid(m.Payload)) {
		return m
	}
	other := *m
	other.Format = Text
	if !utf8.Valid(m.Payload) {
		other.Format = Binary
	}
	return &other
}

// Expired tells whether the message is not to be given to anybody any more. It goes by
// this machine's clock, and the message by that of whoever accepted it: they must agree
// as well as a TTL is to be kept.
func (m *Message) Expired() bool { return m.TTL > 0 && time.Now().UnixMilli() >= m.Expires() }

// Position is the message's place in its room's history.
func (m *Message) Position() *Position { return &Position{m.Epoch, m.Offset} }

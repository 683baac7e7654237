// Answers of backends, which are not to be trusted: every member has its type and bounds.

package hooks

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"barrage/edge/auth"
	"barrage/edge/events"
	"barrage/internal/broker"
	"barrage/internal/refusal"
	"barrage/internal/whole"
)

const (
	maxWelcome = 1 << 10
	maxJoins   = 64
	maxExpires = 253402300799_000 // the end of the year 9999
)

// members are those of an answer, by their exact names: encoding/json would take "USER"
// for a struct's "user". One that is null is not there; unknown ones are for later.
type members map[string]json.RawMessage

// membersOf are those of an answer; one without a body has none. The error is a *Denied if
// it is a refusal.
func membersOf(text []byte) (members, error) {
	m := members{}
	if text = bytes.TrimPrefix(text, []byte("\ufeff")); len(text) == 0 {
		return m, nil
	}
	if !utf8.Valid(text) {
		return nil, errors.New("the answer is not UTF-8")
	}
	if err := json.Unmarshal(text, &m); err != nil {
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, errors.New("the answer is not a JSON object")
		}
		return nil, fmt.Errorf("the answer is not JSON: %w", err)
	}
	var no *events.ReplyError
	if err := m.get("error", "an object with code and message", &no); err != nil || no == nil {
		return m, err
	}
	if err := no.Check(); err != nil {
		return nil, err
	}
	return nil, &Denied{no: refusal.New(http.StatusForbidden, no.Code, cmp.Or(no.Message, "The backend refuses it."))}
}

// get decodes a member, if it is there. what it must be is for the log, which gets no
// values.
func (m members) get(name, what string, v any) error {
	raw, ok := m[name]
	if !ok || string(raw) == "null" {
		return nil
	}
	if json.Unmarshal(raw, v) != nil {
		return fmt.Errorf("the answer's %s is not %s", name, what)
	}
	return nil
}

// Decision is what the backend says of a connection.
type Decision struct {
	Identity *auth.Identity // nil: it is nobody's, and has the rights of one without a token
	Join     []string       // rooms that it is put into, beside those it asks for
	Welcome  string         // for people; "" is none
}

func parseConnect(text []byte) (any, error) {
	m, err := membersOf(text)
	if err != nil {
		return nil, err
	}
	d := &Decision{}
	if err := errors.Join(m.get("welcome", "a text", &d.Welcome), m.get("join", "a list of rooms", &d.Join)); err != nil {
		return nil, err
	}
	if len(d.Welcome) > maxWelcome {
		return nil, fmt.Errorf("the answer's welcome has %d bytes, want at most %d", len(d.Welcome), maxWelcome)
	}
	if d.Identity, err = m.identity(); err != nil {
		return nil, err
	}
	return d, d.checkJoin()
}

// identity is nil if nothing is said of one.
func (m members) identity() (*auth.Identity, error) {
	var user text
	var expires *whole.Uint
	rooms, pub := auth.Patterns{"*"}, publishes{"*"}
	id := &auth.Identity{Direct: auth.Patterns{"*"}}
	if err := errors.Join(
		m.get("user", "a text or a whole number", &user),
		m.get("name", "a text", &id.Name),
		m.get("avatar", "a text", &id.Avatar),
		m.get("rooms", "a list of patterns", &rooms),
		m.get("pub", "true, false or a list of patterns", &pub),
		m.get("dm", "a list of patterns", &id.Direct),
		m.get("serve", "a list of patterns", &id.Serve),
		m.get("seen", "a list of patterns", &id.Seen),
		m.get("hidden", "true or false", &id.Hidden),
		m.get("device", "a text", &id.Device),
		m.get("expires", "a time in milliseconds since 1970", &expires),
	); err != nil {
		return nil, err
	}
	id.User, id.Rooms, id.Publish = string(user), rooms, auth.Patterns(pub)
	if id.User == "" && id.Name == "" && id.Avatar == "" && id.Device == "" && m["rooms"] == nil && m["pub"] == nil && m["dm"] == nil && m["serve"] == nil && m["seen"] == nil && m["hidden"] == nil && expires == nil {
		return nil, nil
	}
	if id.User != "" {
		var err error
		if id.User, err = broker.UserID(id.User); err != nil {
			return nil, fmt.Errorf("the answer's user is none: %w", err)
		}
	}
	if expires != nil {
		if *expires == 0 || *expires > maxExpires {
			return nil, errors.New("the answer's expires is not a time in milliseconds since 1970")
		}
		id.Expires = time.UnixMilli(int64(*expires))
	}
	return id, id.Check(func(field, format string, args ...any) error {
		return fmt.Errorf("the answer's %s %s", field, fmt.Sprintf(format, args...))
	})
}

// checkJoin gives the rooms their normal forms.
func (d *Decision) checkJoin() error {
	if len(d.Join) > maxJoins {
		return fmt.Errorf("the answer's join has %d rooms, want at most %d", len(d.Join), maxJoins)
	}
	for i, room := range d.Join {
		room, err := broker.RoomName(room)
		if err != nil {
			return fmt.Errorf("the answer's join has a bad room at %d: %w", i, err)
		}
		d.Join[i] = room
		if d.Identity != nil && !d.Identity.Rights().MayJoin(d.Identity.User, room) {
			return fmt.Errorf("the answer's join has a room at %d that its rooms do not allow", i)
		}
	}
	return nil
}

// text is a text, or a whole number as one: such as a key of a database.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		return json.Unmarshal(raw, (*string)(t))
	}
	var n whole.Uint
	err := json.Unmarshal(raw, &n)
	*t = text(strconv.FormatUint(uint64(n), 10))
	return err
}

// publishes are the patterns of pub.
type publishes auth.Patterns

// UnmarshalJSON implements json.Unmarshaler.
func (p *publishes) UnmarshalJSON(raw []byte) error {
	var all bool
	if json.Unmarshal(raw, &all) == nil {
		if !all {
			*p = nil
		}
		return nil
	}
	return json.Unmarshal(raw, (*auth.Patterns)(p))
}

func parseJoin(text []byte) (any, error) {
	_, err := membersOf(text)
	return nil, err
}

// Change is what is published instead.
type Change struct {
	Format  broker.Format
	Payload []byte
}

// parsePublish returns a *Change, nil if the message is published as it is.
func parsePublish(text []byte, most int) (any, error) {
	m, err := membersOf(text)
	if err != nil {
		return nil, err
	}
	change := (*Change)(nil)
	data, format := m["data"], ""
	if err := m.get("format", "a text", &format); err != nil || data == nil || string(data) == "null" {
		return change, err
	}
	if change, err = changeOf(format, data); err != nil {
		return nil, err
	}
	if len(change.Payload) > most {
		return nil, fmt.Errorf("the answer's data has %d bytes, want at most %d", len(change.Payload), most)
	}
	return change, broker.CheckPayload(change.Format, change.Payload)
}

// changeOf reads data as its format says; without one a string is a text, as in a publish.
func changeOf(format string, data json.RawMessage) (*Change, error) {
	switch {
	case format == "binary":
		var payload []byte
		if json.Unmarshal(data, &payload) != nil || payload == nil {
			return nil, errors.New("the answer's data is not base64")
		}
		return &Change{broker.Binary, payload}, nil
	case format == "text" || format == "" && data[0] == '"':
		var payload string
		if data[0] != '"' || json.Unmarshal(data, &payload) != nil {
			return nil, errors.New("the answer's data is not a text")
		}
		return &Change{broker.Text, []byte(payload)}, nil
	case format == "json" || format == "":
		var compact bytes.Buffer
		err := json.Compact(&compact, data)
		return &Change{broker.JSON, compact.Bytes()}, err
	}
	return nil, errors.New("the answer's format is none of text, json and binary")
}

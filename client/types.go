package client

// This file is what a client tells: messages, gaps, positions, errors.

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Position is a place in the history of a room. Offsets count 1, 2, 3 … within an epoch.
type Position struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

// String is the position as ParsePosition reads it.
func (p Position) String() string { return p.Epoch + "/" + strconv.FormatUint(p.Offset, 10) }

// ParsePosition reads EPOCH/OFFSET.
func ParsePosition(s string) (Position, error) {
	at := strings.LastIndexByte(s, '/')
	if at <= 0 {
		return Position{}, fmt.Errorf("position %.100q: want EPOCH/OFFSET", s)
	}
	offset, err := strconv.ParseUint(s[at+1:], 10, 64)
	if err != nil {
		return Position{}, fmt.Errorf("position %.100q: the offset must be a whole number", s)
	}
	return Position{s[:at], offset}, nil
}

// Event is what comes from a room: a Message, a Gap or a Joined.
type Event interface{ event() }

// Message is a message of a room.
type Message struct {
	Room string `json:"room"`
	ID   string `json:"id"`
	// Epoch and Offset are where it is in the history; zero: in none.
	Epoch  string `json:"epoch,omitempty"`
	Offset uint64 `json:"offset,omitempty"`
	// Time is in milliseconds since 1970, by the server's clock.
	Time    int64   `json:"time"`
	Sender  *Sender `json:"sender,omitempty"`
	Kind    string  `json:"kind,omitempty"`
	Expires int64   `json:"expires,omitempty"`
	// LocalOnly: only the viewers on one server have it, as the server's store is out of reach.
	LocalOnly bool `json:"local_only,omitempty"`
	// Data is the JSON value that was published, or Bytes has what was published as bytes.
	Data  json.RawMessage `json:"data,omitempty"`
	Bytes []byte          `json:"base64,omitempty"`
	// Past: it is from the history: it was sent before the join, or while away.
	Past bool `json:"past,omitempty"`
}

// Sender is who a message is of, as the server knows.
type Sender struct {
	User   string `json:"user,omitempty"`
	Name   string `json:"name,omitempty"`
	Avatar string `json:"avatar,omitempty"`
	Conn   string `json:"conn,omitempty"`
}

// Text is what was published as a raw viewer gets it: the text of a JSON string, any other
// value as JSON, bytes as they are.
func (m *Message) Text() string {
	var text string
	switch {
	case m.Data == nil:
		return string(m.Bytes)
	case json.Unmarshal(m.Data, &text) == nil && m.Data[0] == '"':
		return text
	}
	return string(m.Data)
}

// Gap tells of messages that are missing. Of From to To those are lost that did not come.
type Gap struct {
	Room string `json:"room"`
	// Reason is trimmed (older than the room remembers), epoch (their whole history is gone;
	// there is no To), slow (this client was), overloaded (a server was), large (more than
	// could be fetched), unknown (the room was joined without a position).
	Reason string `json:"reason"`
	Epoch  string `json:"epoch,omitempty"`
	From   uint64 `json:"from,omitempty"`
	To     uint64 `json:"to,omitempty"`
	// Count is how many there are, where that is known.
	Count uint64 `json:"count,omitempty"`
}

// Joined tells that the room is joined, also again after a cut.
type Joined struct {
	Room string
	// Resumed: nothing is missing since the position that it was joined behind.
	Resumed bool
}

func (Message) event() {}
func (Gap) event()     {}
func (Joined) event()  {}

// Published is what became of a publish.
type Published struct {
	MessageID string `json:"message_id"`
	Epoch     string `json:"epoch"`
	Offset    uint64 `json:"offset"`
	// Replayed: the server had it already, an earlier try had come through.
	Replayed  bool `json:"replayed"`
	LocalOnly bool `json:"local_only"`
}

// Error is why something was refused or came to nothing. Code is one of docs/protocol.md,
// a backend's own, or one of the client's: closed, stopped (the server said not to come
// back), left, timeout, queue_full.
type Error struct {
	Code, Message string
	// RetryAfter is when the same may work, if it may.
	RetryAfter time.Duration
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// ErrClosed is what everything fails with after Close.
var ErrClosed error = &Error{Code: "closed", Message: "the client was closed"}

// Code is the code of an *Error in err, or "".
func Code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// passing reports that the same command is worth another try by itself.
func passing(e *Error) bool {
	switch e.Code {
	case "rate_limited", "overloaded", "unavailable":
		return true
	}
	return e.RetryAfter > 0 && e.Code != "banned"
}

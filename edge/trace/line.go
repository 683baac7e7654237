// Lines: what is told of one thing that happened.

package trace

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"barrage/internal/bounds"
)

// Line is one thing that happened. Which fields there are is said in docs/interfaces.md.
type Line struct {
	Time  int64  `json:"time"` // milliseconds since the Unix epoch
	Node  string `json:"node"`
	Event string `json:"event"`

	Conn     string   `json:"conn,omitempty"`
	User     string   `json:"user,omitempty"`
	Key      string   `json:"key,omitempty"`
	Address  string   `json:"address,omitempty"`
	Device   string   `json:"device,omitempty"`
	Protocol string   `json:"protocol,omitempty"`
	Rooms    []string `json:"rooms,omitempty"`

	What  string `json:"what,omitempty"`
	Room  string `json:"room,omitempty"`
	Kind  string `json:"kind,omitempty"`
	ID    uint64 `json:"id,omitempty"`
	Bytes int    `json:"bytes,omitempty"`
	Count uint64 `json:"count,omitempty"`

	Status      int     `json:"status,omitempty"`
	Code        int     `json:"code,omitempty"`
	Error       string  `json:"error,omitempty"`
	Reason      string  `json:"reason,omitempty"`
	Connections int     `json:"connections,omitempty"`
	Payload     *string `json:"payload,omitempty"`
	Cut         bool    `json:"cut,omitempty"` // the payload was longer
}

// Events of lines.
const (
	eventBegin    = "begin"    // a node looks from now on
	eventHere     = "here"     // a connection that was there before
	eventOpen     = "open"     // one that is let in
	eventAnswer   = "answer"   // a request was answered that is no connection's
	eventIdentity = "identity" // a connection has said whose it is
	eventGot      = "in"       // a message of the client
	eventGave     = "out"      // a message for it
	eventPing     = "ping"     // it was asked whether it is there
	eventSkip     = "skip"     // it missed messages, being slow
	eventClosing  = "closing"  // it was told to go
	eventClosed   = "closed"   // it is gone
	eventLost     = "lost"     // lines were, or connections left out
	eventEnd      = "end"      // of the trace
)

// maxText is how many bytes are shown of a text other than a payload.
const maxText = 256

// append appends a line of JSON.
func (l Line) append(b []byte) []byte {
	l.Time = time.Now().UnixMilli()
	for _, text := range []*string{&l.User, &l.Room, &l.Kind, &l.Error, &l.Reason} {
		*text = short(*text, maxText)
	}
	buf := bytes.NewBuffer(b)
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(&l) // texts and numbers always can be
	return buf.Bytes()
}

// short is so much of a text as is shown.
func short(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return strings.Clone(text[:most])
}

// show has the line show a payload.
func (l *Line) show(payload []byte) {
	text := short(string(payload[:min(len(payload), bounds.TraceText+utf8.UTFMax)]), bounds.TraceText)
	l.Payload, l.Cut = &text, len(text) < len(payload)
}

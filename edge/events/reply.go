// The JSON of requests and replies.

package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	maxReplyCode    = 64
	maxReplyMessage = 1024
)

// Reply is a backend's answer: Data, or if it refused, Error.
type Reply struct {
	Data  json.RawMessage // one JSON value, compact, UTF-8
	Error *ReplyError
}

// ReplyError is a backend's own refusal, for the client.
type ReplyError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func requestBody(r Request) ([]byte, error) {
	if len(r.Data) == 0 {
		r.Data = json.RawMessage("null")
	}
	return marshal(struct {
		ID     string          `json:"id"`
		Method string          `json:"method"`
		Room   string          `json:"room,omitempty"`
		User   string          `json:"user,omitempty"`
		Conn   string          `json:"conn,omitempty"`
		Data   json.RawMessage `json:"data"`
	}{r.ID, r.Method, r.Room, r.User, r.Conn, r.Data})
}

// byteOrderMark is what some platforms write before any text of theirs. RFC 8259
// (section 8.1) lets readers of JSON ignore it.
var byteOrderMark = []byte("\ufeff")

// parseReply reads the body of a 200. Members it does not know are for later.
func parseReply(text []byte) (Reply, error) {
	text = bytes.TrimPrefix(text, byteOrderMark)
	// Clients get it in a text frame, which must be UTF-8 (RFC 6455, section
	// 5.6); encoding/json does not check that.
	if !utf8.Valid(text) {
		return Reply{}, errors.New("not UTF-8")
	}
	var w struct {
		Data  json.RawMessage `json:"data"`
		Error *ReplyError     `json:"error"`
	}
	if err := json.Unmarshal(text, &w); err != nil {
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			err = errors.New("no JSON object with data, or with an error of code and message")
		}
		return Reply{}, err
	}
	switch {
	case w.Data == nil && w.Error == nil:
		return Reply{}, errors.New("neither data nor error")
	case w.Error == nil:
		var compact bytes.Buffer
		if err := json.Compact(&compact, w.Data); err != nil {
			return Reply{}, err
		}
		return Reply{Data: compact.Bytes()}, nil
	}
	if err := w.Error.Check(); err != nil {
		return Reply{}, err
	}
	return Reply{Error: w.Error}, nil
}

// Check applies the bounds.
func (e *ReplyError) Check() error {
	switch {
	case !isCode(e.Code):
		return fmt.Errorf("error.code %.*q: want 1 to %d of a-z, 0-9 and _", maxReplyCode, e.Code, maxReplyCode)
	case len(e.Message) > maxReplyMessage:
		return fmt.Errorf("error.message has %d bytes, want at most %d", len(e.Message), maxReplyMessage)
	}
	return nil
}

func isCode(s string) bool {
	return len(s) >= 1 && len(s) <= maxReplyCode && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

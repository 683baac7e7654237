package client

// This file is what goes over the wire: docs/protocol.md.

import (
	"encoding/json"
	"fmt"
	"time"
)

// command is any command. Fields that are not set are not sent.
type command struct {
	ID      uint64          `json:"id,omitempty"`
	Cmd     string          `json:"cmd"`
	Room    string          `json:"room,omitempty"`
	Since   *Position       `json:"since,omitempty"`
	History int             `json:"history,omitempty"`
	Limit   int             `json:"limit,omitempty"`
	Token   string          `json:"token,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	Bytes   []byte          `json:"base64,omitempty"`
	Kind    string          `json:"kind,omitempty"`
	Key     string          `json:"key,omitempty"`
	TTL     int64           `json:"ttl,omitempty"`
	Forget  bool            `json:"forget,omitempty"`
}

// reply is the answer to a command.
type reply struct {
	id    uint64
	ok    json.RawMessage
	error *Error
}

// page is the ok of a join or of a history.
type page struct {
	Epoch    string    `json:"epoch"`
	Offset   uint64    `json:"offset"`
	Resumed  bool      `json:"resumed"`
	Gap      *Gap      `json:"gap"`
	Messages []Message `json:"messages"`
	More     bool      `json:"more"`
}

// welcome is the first push, and who an auth says that this is.
type welcome struct {
	Time    int64  `json:"time"`
	Expires int64  `json:"expires"`
	Auth    string `json:"auth"`
}

// bye comes before the server closes.
type bye struct {
	Code      int    `json:"code"`
	Reason    string `json:"reason"`
	Reconnect bool   `json:"reconnect"`
	Wait      *int64 `json:"wait"`
	Error     string `json:"error"`
}

// left tells of a room that the server took this connection out of.
type left struct {
	Room   string     `json:"room"`
	Reason string     `json:"reason"`
	Error  *wireError `json:"error"`
}

type wireError struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	RetryAfter int64  `json:"retry_after"`
}

func (e *wireError) error() *Error {
	return &Error{e.Code, e.Message, time.Duration(e.RetryAfter) * time.Millisecond}
}

// decode returns what a frame says, in order: each a reply, welcome, bye, left, Message or
// Gap. Pushes of other kinds are left out.
func decode(frame []byte) ([]any, error) {
	var head struct {
		Push string `json:"push"`
	}
	if err := json.Unmarshal(frame, &head); err != nil {
		return nil, fmt.Errorf("the server does not speak barrage.v1: %w", err)
	}
	switch head.Push {
	case "":
		return decodeReply(frame)
	case "batch":
		return decodeBatch(frame)
	case "welcome":
		return as[welcome](frame)
	case "bye":
		return as[bye](frame)
	case "left":
		return as[left](frame)
	case "message":
		return as[Message](frame)
	case "gap":
		return as[Gap](frame)
	}
	return nil, nil
}

func decodeReply(frame []byte) ([]any, error) {
	var v struct {
		ID    uint64          `json:"id"` // 0 is of no command
		OK    json.RawMessage `json:"ok"`
		Error *wireError      `json:"error"`
	}
	if err := json.Unmarshal(frame, &v); err != nil {
		return nil, fmt.Errorf("a reply of barrage.v1: %w", err)
	}
	r := reply{id: v.ID, ok: v.OK}
	if v.Error != nil {
		r.error = v.Error.error()
	}
	return []any{r}, nil
}

func decodeBatch(frame []byte) (all []any, err error) {
	var v struct {
		Batch []json.RawMessage `json:"batch"`
	}
	if err := json.Unmarshal(frame, &v); err != nil {
		return nil, fmt.Errorf("a batch of barrage.v1: %w", err)
	}
	for _, push := range v.Batch {
		some, err := decode(push)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func as[T any](frame []byte) ([]any, error) {
	var v T
	if err := json.Unmarshal(frame, &v); err != nil {
		return nil, fmt.Errorf("a push of barrage.v1: %w", err)
	}
	return []any{v}, nil
}

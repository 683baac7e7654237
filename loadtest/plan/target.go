// What a connection needs while the test runs: where it goes, what it says
// first, how it publishes. All of it takes a valid plan for granted.

package plan

import (
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
)

// Target is where a connection goes.
type Target struct {
	Address string // host:port to dial
	Path    string // of the request line, with the query
	Host    string // header
}

// Target is where connection conn of a room goes: the URLs are taken in turn.
func (p *Plan) Target(conn int, room string) Target {
	authority, path := splitURL(p.URLs[conn%len(p.URLs)])
	t := Target{Address: authority, Path: expandURL(path, room), Host: authority}
	if strings.LastIndexByte(authority, ':') <= strings.LastIndexByte(authority, ']') {
		t.Address += ":80"
	}
	return t
}

// splitURL divides ws://host:port/path?query; the path begins with a slash.
func splitURL(text string) (authority, path string) {
	_, rest, _ := strings.Cut(text, "://")
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return rest, "/"
	case rest[i] == '?':
		return rest[:i], "/" + rest[i:]
	}
	return rest[:i], rest[i:]
}

// expandURL puts a room's name into a URL, escaped as its place in it demands.
func expandURL(text, room string) string {
	path, query, hasQuery := strings.Cut(text, "?")
	path = strings.ReplaceAll(path, "{room}", url.PathEscape(room))
	if !hasQuery {
		return path
	}
	return path + "?" + strings.ReplaceAll(query, "{room}", url.QueryEscape(room))
}

// PublishTarget is the URL that a message to a room is sent to over HTTP.
func (p *Plan) PublishTarget(room string) string { return expandURL(p.PublishURL, room) }

// PublishChannel is the Redis channel that a message to a room is published to.
func (p *Plan) PublishChannel(room string) string {
	return strings.ReplaceAll(p.RedisChannel, "{room}", room)
}

// Message is one WebSocket message.
type Message struct {
	Binary  bool
	Payload []byte
}

// OpenMessages is what a connection sends when it is open.
func (p *Plan) OpenMessages(room string) []Message {
	var list []Message
	if p.OpenText != "" {
		list = append(list, Message{Payload: appendTemplate(nil, p.OpenText, room, nil)})
	}
	if p.OpenHex != "" {
		payload, _ := hex.DecodeString(p.OpenHex)
		list = append(list, Message{Binary: true, Payload: payload})
	}
	if list == nil && p.Preset == presetGoim {
		list = append(list, Message{Binary: true, Payload: goimAuth(room)})
	}
	return list
}

// AppendSocketMessage appends what a viewer sends to publish payload in a room.
func (p *Plan) AppendSocketMessage(dst []byte, room string, payload []byte) []byte {
	return appendTemplate(dst, p.SendText, room, payload)
}

// AppendPublishBody appends what a publisher sends to publish payload in a room.
func (p *Plan) AppendPublishBody(dst []byte, room string, payload []byte) []byte {
	return appendTemplate(dst, p.PublishBody, room, payload)
}

// appendTemplate appends text with {room} and {payload} replaced.
func appendTemplate(dst []byte, text, room string, payload []byte) []byte {
	for {
		i := strings.IndexByte(text, '{')
		if i < 0 {
			return append(dst, text...)
		}
		dst, text = append(dst, text[:i]...), text[i:]
		if rest, ok := strings.CutPrefix(text, "{room}"); ok {
			dst, text = append(dst, room...), rest
		} else if rest, ok := strings.CutPrefix(text, "{payload}"); ok {
			dst, text = append(dst, payload...), rest
		} else {
			dst, text = append(dst, '{'), text[1:]
		}
	}
}

// Skip is the number of bytes before a message's stamp, or -1 if it has to be
// searched for.
func (p *Plan) Skip() int {
	digits, ok := strings.CutPrefix(p.Stamp, "skip:")
	if !ok {
		return -1
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n
}

// What a connection needs while the test runs: where it goes, what it says
// first, how it publishes. All of it takes a valid plan for granted.

package plan

import (
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Target is a server that connections go to: one of the plan's URLs.
type Target struct {
	Address string // host:port to dial
	Host    string // header
	path    string // of the request line, with the query and placeholders
}

// Who is a connection, as texts speak of it.
type Who struct {
	Room  string // {room}
	User  string // {user}
	Token string // {token}; "" if the plan has none
}

// Greeter knows where connections go and what they say first. It never changes,
// so any goroutine may use it.
type Greeter struct {
	Targets []Target // of the URLs, in order

	// Where the token goes: making one is not for nothing.
	TokenInRequest, TokenInMessages bool

	plan   *Plan
	bearer bool // no text says where the token goes
}

// NewGreeter takes a valid plan apart.
func NewGreeter(p *Plan) *Greeter {
	g := &Greeter{plan: p, TokenInMessages: strings.Contains(p.OpenText, "{token}")}
	for _, text := range p.URLs {
		authority, path := splitURL(text)
		if p.Batch {
			path = addParameter(path, batchParameter+"=1")
		}
		t := Target{Address: authority, Host: authority, path: path}
		if strings.LastIndexByte(authority, ':') <= strings.LastIndexByte(authority, ']') {
			t.Address += ":80"
		}
		g.Targets = append(g.Targets, t)
	}
	for _, text := range slices.Concat(p.Headers, p.URLs) {
		g.TokenInRequest = g.TokenInRequest || strings.Contains(text, "{token}")
	}
	g.bearer = !g.TokenInRequest && !g.TokenInMessages
	if p.IsPlain() {
		g.TokenInMessages = true // there is no request
	}
	g.TokenInRequest = g.TokenInRequest || g.bearer && !p.IsPlain()
	return g
}

// Which is the target of a connection: they are taken in turn.
func (g *Greeter) Which(conn int) int { return conn % len(g.Targets) }

// Who is connection conn, which is in a room. Its token is the plan's; there may
// be others.
func (g *Greeter) Who(conn int, room string) Who {
	w := Who{Room: room, User: strings.ReplaceAll(g.plan.User, "{n}", strconv.Itoa(conn+1))}
	w.Token = strings.ReplaceAll(g.plan.Token, "{user}", w.User)
	return w
}

// Request is the path and query of the request for an upgrade, and its headers.
// A token of which no text says where it goes is in a header of its own.
func (g *Greeter) Request(conn int, w *Who) (path string, headers []string) {
	path = expandURL(g.Targets[g.Which(conn)].path, w)
	for _, h := range g.plan.Headers {
		headers = append(headers, string(appendTemplate(nil, h, w, nil)))
	}
	if g.bearer && w.Token != "" {
		headers = append(headers, "Authorization: Bearer "+w.Token)
	}
	return path, headers
}

// Message is one WebSocket message, or a line of plain TCP.
type Message struct {
	Binary  bool
	Payload []byte
}

// Speaks reports whether connections send Messages.
func (g *Greeter) Speaks() bool {
	return g.plan.OpenText != "" || g.plan.OpenHex != "" || g.plan.Preset == presetGoim
}

// Messages is what a connection sends when it is open.
func (g *Greeter) Messages(w *Who) []Message {
	p := g.plan
	var list []Message
	if p.IsPlain() && g.bearer && w.Token != "" {
		list = append(list, Message{Payload: []byte(`{"id":2,"cmd":"auth","token":"` + w.Token + `"}`)})
	}
	if p.OpenText != "" {
		list = append(list, Message{Payload: appendTemplate(nil, p.OpenText, w, nil)})
	}
	if p.OpenHex != "" {
		payload, _ := hex.DecodeString(p.OpenHex)
		list = append(list, Message{Binary: true, Payload: payload})
	}
	if list == nil && p.Preset == presetGoim {
		list = append(list, Message{Binary: true, Payload: goimAuth(w.Room)})
	}
	return list
}

// Refused reports whether a text message is a refusal.
func (p *Plan) Refused(text []byte) bool {
	for _, beginning := range p.Refusals {
		if len(text) >= len(beginning) && string(text[:len(beginning)]) == beginning {
			return true
		}
	}
	return false
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

func addParameter(path, parameter string) string {
	if strings.Contains(path, "?") {
		return path + "&" + parameter
	}
	return path + "?" + parameter
}

// expandURL puts names into a URL, escaped as their place in it demands.
func expandURL(text string, w *Who) string {
	path, query, hasQuery := strings.Cut(text, "?")
	path = expand(path, w, url.PathEscape)
	if !hasQuery {
		return path
	}
	return path + "?" + expand(query, w, url.QueryEscape)
}

func expand(text string, w *Who, escape func(string) string) string {
	escaped := Who{Room: escape(w.Room), User: escape(w.User), Token: escape(w.Token)}
	return string(appendTemplate(nil, text, &escaped, nil))
}

// PublishTarget is the URL that a message to a room is sent to over HTTP.
func (p *Plan) PublishTarget(room string) string { return expandURL(p.PublishURL, &Who{Room: room}) }

// PublishChannel is the Redis channel that a message to a room is published to.
func (p *Plan) PublishChannel(room string) string {
	return strings.ReplaceAll(p.RedisChannel, "{room}", room)
}

// AppendSocketMessage appends what a viewer sends to publish payload in a room.
func (p *Plan) AppendSocketMessage(dst []byte, room string, payload []byte) []byte {
	return appendTemplate(dst, p.SendText, &Who{Room: room}, payload)
}

// AppendPublishBody appends what a publisher sends to publish payload in a room.
func (p *Plan) AppendPublishBody(dst []byte, room string, payload []byte) []byte {
	return appendTemplate(dst, p.PublishBody, &Who{Room: room}, payload)
}

// appendTemplate appends text with its placeholders replaced.
func appendTemplate(dst []byte, text string, w *Who, payload []byte) []byte {
	for {
		i := strings.IndexByte(text, '{')
		if i < 0 {
			return append(dst, text...)
		}
		dst, text = append(dst, text[:i]...), text[i:]
		if rest, ok := strings.CutPrefix(text, "{room}"); ok {
			dst, text = append(dst, w.Room...), rest
		} else if rest, ok := strings.CutPrefix(text, "{user}"); ok {
			dst, text = append(dst, w.User...), rest
		} else if rest, ok := strings.CutPrefix(text, "{token}"); ok {
			dst, text = append(dst, w.Token...), rest
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
	digits, skips := strings.CutPrefix(p.Stamp, "skip:")
	if n, err := strconv.Atoi(digits); skips && err == nil {
		return n
	}
	return -1
}

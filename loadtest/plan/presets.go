// What is known of some servers, so that nobody need write it into a plan.

package plan

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strings"
)

const (
	presetNone = "none"
	presetRaw  = "barrage"
	presetV1   = "barrage.v1"
	presetSSE  = "barrage.sse"
	presetTCP  = "barrage.tcp"
	presetGoim = "goim"

	batchParameter = "batch" // of barrage.v1's URL
)

// preset is how a server is spoken to.
type preset struct {
	name, about string
	path        string // of the URL
	publishPort string // where it takes messages by HTTP, if not where its viewers are
	publishPath string
	more        map[string]any // further settings
	onOpen      string
}

// presets lists all but "none", which knows nothing.
func presets() []preset {
	return []preset{
		{
			name: presetRaw, about: "this server, plain messages",
			path: "/ws?room={room}", publishPort: "8081", publishPath: "/v1/rooms/{room}/messages",
		},
		{
			name: presetV1, about: "this server, its protocol",
			path: "/ws?room={room}", publishPort: "8081", publishPath: "/v1/rooms/{room}/messages",
			more: map[string]any{
				"subprotocols": []string{"barrage.v1"},
				"refusals":     []string{`{"id":1,"error":`, `{"push":"left",`},
				"send_text":    `{"cmd":"publish","room":"{room}","data":"{payload}"}`,
			},
		},
		{
			name: presetSSE, about: "this server, its event streams (Server-Sent Events)",
			path: "/sse?room={room}", publishPort: "8081", publishPath: "/v1/rooms/{room}/messages",
		},
		{
			name: presetTCP, about: "this server, its protocol as lines of plain TCP (`--listen-tcp`); `--url tcp://host:port`",
			publishPort: "8081", publishPath: "/v1/rooms/{room}/messages",
			more: map[string]any{
				"url":       []string{"tcp://127.0.0.1:8090"},
				"open_text": `{"id":1,"cmd":"join","room":"{room}"}`,
				"refusals":  []string{`{"id":1,"error":`, `{"id":2,"error":`, `{"push":"left",`, `{"push":"bye",`},
				"send_text": `{"cmd":"publish","room":"{room}","data":"{payload}"}`,
			},
			onOpen: "joins, and before that says its token, if it has one",
		},
		{
			name: "gorilla", about: "hubs like gorilla/websocket's chat example, and those in loadtest/peers",
			path: "/ws?room={room}", publishPath: "/pub?room={room}",
		},
		{
			name: "nchan", about: "nginx with nchan_subscriber at /ws and nchan_publisher at /pub",
			path: "/ws?room={room}", publishPath: "/pub?room={room}",
		},
		{
			name: "centrifugo", about: "Centrifugo 4 and later, JSON protocol; the room is the channel",
			path: "/connection/websocket", publishPath: "/api/publish",
			more: map[string]any{
				"open_text":       `{"id":1,"connect":{}}` + "\n" + `{"id":2,"subscribe":{"channel":"{room}"}}`,
				"answers":         map[string]string{"{}": "{}"},
				"refusals":        []string{`{"id":1,"error":`, `{"id":2,"error":`},
				"publish_headers": []string{"Content-Type: application/json"},
				"publish_body":    `{"channel":"{room}","data":{"m":"{payload}"}}`,
			},
			onOpen: "connects and subscribes",
		},
		{
			name: presetGoim, about: "goim's comet; messages go to its logic",
			path: "/sub", publishPort: "3111", publishPath: "/goim/push/room?operation=1000&type=live&room={room}",
			onOpen: "its auth packet, for the room live://{room}",
		},
	}
}

// findPreset knows "none", too.
func findPreset(name string) (preset, bool) {
	if name == presetNone {
		return preset{name: name, more: map[string]any{"publish": PublishNone}}, true
	}
	for _, p := range presets() {
		if p.name == name {
			return p, true
		}
	}
	return preset{}, false
}

// OfBarrage reports whether the target is this very server, by the preset.
func (p *Plan) OfBarrage() bool {
	return p.Preset == presetRaw || p.Preset == presetV1 || p.IsStream() || p.IsPlain()
}

// IsStream reports whether viewers get an event stream instead of a WebSocket.
func (p *Plan) IsStream() bool { return p.Preset == presetSSE }

// IsPlain reports whether viewers speak in lines of plain TCP, and are in once what they say
// first is answered.
func (p *Plan) IsPlain() bool { return p.Preset == presetTCP }

// Entered reports whether a line of plain TCP is that answer.
func Entered(line []byte) bool { return bytes.HasPrefix(line, entered) }

var entered = []byte(`{"id":1,"ok":`)

// presetNames lists what --preset may be.
func presetNames() string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ") + " or " + presetNone
}

// complete adds the preset's paths to URLs that have none.
func (s *preset) complete(p *Plan) {
	if s.name == presetNone {
		return
	}
	if p.PublishURL == "" && len(p.URLs) > 0 {
		authority, _ := splitURL(p.URLs[0])
		if s.publishPort != "" {
			authority = net.JoinHostPort(hostOf(authority), s.publishPort)
		}
		p.PublishURL = "http://" + authority
	}
	p.PublishURL = withPath(p.PublishURL, s.publishPath)
	for i, text := range p.URLs {
		p.URLs[i] = withPath(text, s.path)
	}
}

func withPath(text, path string) string {
	if u, err := url.Parse(text); err == nil && u.Host != "" && u.Path == "" && u.RawQuery == "" {
		return text + path
	}
	return text
}

// hostOf is an authority without its port and brackets.
func hostOf(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return host
	}
	return strings.Trim(authority, "[]")
}

// goimAuth is the packet with which a goim client enters a room: a header of 16
// bytes (length of all, length of the header, version, operation, number), and
// JSON. It has its length in it, so no template can give it.
func goimAuth(room string) []byte {
	const (
		header    = 16
		version   = 1
		operation = 7 // OpAuth
		number    = 1
	)
	name, _ := json.Marshal("live://" + room) // a text can always be encoded
	body := fmt.Appendf(nil, `{"mid":0,"room_id":%s,"platform":"web","accepts":[1000]}`, name)
	b := binary.BigEndian.AppendUint32(nil, uint32(header+len(body)))
	b = binary.BigEndian.AppendUint16(b, header)
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint32(b, operation)
	b = binary.BigEndian.AppendUint32(b, number)
	return append(b, body...)
}

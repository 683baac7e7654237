package client

// This file is the server of a scenario: it says what is written, and nothing else, but for
// the answers to pings.

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

type object = map[string]any

// peer is the server's end of a connection.
type peer struct {
	socket *websocket.Conn
	raw    net.Conn
	token  string
	due    chan object // commands that nobody waited for yet

	mu     sync.Mutex
	all    []object
	frozen bool
}

type connKey struct{}

// playServer accepts connections into the returned channel.
func playServer(t *testing.T) (address string, peers chan *peer) {
	peers = make(chan *peer, 100)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"barrage.v1"}})
		if err != nil {
			return
		}
		p := &peer{
			socket: socket, raw: r.Context().Value(connKey{}).(net.Conn), due: make(chan object, 100),
			token: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "),
		}
		peers <- p
		p.read(t.Context())
	}))
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }
	s.Start()
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "http", "ws", 1), peers
}

func (p *peer) read(ctx context.Context) {
	defer func() { _ = p.socket.CloseNow() }()
	for {
		_, frame, err := p.socket.Read(ctx)
		if err != nil {
			return
		}
		var cmd object
		if json.Unmarshal(frame, &cmd) != nil {
			return
		}
		p.mu.Lock()
		frozen := p.frozen
		if cmd["cmd"] != "ping" {
			p.all = append(p.all, cmd)
		}
		p.mu.Unlock()
		if cmd["cmd"] != "ping" {
			p.due <- cmd
		} else if !frozen {
			p.send(object{"id": cmd["id"], "ok": object{}})
		}
	}
}

func (p *peer) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
}

// send sends what it can: the other end may be gone.
func (p *peer) send(o any) {
	bytes, err := json.Marshal(o)
	if err == nil {
		_ = p.socket.Write(context.Background(), websocket.MessageText, bytes)
	}
}

func (p *peer) half(o any) {
	bytes, err := json.Marshal(o)
	if err != nil {
		return
	}
	head := []byte{0x81, byte(len(bytes))}
	if len(bytes) > 125 {
		head = []byte{0x81, 126, byte(len(bytes) >> 8), byte(len(bytes))}
	}
	_, _ = p.raw.Write(append(head, bytes[:len(bytes)/2]...))
	_ = p.raw.Close()
}

// close sends the frame itself, as some codes here are none that a library would send.
func (p *peer) close(code int, reason string) {
	_, _ = p.raw.Write(append([]byte{0x88, byte(2 + len(reason)), byte(code >> 8), byte(code)}, reason...))
}

var idOf = regexp.MustCompile(`^\$(\w+) ?(.*)$`)

// fill puts ids and messages where their names are.
func (p *peer) fill(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = p.fill(v[i])
		}
	case object:
		for k := range v {
			v[k] = p.fill(v[k])
		}
	case string:
		if at, ok := strings.CutPrefix(v, "@"); ok {
			return historical(at)
		}
		if m := idOf.FindStringSubmatch(v); m != nil {
			return p.newest(m[1], m[2])
		}
	}
	return v
}

func (p *peer) newest(cmd, room string) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.all) - 1; i >= 0; i-- {
		if c := p.all[i]; c["cmd"] == cmd && (room == "" || c["room"] == room) {
			return c["id"]
		}
	}
	return fmt.Sprintf("no %s %s came", cmd, room)
}

// historical is the message at a position, EPOCH:OFFSET.
func historical(at string) object {
	epoch, text, _ := strings.Cut(at, ":")
	offset, _ := strconv.ParseFloat(text, 64)
	return object{"id": epoch + "-" + text, "epoch": epoch, "offset": offset, "time": 1.0, "data": offset}
}

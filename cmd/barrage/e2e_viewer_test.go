package main

// A WebSocket client on a blocking socket, made of the frame package.

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"barrage/frame"
)

// viewer is used by one goroutine at a time.
type viewer struct {
	t        *testing.T
	conn     net.Conn
	r        *bufio.Reader
	asm      frame.Assembler
	messages []message
	buf      []byte
}

type message struct {
	op   frame.Opcode
	text string
}

func (v *viewer) Message(op frame.Opcode, p []byte) error {
	v.messages = append(v.messages, message{op, string(p)})
	return nil
}

// Control answers pings and keeps close frames for next.
func (v *viewer) Control(op frame.Opcode, p []byte) error {
	switch op {
	case frame.Ping:
		_, err := v.conn.Write(frame.AppendMasked(nil, frame.Pong, [4]byte{1, 2, 3, 4}, p))
		return err
	case frame.Close:
		return v.Message(op, p)
	}
	return nil
}

func upgradeRequest(target string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
}

// dial opens a connection that asks for an upgrade to a room, and closes it when
// the test ends. Any goroutine.
func dial(t *testing.T, addr, room string) (*viewer, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() }) // many tests close it themselves
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	v := &viewer{t: t, conn: conn, r: bufio.NewReader(conn), asm: frame.Assembler{Client: true}}
	_, err = io.WriteString(conn, upgradeRequest("/ws?room="+room))
	return v, err
}

// answered reads the answer to dial's request.
func (v *viewer) answered() (*http.Response, error) { return http.ReadResponse(v.r, nil) }

// join opens a WebSocket into a room.
func (c *child) join(room string) *viewer {
	c.t.Helper()
	v, err := dial(c.t, c.ws, room)
	if err != nil {
		c.t.Fatal(err)
	}
	v.wantUpgrade()
	return v
}

func (v *viewer) wantUpgrade() {
	v.t.Helper()
	resp, err := v.answered()
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		v.t.Fatalf("no upgrade: %+v, %v", resp, err)
	}
}

func (v *viewer) send(op frame.Opcode, payload string) error {
	_, err := v.conn.Write(frame.AppendMasked(nil, op, [4]byte{1, 2, 3, 4}, []byte(payload)))
	return err
}

func (v *viewer) mustSend(op frame.Opcode, payload string) {
	v.t.Helper()
	if err := v.send(op, payload); err != nil {
		v.t.Fatal(err)
	}
}

// next returns the next message or close frame.
func (v *viewer) next() (message, error) {
	if v.buf == nil {
		v.buf = make([]byte, 32<<10)
	}
	for len(v.messages) == 0 {
		n, err := v.r.Read(v.buf)
		if err != nil {
			return message{}, err
		}
		if err := v.asm.Feed(v.buf[:n], &frame.Limits{MaxMessage: 1 << 20, MaxFragments: 1}, v); err != nil {
			return message{}, err
		}
	}
	m := v.messages[0]
	v.messages = v.messages[1:]
	return m, nil
}

func (v *viewer) want(op frame.Opcode, payload string) {
	v.t.Helper()
	m, err := v.next()
	if err != nil || m != (message{op, payload}) {
		v.t.Fatalf("got %v %.60q, %v; want %v %.60q", m.op, m.text, err, op, payload)
	}
}

// until returns the texts that come before the text last.
func (v *viewer) until(last string) (texts []string, err error) {
	for {
		m, err := v.next()
		switch {
		case err != nil:
			return texts, fmt.Errorf("after %d messages, waiting for %q: %w", len(texts), last, err)
		case m.op == frame.Close:
			return texts, fmt.Errorf("after %d messages, waiting for %q: close %q", len(texts), last, m.text)
		case m.text == last:
			return texts, nil
		}
		texts = append(texts, m.text)
	}
}

func (v *viewer) mustUntil(last string) []string {
	v.t.Helper()
	texts, err := v.until(last)
	if err != nil {
		v.t.Fatal(err)
	}
	return texts
}

// A WebSocket viewer on a blocking socket.

package edgetest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"barrage/frame"
)

// Mask is the mask of what viewers send.
var Mask = [4]byte{1, 2, 3, 4}

// Viewer is a WebSocket viewer on a blocking socket.
type Viewer struct {
	T      testing.TB
	Conn   *net.TCPConn
	Reader *bufio.Reader
	Frames frame.Assembler

	messages []Received
}

// Received is a message or a control frame.
type Received struct {
	Op      frame.Opcode
	Payload string
}

// Message implements frame.Sink.
func (c *Viewer) Message(op frame.Opcode, p []byte) error {
	c.messages = append(c.messages, Received{op, string(p)})
	return nil
}

// Control implements frame.Sink.
func (c *Viewer) Control(op frame.Opcode, p []byte) error { return c.Message(op, p) }

// DialTCP dials a connection that ends with the test.
func DialTCP(t testing.TB, s *Server) *net.TCPConn {
	t.Helper()
	c := DialLoose(t, s)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// DialLoose dials a connection that the test closes itself and does not hold on
// to.
func DialLoose(t testing.TB, s *Server) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", s.Addr().String(), Patience)
	Must(t, err)
	_ = c.SetDeadline(time.Now().Add(Patience))
	return c.(*net.TCPConn)
}

// UpgradeRequest is a request for a WebSocket; each header ends with its line's end.
func UpgradeRequest(target string, headers ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" + strings.Join(headers, "") + "\r\n"
}

// Shake sends a request and returns the response.
func Shake(t testing.TB, s *Server, request string) (*Viewer, *http.Response) {
	t.Helper()
	return ShakeOn(t, DialTCP(t, s), request)
}

// ShakeOn is Shake on a connection that there is.
func ShakeOn(t testing.TB, conn *net.TCPConn, request string) (*Viewer, *http.Response) {
	t.Helper()
	c := &Viewer{T: t, Conn: conn, Reader: bufio.NewReaderSize(conn, 64<<10), Frames: frame.Assembler{Client: true}}
	c.Write([]byte(request))
	resp, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		t.Fatalf("reading the response: %v", err)
	}
	return c, resp
}

// Join opens a WebSocket to a target such as /ws?room=a.
func Join(t testing.TB, s *Server, target string) *Viewer {
	t.Helper()
	c, resp := Shake(t, s, UpgradeRequest(target))
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s: status %d", target, resp.StatusCode)
	}
	return c
}

// Write sends bytes.
func (c *Viewer) Write(p []byte) {
	c.T.Helper()
	_ = c.Conn.SetWriteDeadline(time.Now().Add(Patience))
	_, err := c.Conn.Write(p)
	Must(c.T, err)
}

// Send sends a frame.
func (c *Viewer) Send(op frame.Opcode, payload string) {
	c.T.Helper()
	c.Write(frame.AppendMasked(nil, op, Mask, []byte(payload)))
}

// Feed takes in what was read.
func (c *Viewer) Feed(p []byte) error {
	return c.Frames.Feed(p, &frame.Limits{MaxMessage: 1 << 24, MaxFragments: 1000}, c)
}

// Next returns the next frame. Each wait has its own deadline: how long a whole test
// takes is the machine's affair.
func (c *Viewer) Next() (Received, error) {
	buf := make([]byte, 64<<10)
	for len(c.messages) == 0 {
		_ = c.Conn.SetReadDeadline(time.Now().Add(Patience))
		n, err := c.Reader.Read(buf)
		if err == nil {
			err = c.Feed(buf[:n])
		}
		if err != nil {
			return Received{}, err
		}
	}
	m := c.messages[0]
	c.messages = c.messages[1:]
	return m, nil
}

// Want wants this frame next.
func (c *Viewer) Want(op frame.Opcode, payload string) {
	c.T.Helper()
	m, err := c.Next()
	if err != nil {
		c.T.Fatalf("want %v %.60q: %v", op, payload, err)
	}
	if m.Op != op || m.Payload != payload {
		c.T.Fatalf("got %v %.60q, want %v %.60q", m.Op, m.Payload, op, payload)
	}
}

// WantClose wants a close frame with the code and then the end of the stream.
func (c *Viewer) WantClose(code uint16) {
	c.T.Helper()
	m, err := c.Next()
	if err != nil {
		c.T.Fatalf("want close %d: %v", code, err)
	}
	got, _ := frame.ParseClose([]byte(m.Payload))
	if m.Op != frame.Close || got != code {
		c.T.Fatalf("got %v %q, want close %d", m.Op, m.Payload, code)
	}
	c.WantEnd()
}

// WantEnd wants the end of the stream.
func (c *Viewer) WantEnd() {
	c.T.Helper()
	m, err := c.Next()
	switch {
	case err == nil:
		c.T.Fatalf("got %v %.60q, want the end", m.Op, m.Payload)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.T.Fatal("the connection was not closed")
	}
}

// Body is the body of a response, as far as it comes.
func Body(resp *http.Response) string {
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

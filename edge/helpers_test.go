package edge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"barrage/edge/conn"
	"barrage/edge/node"
	"barrage/frame"
	"barrage/internal/broker"
)

// patience bounds every wait of the tests; nothing is decided by it but that a
// thing never happens.
const patience = 20 * time.Second

func startServer(t testing.TB, change func(*Config), setup ...func(*Server)) *Server {
	t.Helper()
	cfg := Config{
		Listen: "127.0.0.1:0", Shards: 2, MaxConnections: 10000,
		PublishRate: 1e6, PublishBurst: 1000000,
		Tick:   10 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range setup {
		f(s)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// listening is a protocol whose messages a test hears before they are handled.
type listening struct {
	conn.Protocol
	hear func([]byte)
}

func (p *listening) Message(r *conn.Read, binary bool, payload []byte) error {
	p.hear(payload)
	return p.Protocol.Message(r, binary, payload)
}

// onMessage has a test hear all messages.
func onMessage(c *Config, hear func([]byte)) {
	for _, p := range protocols() {
		start := p.Start
		p.Start = func(n *node.Node) func(*conn.Loop) conn.Protocol {
			attach := start(n)
			return func(l *conn.Loop) conn.Protocol { return &listening{attach(l), hear} }
		}
		c.protocols = append(c.protocols, p)
	}
}

// viewer is a WebSocket viewer on a blocking socket.
type viewer struct {
	t    testing.TB
	c    *net.TCPConn
	r    *bufio.Reader
	asm  frame.Assembler
	msgs []received
	mask [4]byte
}

type received struct {
	op      frame.Opcode
	payload string
}

func (c *viewer) Message(op frame.Opcode, p []byte) error {
	c.msgs = append(c.msgs, received{op, string(p)})
	return nil
}

func (c *viewer) Control(op frame.Opcode, p []byte) error { return c.Message(op, p) }

func dialTCP(t testing.TB, s *Server) *net.TCPConn {
	t.Helper()
	c := dialLoose(t, s)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// dialLoose dials a connection that the test closes itself and does not hold on
// to.
func dialLoose(t testing.TB, s *Server) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", s.Addr().String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

func upgradeRequest(target string, headers ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" + strings.Join(headers, "") + "\r\n"
}

// shake sends a request and returns the response.
func shake(t testing.TB, s *Server, request string) (*viewer, *http.Response) {
	t.Helper()
	return shakeOn(t, dialTCP(t, s), request)
}

func shakeOn(t testing.TB, conn *net.TCPConn, request string) (*viewer, *http.Response) {
	t.Helper()
	c := &viewer{t: t, c: conn, asm: frame.Assembler{Client: true}, mask: [4]byte{1, 2, 3, 4}}
	c.r = bufio.NewReaderSize(c.c, 64<<10)
	if _, err := io.WriteString(c.c, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatalf("reading the response: %v", err)
	}
	return c, resp
}

// join opens a WebSocket to a target such as /ws?room=a.
func join(t testing.TB, s *Server, target string) *viewer {
	t.Helper()
	c, resp := shake(t, s, upgradeRequest(target))
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s: status %d", target, resp.StatusCode)
	}
	return c
}

func (c *viewer) write(p []byte) {
	c.t.Helper()
	if _, err := c.c.Write(p); err != nil {
		c.t.Fatal(err)
	}
}

func (c *viewer) send(op frame.Opcode, payload string) {
	c.t.Helper()
	c.write(frame.AppendMasked(nil, op, c.mask, []byte(payload)))
}

var errTimeout = errors.New("nothing came in time")

// next returns the next frame.
func (c *viewer) next() (received, error) {
	buf := make([]byte, 64<<10)
	for len(c.msgs) == 0 {
		n, err := c.r.Read(buf)
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				return received{}, errTimeout
			}
			return received{}, err
		}
		if err := c.asm.Feed(buf[:n], &frame.Limits{MaxMessage: 1 << 24, MaxFragments: 1000}, c); err != nil {
			return received{}, err
		}
	}
	m := c.msgs[0]
	c.msgs = c.msgs[1:]
	return m, nil
}

func (c *viewer) want(op frame.Opcode, payload string) {
	c.t.Helper()
	m, err := c.next()
	if err != nil {
		c.t.Fatalf("want %v %.60q: %v", op, payload, err)
	}
	if m.op != op || m.payload != payload {
		c.t.Fatalf("got %v %.60q, want %v %.60q", m.op, m.payload, op, payload)
	}
}

// wantClose wants a close frame with the code and then the end of the stream.
func (c *viewer) wantClose(code uint16) {
	c.t.Helper()
	m, err := c.next()
	if err != nil {
		c.t.Fatalf("want close %d: %v", code, err)
	}
	got, _ := frame.ParseClose([]byte(m.payload))
	if m.op != frame.Close || got != code {
		c.t.Fatalf("got %v %q, want close %d", m.op, m.payload, code)
	}
	c.wantEnd()
}

func (c *viewer) wantEnd() {
	c.t.Helper()
	m, err := c.next()
	switch {
	case err == nil:
		c.t.Fatalf("got %v %.60q, want the end", m.op, m.payload)
	case errors.Is(err, errTimeout):
		c.t.Fatal("the connection was not closed")
	}
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// publish sends a text through the API's entrance.
func publishTo(t testing.TB, s *Server, room, text string) (deliveredTo int) {
	t.Helper()
	r, err := s.Publish(context.Background(), &broker.Publication{Room: room, Format: broker.Text, Payload: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return r.Members
}

func waitMembers(t testing.TB, s *Server, room string, n int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d members of %s", n, room), func() bool { return s.Delivery.Members(room) == n })
}

// balanced checks the accounting of all shards once nothing is pending.
func balanced(t testing.TB, s *Server) {
	t.Helper()
	waitFor(t, "offered = delivered + skipped", func() bool {
		for _, f := range s.Stats().Fanout {
			if f.Offered != f.Delivered+f.Skipped[0]+f.Skipped[1]+f.Skipped[2]+f.Pending {
				t.Fatalf("offered %d, delivered %d, skipped %v, pending %d", f.Offered, f.Delivered, f.Skipped, f.Pending)
			}
			if f.Pending != 0 {
				return false
			}
		}
		return true
	})
}

func body(resp *http.Response) string {
	var b bytes.Buffer
	_, _ = io.Copy(&b, resp.Body)
	return b.String()
}

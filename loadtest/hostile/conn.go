// A WebSocket connection of an attacker or a guest, from an address of its own.

package hostile

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"barrage/frame"
)

const (
	dialWithin = 10 * time.Second
	maxMessage = 4 << 20
)

// Meter counts bytes of many connections.
type Meter struct{ In, Out atomic.Int64 }

// metered is a connection whose bytes are counted.
type metered struct {
	net.Conn
	meter *Meter
}

func (c metered) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.meter.In.Add(int64(n))
	return n, err
}

func (c metered) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.meter.Out.Add(int64(n))
	return n, err
}

// dial connects from an address. The connection ends with ctx.
func dial(ctx context.Context, m *Meter, from netip.Addr, to string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialWithin, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	c, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { c.Close() })
	return metered{c, m}, nil
}

// Conn is a WebSocket. One goroutine reads, and answers pings; another may write.
type Conn struct {
	net.Conn
	r    *bufio.Reader
	asm  frame.Assembler
	buf  []byte
	text func([]byte) // takes each message while read runs
	bye  string       // what the close frame said

	asked int // commands, by ask
}

// request is a handshake. Without a subprotocol the connection is raw.
func request(target, host, subprotocol string, header ...string) ([]byte, error) {
	r := frame.ClientRequest{Target: target, Host: host, Key: frame.NewKey([16]byte{}), Header: header}
	if subprotocol != "" {
		r.Subprotocols = []string{subprotocol}
	}
	return frame.AppendClientRequest(nil, r)
}

// open shakes hands. An answer other than 101 is an error that begins with its status.
func open(ctx context.Context, m *Meter, from netip.Addr, to, target, subprotocol string, header ...string) (*Conn, error) {
	req, err := request(target, to, subprotocol, header...)
	if err != nil {
		return nil, err
	}
	nc, err := dial(ctx, m, from, to)
	if err != nil {
		return nil, err
	}
	c := &Conn{Conn: nc, r: bufio.NewReaderSize(nc, 4<<10), asm: frame.Assembler{Client: true}}
	if _, err = nc.Write(req); err == nil {
		err = c.answered()
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) answered() error {
	resp, err := http.ReadResponse(c.r, nil)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New(resp.Status)
	}
	return err
}

// send sends a text.
func (c *Conn) send(text string) error {
	_, err := c.Write(frame.AppendMasked(nil, frame.Text, [4]byte{}, []byte(text)))
	return err
}

// read reads once and passes on what is whole.
func (c *Conn) read() error {
	if c.buf == nil {
		c.buf = make([]byte, 64<<10)
	}
	n, err := c.r.Read(c.buf)
	if err != nil {
		return err
	}
	return c.asm.Feed(c.buf[:n], &frame.Limits{MaxMessage: maxMessage, MaxFragments: 1}, c)
}

// Message implements frame.Handler.
func (c *Conn) Message(_ frame.Opcode, p []byte) error {
	if c.text != nil {
		c.text(p)
	}
	return nil
}

// Control implements frame.Handler.
func (c *Conn) Control(op frame.Opcode, p []byte) error {
	switch op {
	case frame.Ping:
		_, err := c.Write(frame.AppendMasked(nil, frame.Pong, [4]byte{}, p))
		return err
	case frame.Close:
		code, reason := frame.ParseClose(p)
		c.bye = fmt.Sprint(code, " ", reason)
		return io.EOF
	}
	return nil
}

// said is what barrage.v1 says: a reply or a push.
type said struct {
	ID    json.RawMessage // a number in replies, a text in messages
	Push  string
	OK    *fields
	Error *struct {
		Code, Message string
		RetryAfter    int `json:"retry_after"`
	}
	fields
}

// fields are those that guests look at.
type fields struct {
	Request  uint64 // that a worker is to answer
	Room     string
	Epoch    string
	Offset   uint64
	Resumed  bool
	Replayed bool
	Gap      *struct {
		From, To uint64
		Reason   string
	}
	Messages []fields
	Data     json.RawMessage
	Sender   *struct{ User string }
}

// answers tells whether it is the reply to a command.
func (s *said) answers(id int) bool { return string(s.ID) == strconv.Itoa(id) }

// ask gives a command and waits for its reply.
func (c *Conn) ask(until time.Time, command string) (*said, error) {
	c.asked++
	id := c.asked
	if err := c.send(fmt.Sprintf(`{"id":%d,%s}`, id, command)); err != nil {
		return nil, err
	}
	return c.next(until, func(s *said) bool { return s.answers(id) })
}

// next reads until what is said is wanted. Pushes of messages go by otherwise.
func (c *Conn) next(until time.Time, wanted func(*said) bool) (*said, error) {
	_ = c.SetDeadline(until)
	var found *said
	var bad error
	c.text = func(p []byte) {
		if found != nil {
			return // it comes too late to matter
		}
		var s said
		if err := json.Unmarshal(p, &s); err != nil {
			bad = fmt.Errorf("no JSON as it should be: %w", err)
		} else if wanted(&s) {
			found = &s
		}
	}
	for found == nil && bad == nil {
		if err := c.read(); err != nil {
			return nil, err
		}
	}
	return found, bad
}

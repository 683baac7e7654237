package main

// A barrage.v1 connection of TestChaos.

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	v1 "barrage/edge/v1"
	"barrage/frame"
)

// chaosConn is used by one goroutine, and for one connection after the other.
type chaosConn struct {
	log *chaosLog
	who string // it belongs to

	conn  net.Conn // nil: none
	r     *bufio.Reader
	asm   frame.Assembler
	buf   []byte
	queue []v1Object // read, but not looked at
}

func (c *chaosConn) connect(addr string, until time.Time) error {
	conn, err := net.DialTimeout("tcp", addr, 3*time.Second)
	if err != nil {
		return err
	}
	c.conn, c.queue = conn, nil
	c.asm.Reset()
	c.asm.Client = true
	if c.buf == nil {
		c.buf = make([]byte, 16<<10)
	}
	_ = conn.SetDeadline(until)
	request, err := frame.AppendClientRequest(nil, frame.ClientRequest{
		Target: "/ws", Host: addr, Key: frame.NewKey([16]byte{}), Subprotocols: []string{v1.Subprotocol},
	})
	if err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	c.r = bufio.NewReaderSize(conn, 4<<10)
	resp, err := http.ReadResponse(c.r, nil)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New(resp.Status)
	}
	return err
}

// drop ends the connection, half of the time as a dead phone does.
func (c *chaosConn) drop() {
	if c.conn == nil {
		return
	}
	if tcp, ok := c.conn.(*net.TCPConn); ok && rand.IntN(2) == 0 {
		_ = tcp.SetLinger(0)
	}
	_ = c.conn.Close()
	c.conn = nil
}

// send sends a command.
func (c *chaosConn) send(command string, until time.Time) error {
	_ = c.conn.SetWriteDeadline(until)
	_, err := c.conn.Write(frame.AppendMasked(nil, frame.Text, [4]byte{1, 2, 3, 4}, []byte(command)))
	return err
}

// read waits for more and puts it into the queue.
func (c *chaosConn) read(until time.Time) error {
	_ = c.conn.SetReadDeadline(until)
	for before := len(c.queue); len(c.queue) == before; {
		n, err := c.r.Read(c.buf)
		if err != nil {
			return err
		}
		if err := c.asm.Feed(c.buf[:n], &frame.Limits{MaxMessage: 4 << 20, MaxFragments: 1}, c); err != nil {
			return err
		}
	}
	return nil
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// Message implements frame.Handler.
func (c *chaosConn) Message(_ frame.Opcode, p []byte) error {
	o, ok := parseChaosPush(p)
	if !ok {
		if err := json.Unmarshal(p, &o); err != nil {
			c.log.complain("%s: %.200q: %v", c.who, p, err)
			return err
		}
	}
	c.queue = append(c.queue, o)
	return nil
}

// Control implements frame.Handler.
func (c *chaosConn) Control(op frame.Opcode, p []byte) error {
	switch op {
	case frame.Ping:
		_, err := c.conn.Write(frame.AppendMasked(nil, frame.Pong, [4]byte{1, 2, 3, 4}, p))
		return err
	case frame.Close:
		return io.EOF
	}
	return nil
}

// parseChaosPush reads the pushes of messages, of which there are millions, in
// the very form in which the server writes them.
func parseChaosPush(p []byte) (o v1Object, ok bool) {
	rest, ok := strings.CutPrefix(string(p), `{"push":"message","room":"`+chaosRoom+`",`)
	if !ok {
		return o, false
	}
	_, rest, _ = strings.Cut(rest, `"epoch":"`)
	epoch, rest, _ := strings.Cut(rest, `","offset":`)
	offset, rest, _ := strings.Cut(rest, `,`)
	_, rest, _ = strings.Cut(rest, `"data":`)
	data, _, ok := strings.Cut(rest, `}`)
	o.Push, o.Epoch, o.Data = "message", epoch, json.RawMessage(data)
	var err error
	o.Offset, err = strconv.ParseUint(offset, 10, 64)
	return o, ok && err == nil
}

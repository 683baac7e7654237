// A server with plain listeners, and clients of it.

package tcp_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/edge/tcp"
	"barrage/netpoll"
)

// start starts a server that listens with a framing on a TCP address and a Unix socket.
func start(t testing.TB, f tcp.Framing, change func(*edge.Config)) *edgetest.Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "tcp") // t.TempDir may be too long for a socket
	edgetest.Must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return edgetest.Start(t, func(c *edge.Config) {
		c.ListenTCP, c.TCPFraming = []string{"127.0.0.1:0", netpoll.UnixPrefix + filepath.Join(dir, "s")}, f
		if change != nil {
			change(c)
		}
	})
}

// Indexes of the addresses that start listens on.
const (
	onTCP = iota
	onUnix
)

// client is one of barrage.v1.
type client struct {
	net.Conn
	t       testing.TB
	framing tcp.Framing
	reader  *bufio.Reader
}

func dial(t testing.TB, s *edgetest.Server, address int) *client {
	t.Helper()
	network, addr := "tcp", s.PlainAddrs()[address]
	if path, ok := strings.CutPrefix(addr, netpoll.UnixPrefix); ok {
		network, addr = "unix", path
	}
	c, err := net.DialTimeout(network, addr, edgetest.Patience)
	edgetest.Must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return &client{c, t, s.Config.TCPFraming, bufio.NewReaderSize(c, 64<<10)}
}

// join dials, and joins a room.
func join(t testing.TB, s *edgetest.Server, address int, room string) *client {
	t.Helper()
	c := dial(t, s, address)
	c.want(`{"push":"welcome"`)
	c.send(`{"id":1,"cmd":"join","room":"` + room + `"}`)
	c.want(`{"id":1,"ok":{"room":"` + room + `"`)
	return c
}

// frame is a message as it is sent.
func (c *client) frame(message string) []byte { return framed(c.framing, message) }

func framed(f tcp.Framing, message string) []byte {
	if f == tcp.Lengths {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)
	}
	return []byte(message + "\n")
}

func (c *client) send(message string) {
	c.t.Helper()
	c.write(c.frame(message))
}

func (c *client) write(p []byte) {
	c.t.Helper()
	_ = c.SetWriteDeadline(time.Now().Add(edgetest.Patience))
	_, err := c.Write(p)
	edgetest.Must(c.t, err)
}

// next is the next message, or the error that there is none.
func (c *client) next() (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(edgetest.Patience))
	if c.framing == tcp.Lengths {
		var head [4]byte
		if _, err := io.ReadFull(c.reader, head[:]); err != nil {
			return "", err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:]))
		_, err := io.ReadFull(c.reader, body)
		return string(body), err
	}
	line, err := c.reader.ReadString('\n')
	if err == io.EOF && line != "" {
		err = fmt.Errorf("half a line: %q", line)
	}
	return strings.TrimSuffix(line, "\n"), err
}

// want reads a message that begins so.
func (c *client) want(begin string) string {
	c.t.Helper()
	got, err := c.next()
	if err != nil || !strings.HasPrefix(got, begin) || !json.Valid([]byte(got)) {
		c.t.Fatalf("got %q, %v, want %s", got, err, begin)
	}
	return got
}

// wantAll reads as many messages, that begin so, in any order.
func (c *client) wantAll(begins ...string) {
	c.t.Helper()
	for n := len(begins); n > 0; n-- {
		got := c.want("{")
		i := slices.IndexFunc(begins, func(b string) bool { return strings.HasPrefix(got, b) })
		if i < 0 {
			c.t.Fatalf("got %q, want %q", got, begins)
		}
		begins = slices.Delete(begins, i, i+1)
	}
}

// wantEnd reads the end of the stream.
func (c *client) wantEnd() {
	c.t.Helper()
	if got, err := c.next(); !errors.Is(err, io.EOF) {
		c.t.Fatalf("got %q, %v, want the end", got, err)
	}
}

// each runs a test with every framing, on both kinds of sockets.
func each(t *testing.T, test func(t *testing.T, f tcp.Framing, address int)) {
	for _, f := range tcp.Framings() {
		for address, name := range []string{"tcp", "unix"} {
			t.Run(string(f)+"/"+name, func(t *testing.T) {
				t.Parallel()
				test(t, f, address)
			})
		}
	}
}

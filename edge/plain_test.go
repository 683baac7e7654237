// Connections without WebSocket, as the tests of all doors have them.

package edge_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
)

// plain is a connection without WebSocket.
type plain struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

// dialPlain dials, and says what key it has. Otherwise the code of its refusal and what it is
// told come back.
func dialPlain(t *testing.T, s *edgetest.Server, query string) (c *plain, code, text string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.PlainAddrs()[0], edgetest.Patience)
	edgetest.Must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c = &plain{conn, t, bufio.NewReader(conn)}
	if code, text = c.next(); code != "" {
		return c, code, text
	}
	if key, ok := strings.CutPrefix(query, "key="); ok {
		c.ask(`{"id":1,"cmd":"auth","token":"` + key + `"}`)
		code, text = c.next()
	}
	return c, code, text
}

func comePlain(t *testing.T, s *edgetest.Server, room, query string) (code, text string) {
	c, code, text := dialPlain(t, s, query)
	if code != "" {
		return code, text
	}
	c.ask(fmt.Sprintf(`{"id":2,"cmd":"join","room":%q}`, room))
	return c.next()
}

func (c *plain) ask(command string) {
	c.t.Helper()
	_, err := io.WriteString(c, command+"\n")
	edgetest.Must(c.t, err)
}

// next is a line, and the code if it refuses something.
func (c *plain) next() (code, line string) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(edgetest.Patience))
	line, err := c.r.ReadString('\n')
	edgetest.Must(c.t, err)
	var said struct{ Error any }
	edgetest.Must(c.t, json.Unmarshal([]byte(line), &said))
	switch e := said.Error.(type) {
	case string: // of a bye
		code = e
	case map[string]any:
		code, _ = e["code"].(string)
	}
	return code, line
}

// withPlain has a server listen for plain connections, too.
func withPlain(change func(*edge.Config)) func(*edge.Config) {
	return func(c *edge.Config) {
		c.ListenTCP = []string{"127.0.0.1:0"}
		if change != nil {
			change(c)
		}
	}
}

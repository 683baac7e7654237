// Refusals that a web page can read.

package v1_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/edgetest"
	v1 "barrage/edge/v1"
	"barrage/frame"
)

const (
	askV1  = "Sec-WebSocket-Protocol: " + v1.Subprotocol + "\r\n"
	onPage = "Origin: http://example.com\r\n" // of the server's own host
)

// turnedAway wants last words, the close frame that goes with them, and nothing else.
func (c *viewer) turnedAway(code uint16, reconnect bool, reason string) {
	c.T.Helper()
	v := c.object()
	if v["push"] != "bye" || v["code"] != float64(code) || v["reconnect"] != reconnect || !strings.Contains(fmt.Sprint(v["reason"]), reason) {
		c.T.Fatalf("got %v, want a bye with %d, %q", v, code, reason)
	}
	m, err := c.Next()
	edgetest.Must(c.T, err)
	if got, text := frame.ParseClose([]byte(m.Payload)); m.Op != frame.Close || got != code || !strings.Contains(text, reason) {
		c.T.Fatalf("got %v %q, want close %d, %q", m.Op, m.Payload, code, reason)
	}
	c.WantEnd()
}

// shakeFrom is shake from the loopback's n-th address.
func shakeFrom(t testing.TB, s *edgetest.Server, n int, request string) (*viewer, *http.Response) {
	t.Helper()
	d := net.Dialer{Timeout: edgetest.Patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(n))}}
	conn, err := d.Dial("tcp", s.Addr().String())
	edgetest.Must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c, resp := edgetest.ShakeOn(t, conn.(*net.TCPConn), request)
	return &viewer{c}, resp
}

// TestTurnedAway: a page that speaks barrage.v1 is told why it may not come in; others,
// and other reasons, are for HTTP.
func TestTurnedAway(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		v, err := auth.New(auth.Config{Secrets: [][]byte{testSecret}, MaxToken: 1000})
		edgetest.Must(t, err)
		t.Cleanup(v.Close)
		c.Auth, c.Anonymous, c.MaxRooms, c.Compression = v, true, 3, true
	})
	edgetest.Must(t, s.Moderation.DisconnectUser(context.Background(), "bob", "spam", false, time.Hour))
	edgetest.Must(t, s.Moderation.Kick(context.Background(), "a", "joe", "spam", time.Hour))
	token := func(user string, change func(*auth.Claims)) string { return "token=" + testToken(t, user, change) }
	ending := func(in time.Duration) func(*auth.Claims) {
		return func(c *auth.Claims) { c.Expires = time.Now().Add(in) }
	}
	narrow := func(c *auth.Claims) { c.Rooms = auth.Patterns{"b*"} }
	for i, tc := range []struct {
		name, query string
		status      int
		code        uint16
		reconnect   bool
		reason      string
	}{
		{"expired token", "room=b&" + token("ann", ending(-time.Hour)), 401, 4101, true, "expired"},
		{"token of tomorrow", "room=b&" + token("ann", func(c *auth.Claims) { c.NotBefore = time.Now().Add(time.Hour) }), 401, 4101, true, "not valid yet"},
		{"token of nobody", "room=a&token=x.y.z", 401, 4202, false, "not well-formed"},
		{"token that is too long", "room=a&token=" + strings.Repeat("x", 1001), 401, 4202, false, "1000"},
		{"banned user", "room=b&" + token("bob", nil), 403, 4200, false, "sent out"},
		{"banned of this room", "room=a&" + token("joe", nil), 403, 4200, false, "sent out"},
		{"room that the token does not allow", "room=b&room=a&" + token("ann", narrow), 403, 4203, false, "may not join room a"},
		{"room of another user", "room=user:bob", 403, 4203, false, "may not join"},
		{"bad room", "room=no%20spaces", 400, 4203, false, "room name"},
		{"empty room", "room=", 400, 4203, false, "room name"},
		{"too many rooms", "room=a&room=b&room=c&room=d", 400, 4203, false, "at most 3"},

		{"bad encoding", "room=%zz", 400, 0, false, ""},
		{"bad option", "room=a&batch=2", 400, 0, false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := s.Stats()
			for _, headers := range []string{"", askV1, onPage, onPage + askV1, onPage + askV1 + offer} {
				status := tc.status
				if strings.Contains(headers, onPage+askV1) && tc.code != 0 {
					status = 101
				}
				c, resp := shakeFrom(t, s, i+1, edgetest.UpgradeRequest("/ws?"+tc.query, headers))
				if headers == onPage && status == 401 && resp.Header.Get("WWW-Authenticate") == "" {
					t.Error("no WWW-Authenticate")
				}
				if resp.StatusCode != status {
					t.Fatalf("%q: status %d, want %d: %s", headers, resp.StatusCode, status, edgetest.Body(resp))
				}
				if status != 101 {
					continue
				}
				if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != v1.Subprotocol {
					t.Errorf("subprotocol %q", got)
				}
				c.Frames.Deflate = true
				c.turnedAway(tc.code, tc.reconnect, tc.reason)
			}
			after := s.Stats()
			if n := after.Handshakes[fmt.Sprint(tc.status)] - before.Handshakes[fmt.Sprint(tc.status)]; n != 5 {
				t.Errorf("%d handshakes counted as refused with %d, want 5", n, tc.status)
			}
			if n := after.Handshakes["101"]; n != 0 {
				t.Errorf("%d handshakes counted as upgrades", n)
			}
		})
	}
	edgetest.WaitFor(t, "all sockets to go", func() bool {
		n := int64(0)
		for _, l := range s.Stats().Loops {
			n += l.Conns
		}
		return n == 0
	})
	if st := s.Stats(); st.Connections != 0 || st.Clients != 0 {
		t.Errorf("%d connections, %d clients", st.Connections, st.Clients)
	}
	joinJSON(t, s, "/ws?room=a") // and who is refused nothing comes in as ever
}

// TestTurnedAwayOften: ten a minute and address are told in words; a page whose back-off
// is reset by every opening is slowed down by the rest.
func TestTurnedAwayOften(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		withAuth(t, c)
		c.Anonymous, c.MaxPerIP = true, 5
	})
	refused := edgetest.UpgradeRequest("/ws?token=x.y.z", askV1, onPage)
	for i := range 13 {
		c, resp := shakeFrom(t, s, 1, refused)
		switch {
		case i < 10 && resp.StatusCode == 101:
			c.turnedAway(4202, false, "not well-formed")
		case i < 10 || resp.StatusCode != 401:
			t.Fatalf("refusal %d: status %d", i, resp.StatusCode)
		}
	}
	c, resp := shakeFrom(t, s, 2, refused)
	if resp.StatusCode != 101 {
		t.Fatalf("another address: status %d", resp.StatusCode)
	}
	c.turnedAway(4202, false, "not well-formed")
	if _, resp := shakeFrom(t, s, 1, edgetest.UpgradeRequest("/ws?room=a", askV1, onPage)); resp.StatusCode != 101 {
		t.Errorf("status %d: those who were turned away take the place of a connection", resp.StatusCode)
	}
}

package post_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/edgetest"
	"barrage/frame"
	"barrage/internal/broker"
)

// client is a connection that posts.
type client struct {
	t    testing.TB
	conn *net.TCPConn
	in   *bufio.Reader
}

func dial(t testing.TB, s *edgetest.Server) *client {
	t.Helper()
	c := edgetest.DialTCP(t, s)
	return &client{t, c, bufio.NewReader(c)}
}

func request(body string, headers ...string) string {
	return fmt.Sprintf("POST /publish HTTP/1.1\r\nHost: example.com\r\nContent-Length: %d\r\n%s\r\n%s", len(body), strings.Join(headers, ""), body)
}

func (c *client) send(text string) {
	c.t.Helper()
	_, err := c.conn.Write([]byte(text))
	edgetest.Must(c.t, err)
}

type answer struct {
	*http.Response
	MessageID string `json:"message_id"`
	Offset    int
	Replayed  bool
	Error     struct{ Code, Message string }
}

// answer reads the next one.
func (c *client) answer() (a answer) {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(edgetest.Patience))
	resp, err := http.ReadResponse(c.in, nil)
	edgetest.Must(c.t, err)
	body, err := io.ReadAll(resp.Body)
	edgetest.Must(c.t, err)
	if err := json.Unmarshal(body, &a); err != nil {
		c.t.Fatalf("status %d, %q: %v", resp.StatusCode, body, err)
	}
	a.Response = resp
	return a
}

func start(t *testing.T, change func(*edge.Config)) *edgetest.Server {
	return edgetest.Start(t, func(c *edge.Config) {
		c.History = broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: 10, Age: time.Hour}}}
		if change != nil {
			change(c)
		}
	})
}

// TestPublish: what is posted reaches the room, request after request on a connection,
// whole or in pieces, and with a key only once.
func TestPublish(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	viewer := edgetest.Join(t, s, "/ws?room=a")
	c := dial(t, s)
	c.send(request(`{"room":"a","data":"one"}`))
	one := c.answer()
	if one.StatusCode != 200 || one.MessageID == "" || one.Offset != 1 || one.Close {
		t.Errorf("status %d, %+v", one.StatusCode, one)
	}
	viewer.Want(frame.Text, "one")
	for i, again := range []bool{false, true} {
		c.send(request(`{"room":"a","data":"two"}`, "Idempotency-Key: k\r\n"))
		if a := c.answer(); a.Offset != 2 || a.Replayed != again {
			t.Errorf("time %d: %+v", i, a)
		}
	}
	viewer.Want(frame.Text, "two")
	chunked := "POST /publish?room=a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"dat\r\nD\r\na\":\"chunked\"}\r\n0\r\n\r\n"
	for _, b := range []byte(chunked) {
		c.send(string(b))
	}
	c.answer()
	viewer.Want(frame.Text, "chunked")
	c.send(request(`{"room":"a","data":"pipe"}`) + request(`{"room":"a","base64":"bGluZQ=="}`) + request(`{"room":"a","data":"end"}`, "Connection: close\r\n"))
	for i := range 3 {
		if a := c.answer(); a.StatusCode != 200 || a.Close != (i == 2) {
			t.Errorf("of three at once, %d: status %d, to be closed: %v", i, a.StatusCode, a.Close)
		}
	}
	viewer.Want(frame.Text, "pipe")
	viewer.Want(frame.Binary, "line")
	viewer.Want(frame.Text, "end")
	if _, err := c.in.ReadByte(); err != io.EOF {
		t.Errorf("behind the last answer: %v", err)
	}
	edgetest.WaitFor(t, "only the viewer to be left", func() bool { return s.Stats().Connections == 1 })
}

// TestContinue: a client that asks first is told to go on.
func TestContinue(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	c := dial(t, s)
	head, body, _ := strings.Cut(request(`{"room":"a","data":"x"}`, "Expect: 100-continue\r\n"), "\r\n\r\n")
	c.send(head + "\r\n\r\n")
	if line, err := c.in.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	_, _ = c.in.ReadString('\n')
	c.send(body)
	if a := c.answer(); a.StatusCode != 200 {
		t.Errorf("status %d", a.StatusCode)
	}
}

// TestRefused: who may not, or says what cannot be, reads why; where the request was whole
// the connection goes on.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *edge.Config) { c.MaxMessage, c.MaxPublish, c.MaxRooms = 1000, 100, 4 })
	const good = `{"room":"a","data":"x"}`
	head := "POST /publish HTTP/1.1\r\nHost: h\r\n"
	for _, tc := range []struct {
		name, request string
		status        int
		code          string
		goesOn        bool
	}{
		{"no JSON", request("x"), 400, "bad_json", true},
		{"behind a byte order mark", request("\ufeff" + `{"room":"a","data":"one"}`), 200, "", true},
		{"no body", request(""), 400, "bad_json", true},
		{"no room", request(`{"data":"x"}`), 400, "bad_command", true},
		{"a bad room", request(`{"room":"a b","data":"x"}`), 400, "bad_room", true},
		{"no data", request(`{"room":"a"}`), 400, "bad_command", true},
		{"data twice", request(`{"room":"a","data":1,"base64":""}`), 400, "bad_command", true},
		{"a bad kind", request(`{"room":"a","data":1,"kind":"\n"}`), 400, "bad_kind", true},
		{"to a user, by nobody", request(`{"to":"bob","data":1}`), 403, "forbidden", true},
		{"too long a message", request(`{"room":"a","data":"` + strings.Repeat("x", 101) + `"}`), 413, "too_big", true},
		{"too long a key", request(good, "Idempotency-Key: "+strings.Repeat("k", 129)+"\r\n"), 400, "bad_key", false},
		{"two rooms", strings.Replace(request(`{"data":"x"}`), "/publish", "/publish?room=a&room=b", 1), 400, "too_many_rooms", false},
		{"too long a body", request(strings.Repeat("x", 1001)), 413, "too_big", false},
		{"a body without an end", head + "Content-Length: 99999999999999999999\r\n\r\n", 413, "too_big", false},
		{"too many chunks", head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 1001), 413, "too_big", false},
		{"no chunk", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad_request", false},
		{"GET", "GET /publish HTTP/1.1\r\nHost: h\r\n\r\n", 405, "method_not_allowed", false},
		{"a foreign page", request(good, "Origin: https://evil.example\r\n"), 403, "forbidden", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, s)
			c.send(tc.request)
			a := c.answer()
			if a.StatusCode != tc.status || a.Error.Code != tc.code || (a.Error.Message == "") != (tc.code == "") || a.Close == tc.goesOn {
				t.Errorf("status %d, %+v, to be closed: %v", a.StatusCode, a.Error, a.Close)
			}
			if tc.goesOn {
				c.send(request(good))
				if a := c.answer(); a.StatusCode != 200 {
					t.Errorf("the next request: status %d, %+v", a.StatusCode, a.Error)
				}
			}
		})
	}
}

// TestRate: the rate is an address's, whatever connections it has.
func TestRate(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *edge.Config) { c.PublishRate, c.PublishBurst = 0.001, 3 })
	for i := range 4 {
		c := dial(t, s)
		c.send(request(`{"room":"a","data":"x"}`))
		switch a := c.answer(); {
		case i < 3 && a.StatusCode != 200:
			t.Errorf("time %d: status %d", i, a.StatusCode)
		case i == 3 && (a.StatusCode != 429 || a.Error.Code != "rate_limited" || a.Header.Get("Retry-After") == ""):
			t.Errorf("past the rate: status %d, %+v, %v", a.StatusCode, a.Error, a.Header)
		}
	}
}

// TestLimits: who posts counts as a connection of its address, for as long as it stays.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *edge.Config) { c.MaxPerIP, c.HandshakeTimeout = 1, 500*time.Millisecond })
	first, second := dial(t, s), dial(t, s)
	first.send(request(`{"room":"a","data":"x"}`))
	first.answer()
	second.send(request(`{"room":"a","data":"x"}`))
	if a := second.answer(); a.StatusCode != 429 || a.Error.Code != "too_many_connections" {
		t.Errorf("status %d, %+v", a.StatusCode, a.Error)
	}
	if b, err := first.in.ReadByte(); err != io.EOF {
		t.Errorf("one that rests for long is told %q, %v", b, err)
	}
	edgetest.WaitFor(t, "nobody to be left", func() bool { return s.Stats().Connections == 0 })
	half := dial(t, s)
	half.send("POST /publish HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n{")
	if a := half.answer(); a.StatusCode != 408 || a.Error.Code != "timeout" {
		t.Errorf("half a body: status %d, %+v", a.StatusCode, a.Error)
	}
	edgetest.WaitFor(t, "nothing to be held", func() bool { return s.Stats().Unfinished == 0 })
}

// TestToken: the sender is who the token says, with the rights that it gives.
func TestToken(t *testing.T) {
	t.Parallel()
	verifier, sign := newVerifier(t)
	s := start(t, func(c *edge.Config) { c.Auth = verifier })
	c := dial(t, s)
	post := func(body, token string) answer {
		c.send(request(body, "Authorization: Bearer "+token+"\r\n"))
		return c.answer()
	}
	if a := post(`{"room":"a","data":"x"}`, sign("ann", true)); a.StatusCode != 200 {
		t.Errorf("status %d, %+v", a.StatusCode, a.Error)
	}
	page, err := s.Node.Broker.History(t.Context(), "a", broker.Query{})
	edgetest.Must(t, err)
	if len(page.Messages) != 1 || page.Messages[0].Sender != (broker.Sender{User: "ann"}) {
		t.Errorf("the history has %+v", page.Messages)
	}
	if a := post(`{"to":"bob","data":"x"}`, sign("ann", true)); a.StatusCode != 403 {
		t.Errorf("to a user, without the right to: status %d, %+v", a.StatusCode, a.Error)
	}
	if a := post(`{"room":"a","data":"x"}`, sign("ann", false)); a.StatusCode != 403 || a.Error.Code != "forbidden" {
		t.Errorf("one who only watches: status %d, %+v", a.StatusCode, a.Error)
	}
	if a := post(`{"room":"a","data":"x"}`, "no.token.atall"); a.StatusCode != 401 || a.Error.Code != auth.CodeInvalid {
		t.Errorf("status %d, %+v", a.StatusCode, a.Error)
	}
	c = dial(t, s)
	c.send(request(`{"room":"a","data":"x"}`))
	if a := c.answer(); a.StatusCode != 401 || a.Error.Code != "unauthorized" {
		t.Errorf("without a token: status %d, %+v", a.StatusCode, a.Error)
	}
}

// newVerifier returns one, and what signs tokens for it, for users who may publish or not.
func newVerifier(t *testing.T) (*auth.Verifier, func(user string, publish bool) string) {
	t.Helper()
	secret := []byte(strings.Repeat("s", 32))
	v, err := auth.New(auth.Config{Secrets: [][]byte{secret}})
	edgetest.Must(t, err)
	t.Cleanup(v.Close)
	key, err := auth.SecretKey(secret)
	edgetest.Must(t, err)
	return v, func(user string, publish bool) string {
		claims := auth.Claims{Identity: auth.Identity{User: user, Rooms: auth.Patterns{"*"}, Expires: time.Now().Add(time.Hour)}}
		if publish {
			claims.Publish = auth.Patterns{"*"}
		}
		token, err := auth.Sign(claims, key)
		edgetest.Must(t, err)
		return token
	}
}

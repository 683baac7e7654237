// The examples of docs/protocol.md, and how tests speak the protocol.

package v1_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/edgetest"
	"barrage/edge/hooks"
	v1 "barrage/edge/v1"
	"barrage/frame"
)

var testSecret = []byte("a secret of the tests: 32 bytes.")

// testToken is a token of a user, good for an hour, changed as a test needs.
func testToken(t testing.TB, user string, change func(*auth.Claims)) string {
	t.Helper()
	key, err := auth.SecretKey(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	claims := auth.Claims{Identity: auth.Identity{
		User: user, Rooms: auth.Patterns{"*"}, Publish: auth.Patterns{"*"}, Direct: auth.Patterns{"*"}, Expires: time.Now().Add(time.Hour),
	}}
	if change != nil {
		change(&claims)
	}
	token, err := auth.Sign(claims, key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func withAuth(t testing.TB, c *edge.Config) {
	t.Helper()
	v, err := auth.New(auth.Config{Secrets: [][]byte{testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	c.Auth = v
}

// joinJSON opens a barrage.v1 connection and takes the welcome.
func joinJSON(t testing.TB, s *edgetest.Server, target string) *viewer {
	t.Helper()
	c := joinSilent(t, s, target)
	if m := c.object(); m["push"] != "welcome" {
		t.Fatalf("first object is %v", m)
	}
	return c
}

func joinSilent(t testing.TB, s *edgetest.Server, target string) *viewer {
	t.Helper()
	c, resp := shake(t, s, edgetest.UpgradeRequest(target, "Sec-WebSocket-Protocol: "+v1.Subprotocol+"\r\n"))
	if resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Protocol") != v1.Subprotocol {
		t.Fatalf("%s: status %d, subprotocol %q", target, resp.StatusCode, resp.Header.Get("Sec-WebSocket-Protocol"))
	}
	return c
}

// object returns the next frame as a JSON object.
func (c *viewer) object() map[string]any {
	c.T.Helper()
	m, err := c.Next()
	if err != nil {
		c.T.Fatalf("want an object: %v", err)
	}
	var v map[string]any
	if m.Op != frame.Text || json.Unmarshal([]byte(m.Payload), &v) != nil {
		c.T.Fatalf("want an object, got %v %.100q", m.Op, m.Payload)
	}
	return v
}

// ask sends a command and returns the reply to it; pushes before it are dropped.
func (c *viewer) ask(command string) map[string]any {
	c.T.Helper()
	c.Send(frame.Text, command)
	for {
		if v := c.object(); v["push"] == nil {
			return v
		}
	}
}

// TestProtocolDocument runs the examples of docs/protocol.md.
func TestProtocolDocument(t *testing.T) {
	doc, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```session\n(.*?)```").FindAllStringSubmatch(string(doc), -1)
	if len(blocks) < 7 {
		t.Fatalf("found %d examples", len(blocks))
	}
	for i, b := range blocks {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			t.Parallel()
			runExample(t, strings.Split(strings.TrimSpace(b[1]), "\n"))
		})
	}
}

type example struct {
	t       *testing.T
	s       *edgetest.Server
	clients map[string]*viewer
	epochs  map[string]string // last seen by each viewer
}

func runExample(t *testing.T, lines []string) {
	e := &example{t: t, clients: map[string]*viewer{}, epochs: map[string]string{}}
	caller, _ := startBackendOf(t, "seat.*", edgetest.Patience)
	e.s = edgetest.Start(t, func(c *edge.Config) {
		withAuth(t, c)
		c.Caller = caller
		c.AckTimeout = time.Second
		c.Anonymous = !strings.Contains(lines[0], "=required")
		if strings.Contains(lines[0], "login=required") {
			c.Hooks = exampleHooks(t)
		}
	})
	for i := 0; i < len(lines); i++ {
		name, rest := lines[i][:1], strings.TrimSpace(lines[i][2:])
		switch lines[i][1] {
		case ':':
			e.do(name, strings.Fields(rest))
		case '>':
			e.clients[name].Send(frame.Text, e.fill(name, rest))
		case '<':
			// What is in consecutive lines may come in either order.
			want := []string{rest}
			for i+1 < len(lines) && strings.HasPrefix(lines[i+1], name+"<") {
				i++
				want = append(want, strings.TrimSpace(lines[i][2:]))
			}
			e.expect(name, want)
		}
	}
}

// exampleHooks has a backend that knows ann's password and welcomes her.
func exampleHooks(t *testing.T) *hooks.Hooks {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Message string }
		if json.NewDecoder(r.Body).Decode(&q); q.Message != "ann:secret" {
			fmt.Fprint(w, `{"error":{"code":"wrong_password","message":"Try again, please."}}`)
			return
		}
		fmt.Fprint(w, `{"user":"ann","join":["lobby"],"welcome":"Hello Ann"}`)
	}))
	t.Cleanup(backend.Close)
	return edgetest.NewHooks(t, hooks.Config{Connect: hooks.ConnectConfig{URL: backend.URL, ByMessage: true}})
}

func (e *example) do(name string, words []string) {
	switch words[0] {
	case "connect":
		target := words[1]
		if len(words) > 2 && strings.HasPrefix(words[2], "token=") {
			sep := "?"
			if strings.Contains(target, sep) {
				sep = "&"
			}
			target += sep + "token=" + testToken(e.t, strings.TrimPrefix(words[2], "token="), func(c *auth.Claims) {
				for _, claim := range words[3:] {
					if pattern, ok := strings.CutPrefix(claim, "serve="); ok {
						c.Serve = auth.Patterns{pattern}
					}
					if device, ok := strings.CutPrefix(claim, "device="); ok {
						c.Device = device
					}
				}
			})
		}
		e.clients[name] = joinSilent(e.t, e.s, target)
	case "publish":
		edgetest.PublishTo(e.t, e.s, words[1], words[2])
	case "kick":
		e.must(e.s.Moderation.Kick(context.Background(), words[1], words[2], words[3], 0))
	case "disconnect":
		e.must(e.s.Moderation.DisconnectUser(context.Background(), words[1], words[2], false, 0))
	case "closed":
		code, err := strconv.ParseUint(words[1], 10, 16)
		e.must(err)
		e.clients[name].WantClose(uint16(code))
	default:
		e.t.Fatalf("unknown step %q", words)
	}
}

func (e *example) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *example) fill(name, text string) string {
	text = strings.ReplaceAll(text, "$epoch", e.epochs[name])
	return regexp.MustCompile(`\$token\((\w+)\)`).ReplaceAllStringFunc(text, func(m string) string {
		return testToken(e.t, m[len("$token("):len(m)-1], nil)
	})
}

func (e *example) expect(name string, lines []string) {
	e.t.Helper()
	for range lines {
		got := e.clients[name].object()
		e.noteEpoch(name, got)
		found := -1
		for i, line := range lines {
			var want map[string]any
			if line == "" {
				continue
			}
			if err := json.Unmarshal([]byte(line), &want); err != nil {
				e.t.Fatalf("%s: %v", line, err)
			}
			if sameButIDs("", want, got) {
				found = i
				break
			}
		}
		if found < 0 {
			text, _ := json.Marshal(got)
			e.t.Fatalf("got  %s\nwant %s", text, strings.Join(lines, "\n     "))
		}
		lines[found] = ""
	}
}

func (e *example) noteEpoch(name string, v map[string]any) {
	if epoch, ok := v["epoch"].(string); ok {
		e.epochs[name] = epoch
	}
	if ok, is := v["ok"].(map[string]any); is {
		e.noteEpoch(name, ok)
	}
}

// sameButIDs compares, but of what is another each time only the type.
func sameButIDs(key string, want, got any) bool {
	switch key {
	case "id", "conn", "message_id", "epoch", "time", "expires", "timeout":
		_, number := want.(float64)
		if key == "id" && number {
			break // of a command
		}
		return reflect.TypeOf(want) == reflect.TypeOf(got) && !reflect.ValueOf(got).IsZero()
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(w) != len(g) {
			return false
		}
		for k := range w {
			if _, ok := g[k]; !ok || !sameButIDs(k, w[k], g[k]) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		if !ok || len(w) != len(g) {
			return false
		}
		for i := range w {
			if !sameButIDs("", w[i], g[i]) {
				return false
			}
		}
		return true
	}
	return want == got
}

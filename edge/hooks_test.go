// Backends that are asked who may come, join and publish, over real sockets.

package edge_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"barrage/edge/edgetest"
	"barrage/edge/hooks"
	"barrage/frame"
)

// asked is a backend that is asked.
type asked struct {
	*httptest.Server
	mu        sync.Mutex // guards what follows
	questions []map[string]any
}

func newAsked(t *testing.T, answer func(q map[string]any) string) *asked {
	b := &asked{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		q := map[string]any{}
		_ = json.Unmarshal(body, &q)
		b.mu.Lock()
		b.questions = append(b.questions, q)
		b.mu.Unlock()
		switch text := answer(q); text {
		case "away":
			w.WriteHeader(http.StatusBadGateway)
		default:
			fmt.Fprint(w, text)
		}
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *asked) n() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.questions)
}

// bySession answers by the cookie session.
func bySession(q map[string]any) string {
	cookies, _ := q["cookies"].(map[string]any)
	switch cookies["session"] {
	case "ann":
		return `{"user":"ann","name":"Ann","rooms":["live:*"],"join":["live:2"],"welcome":"Hello Ann"}`
	case "late":
		return "away"
	case nil:
		return "{}"
	}
	return `{"error":{"code":"session_over","message":"Log in again."}}`
}

const v1 = "Sec-WebSocket-Protocol: barrage.v1\r\n"

// TestConnectHook: the backend says who comes by a request, what they may do and where
// they are; what it refuses reaches the client, with the code.
func TestConnectHook(t *testing.T) {
	t.Parallel()
	b := newAsked(t, bySession)
	s := edgetest.StartHooked(t, hooks.Config{Connect: hooks.ConnectConfig{URL: b.URL, Cookies: []string{"session"}}}, nil)
	cookie := func(session string) string { return "Cookie: session=" + session + "\r\n" }

	c, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=live:1", cookie("ann")))
	if resp.StatusCode != 101 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	c.Want(frame.Text, "Hello Ann")
	edgetest.WantCount(t, s, "live:1", 1, 1)
	edgetest.WantCount(t, s, "live:2", 1, 1)
	edgetest.PublishTo(t, s, "live:2", "one")
	c.Want(frame.Text, "one")

	c, _ = edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws", v1, cookie("ann")))
	m, err := c.Next()
	edgetest.Must(t, err)
	var welcome map[string]any
	edgetest.Must(t, json.Unmarshal([]byte(m.Payload), &welcome))
	if welcome["user"] != "ann" || welcome["message"] != "Hello Ann" || fmt.Sprint(welcome["rooms"]) != "[live:2]" {
		t.Errorf("got %s", m.Payload)
	}

	c, resp = edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=lobby")) // nobody's
	if resp.StatusCode != 101 {
		t.Errorf("a guest: status %d", resp.StatusCode)
	}
	edgetest.PublishTo(t, s, "lobby", "two")
	c.Want(frame.Text, "two")

	for _, tt := range []struct {
		name, target, headers string
		status                int
		code, body            string
	}{
		{"refused", "/ws?room=live:1", cookie("old"), 403, "session_over", "Log in again."},
		{"a room that it does not allow", "/ws?room=lobby", cookie("ann"), 403, "forbidden", ""},
		{"away", "/ws?room=live:1", cookie("late"), 503, "backend_error", ""},
		{"no room", "/ws", "", 400, "no_room", ""},
	} {
		_, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest(tt.target, tt.headers))
		if resp.StatusCode != tt.status || resp.Header.Get("Barrage-Error") != tt.code || !strings.Contains(edgetest.Body(resp), tt.body) {
			t.Errorf("%s: %d, %v", tt.name, resp.StatusCode, resp.Header)
		}
		if (tt.status == 503) != (resp.Header.Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After %q", tt.name, resp.Header.Get("Retry-After"))
		}
	}

	c, resp = edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws", v1, cookie("old"), "Origin: http://example.com\r\n"))
	if resp.StatusCode != 101 {
		t.Errorf("a page: status %d", resp.StatusCode)
	}
	c.Want(frame.Text, `{"push":"bye","code":4202,"reason":"Log in again.","error":"session_over","reconnect":false}`)
	c.WantClose(4202)
}

// TestJoinHookAtOnce: raw connections are in all rooms of their request, or not let in.
func TestJoinHookAtOnce(t *testing.T) {
	t.Parallel()
	b := newAsked(t, func(q map[string]any) string {
		if q["room"] == "vip:2" {
			return `{"error":{"code":"members_only","message":"Members only."}}`
		}
		return ""
	})
	s := edgetest.StartHooked(t, hooks.Config{Join: hooks.Rules{URLs: map[string]string{"vip:*": b.URL}}}, nil)
	edgetest.Join(t, s, "/ws?room=lobby")
	if b.n() != 0 {
		t.Error("the backend is asked about a room that no pattern fits")
	}
	c := edgetest.Join(t, s, "/ws?room=vip:1&room=lobby")
	edgetest.PublishTo(t, s, "vip:1", "one")
	c.Want(frame.Text, "one")
	_, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=vip:1&room=vip:2"))
	if resp.StatusCode != 403 || resp.Header.Get("Barrage-Error") != "members_only" || !strings.Contains(edgetest.Body(resp), "Members only.") {
		t.Errorf("status %d", resp.StatusCode)
	}
	edgetest.WaitMembers(t, s, "vip:2", 0)
}

// TestPublishHookRaw: what raw connections publish comes in its order, changed, or not at all;
// while the backend is away, as the setting says.
func TestPublishHookRaw(t *testing.T) {
	t.Parallel()
	b := newAsked(t, func(q map[string]any) string {
		switch q["data"] {
		case "bad":
			return `{"error":{"code":"profanity"}}`
		case "lost":
			return "away"
		}
		return fmt.Sprintf(`{"data":"%v, checked"}`, q["data"])
	})
	s := edgetest.StartHooked(t, hooks.Config{Publish: hooks.Rules{URLs: map[string]string{"mod:*": b.URL}, Away: hooks.AwayAllow}}, nil)
	c := edgetest.Join(t, s, "/ws?room=mod:1")
	for _, text := range []string{"one", "bad", "two", "lost", "three"} {
		c.Send(frame.Text, text)
	}
	for _, text := range []string{"one, checked", "two, checked", "lost", "three, checked"} {
		c.Want(frame.Text, text)
	}
	if n := s.Stats().Refused["backend"]; n != 1 {
		t.Errorf("%d were refused", n)
	}
	other := edgetest.Join(t, s, "/ws?room=free")
	other.Send(frame.Text, "nobody is asked")
	other.Want(frame.Text, "nobody is asked")
	if b.n() != 5 {
		t.Errorf("asked %d times", b.n())
	}
}

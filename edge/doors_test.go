// Hooks at every door: what one asks about, none lets past.

package edge_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"barrage/edge"
	"barrage/edge/auth/keyring"
	"barrage/edge/edgetest"
	"barrage/edge/hooks"
	"barrage/edge/tcp"
	"barrage/frame"
)

// door is a way in. ask makes its request for a room, with parameters and headers of its own;
// it is nil where there are no requests, and come goes in. publish, nil for those that only
// listen, has it publish a text there.
type door struct {
	ask     func(room, query, headers string) string
	come    func(t *testing.T, s *edgetest.Server, room, query string) (code, text string)
	joins   bool // it is in the room then
	publish func(t *testing.T, s *edgetest.Server, room, query, text string)
}

func get(target, headers string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: example.com\r\n" + headers + "\r\n"
}

func publishV1(t *testing.T, s *edgetest.Server, room, query, text string) {
	c, _ := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?"+query, v1))
	c.Send(frame.Text, fmt.Sprintf(`{"id":1,"cmd":"publish","room":%q,"data":%q}`, room, text))
}

func publishHTTP(request func(room, query, text string) string) func(*testing.T, *edgetest.Server, string, string, string) {
	return func(t *testing.T, s *edgetest.Server, room, query, text string) {
		edgetest.Shake(t, s, request(room, query, text))
	}
}

func posted(room, query, text, headers string) string {
	body := fmt.Sprintf(`{"room":%q,"data":%q}`, room, text)
	return fmt.Sprintf("POST /publish?%s HTTP/1.1\r\nHost: example.com\r\nContent-Length: %d\r\n%s\r\n%s", query, len(body), headers, body)
}

func pushed(room, query, text, headers string) string {
	return get("/push?room="+room+"&text="+text+"&"+query, headers)
}

// doors are those of the server's protocols, by name. echo has no rooms.
var doors = map[string]door{
	"raw": {
		ask: func(room, query, headers string) string {
			return edgetest.UpgradeRequest("/ws?room="+room+"&"+query, headers)
		},
		joins: true,
		publish: func(t *testing.T, s *edgetest.Server, room, query, text string) {
			edgetest.Join(t, s, "/ws?room="+room+"&"+query).Send(frame.Text, text)
		},
	},
	"barrage.v1": {
		ask: func(room, query, headers string) string {
			return edgetest.UpgradeRequest("/ws?room="+room+"&"+query, v1+headers)
		},
		publish: publishV1,
	},
	"sse": {
		ask:   func(room, query, headers string) string { return get("/sse?room="+room+"&"+query, headers) },
		joins: true,
	},
	"post": {
		ask:     func(room, query, headers string) string { return posted(room, query, "x", headers) },
		publish: publishHTTP(func(room, query, text string) string { return posted(room, query, text, "") }),
	},
	"push": {
		ask:     func(room, query, headers string) string { return pushed(room, query, "x", headers) },
		publish: publishHTTP(func(room, query, text string) string { return pushed(room, query, text, "") }),
	},
	"tcp": {
		come:  comePlain,
		joins: true,
		publish: func(t *testing.T, s *edgetest.Server, room, query, text string) {
			c, code, refused := dialPlain(t, s, query)
			if code != "" {
				t.Fatal(refused)
			}
			c.ask(fmt.Sprintf(`{"cmd":"publish","room":%q,"data":%q}`, room, text))
		},
	},
}

// TestDoors: the tests below know every protocol that has rooms.
func TestDoors(t *testing.T) {
	t.Parallel()
	names := []string{"echo"}
	for name := range maps.Keys(doors) {
		names = append(names, name)
	}
	spoken := []string{tcp.Name} // where there are addresses for it
	for _, p := range edge.Protocols() {
		spoken = append(spoken, p.Name)
	}
	slices.Sort(names)
	slices.Sort(spoken)
	if !slices.Equal(names, spoken) {
		t.Errorf("the doors are %v, those of the tests %v", spoken, names)
	}
}

// withKey gives a server a key for everything.
func withKey(t *testing.T) (query string, change func(*edge.Config)) {
	key := keyring.Make()
	ring, err := keyring.New(keyring.Entries{{Name: "all", Hash: keyring.Hash(key), Rooms: []string{"*"}, Publish: true, Subscribe: true, Get: true, Rate: new(1000.0)}})
	edgetest.Must(t, err)
	return "key=" + key, func(c *edge.Config) { c.Keys = ring }
}

// status is that of an answer, and the code of its refusal.
func status(t *testing.T, s *edgetest.Server, request string) (status int, code, text string) {
	t.Helper()
	_, resp := edgetest.Shake(t, s, request)
	if resp.StatusCode < 400 {
		return resp.StatusCode, "", ""
	}
	text = edgetest.Body(resp)
	code = resp.Header.Get("Barrage-Error")
	var body struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal([]byte(text), &body) == nil && code == "" {
		code = body.Error.Code
	}
	return resp.StatusCode, code, text
}

// TestConnectHookAtDoors: whoever comes without a key, the backend is asked about, at each
// door; what it refuses comes in nowhere, nor while it is away.
func TestConnectHookAtDoors(t *testing.T) {
	t.Parallel()
	b := newAsked(t, bySession)
	key, change := withKey(t)
	s := edgetest.StartHooked(t, hooks.Config{Connect: hooks.ConnectConfig{URL: b.URL, Cookies: []string{"session"}}}, withPlain(change))
	for name, d := range doors {
		if d.ask == nil { // TestConnectHookWithoutRequest
			continue
		}
		for _, tt := range []struct {
			session, query string
			status         int
			code           string
			asked          int
		}{
			{"old", "", 403, "session_over", 1},
			{"late", "", 503, "backend_error", 1},
			{"old", key, 0, "", 0},
		} {
			before := b.n()
			got, code, text := status(t, s, d.ask("live:1", tt.query, "Cookie: session="+tt.session+"\r\n"))
			if tt.status == 0 && got >= 400 || tt.status != 0 && (got != tt.status || code != tt.code) || b.n() != before+tt.asked {
				t.Errorf("%s, session %s, %s: %d, %q, asked %d times; %s", name, tt.session, tt.query, got, code, b.n()-before, text)
			}
		}
	}
	// Whom the backend lets in may do what it says, and a request is put into no room.
	ann := "Cookie: session=ann\r\n"
	if got, _, text := status(t, s, posted("live:1", "room=live:1", "x", ann)); got != 200 {
		t.Errorf("a post of hers: %d, %s", got, text)
	}
	if got, code, _ := status(t, s, posted("lobby", "", "x", ann)); got != 403 || code != "forbidden" {
		t.Errorf("a post that her rights do not allow: %d, %s", got, code)
	}
	if got, code, _ := status(t, s, pushed("live:1", "", "x", ann)); got != 403 || code != "forbidden" {
		t.Errorf("a push without a key: %d, %s", got, code)
	}
}

// TestConnectHookWithoutRequest: who has no request is asked about by the address alone, and
// comes in, with what the backend says, or is told why not.
func TestConnectHookWithoutRequest(t *testing.T) {
	t.Parallel()
	answers := make(chan string, 1)
	b := newAsked(t, func(q map[string]any) string {
		if q["hook"] != "connect" || q["address"] != "127.0.0.1" || q["rooms"] != nil || q["cookies"] != nil {
			t.Errorf("asked %v", q)
		}
		return <-answers
	})
	s := edgetest.StartHooked(t, hooks.Config{Connect: hooks.ConnectConfig{URL: b.URL, Cookies: []string{"session"}, Query: []string{"q"}}}, withPlain(nil))
	for i, tt := range []struct{ answer, code, room string }{
		{`{"error":{"code":"session_over","message":"Log in again."}}`, "session_over", "live:1"},
		{"away", "backend_error", "live:1"},
		{`{"user":"ann","rooms":["live:*"]}`, "", "live:1"},
		{`{"user":"ann","rooms":["live:*"]}`, "forbidden", "lobby"},
	} {
		answers <- tt.answer
		if code, text := doors["tcp"].come(t, s, tt.room, ""); code != tt.code || b.n() != i+1 {
			t.Errorf("%s: %q, asked %d times; %s", tt.answer, code, b.n(), text)
		}
	}
	edgetest.WaitMembers(t, s, "live:1", 1)
}

// TestLoginAtDoors: where a first message says whose a connection is, doors that have none
// want a token or a key, and say so.
func TestLoginAtDoors(t *testing.T) {
	t.Parallel()
	key, change := withKey(t)
	s, b := startLogins(t, hooks.ConnectConfig{}, withPlain(change))
	for name, d := range doors {
		if d.come != nil {
			if code, text := d.come(t, s, "live:1", ""); code != "unauthorized" {
				t.Errorf("%s: %q, %s", name, code, text)
			}
			if code, text := d.come(t, s, "live:1", key); code != "" {
				t.Errorf("%s with a key: %q, %s", name, code, text)
			}
			continue
		}
		got, _, text := status(t, s, d.ask("live:1", "", ""))
		switch name {
		case "raw", "barrage.v1":
			if got != 101 {
				t.Errorf("%s: %d, it cannot log in", name, got)
			}
		default:
			if got != 401 || !strings.Contains(text, "only WebSockets can log in") {
				t.Errorf("%s: %d, %s", name, got, text)
			}
		}
		if got, _, text := status(t, s, d.ask("live:1", key, "")); got >= 400 {
			t.Errorf("%s with a key: %d, %s", name, got, text)
		}
	}
	edgetest.WaitMembers(t, s, "live:1", 4) // those with the key that are connections
	if b.n() != 0 {
		t.Errorf("the backend was asked %d times about those who have not said who they are, or have a key", b.n())
	}
}

// TestJoinHookAtDoors: a key is no way around who may join, at no door.
func TestJoinHookAtDoors(t *testing.T) {
	t.Parallel()
	b := newAsked(t, func(q map[string]any) string {
		if q["key"] == nil {
			t.Errorf("nothing says who asks: %v", q)
		}
		return `{"error":{"code":"members_only","message":"Members only."}}`
	})
	key, change := withKey(t)
	s := edgetest.StartHooked(t, hooks.Config{Join: hooks.Rules{URLs: map[string]string{"vip:*": b.URL}}}, withPlain(change))
	for name, d := range doors {
		if d.come != nil {
			if code, text := d.come(t, s, "vip:1", key); code != "members_only" {
				t.Errorf("%s: %q, %s", name, code, text)
			}
			continue
		}
		if got, code, text := status(t, s, d.ask("vip:1", key, "")); d.joins && (got != 403 || code != "members_only") {
			t.Errorf("%s: %d, %q, %s", name, got, code, text)
		}
	}
	c, _ := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?"+key, v1))
	_, err := c.Next() // welcome
	edgetest.Must(t, err)
	c.Send(frame.Text, `{"id":1,"cmd":"join","room":"vip:1","history":10}`)
	c.Want(frame.Text, `{"id":1,"error":{"code":"members_only","message":"Members only."}}`)
	for i, cmd := range []string{"history", "presence", "ping"} {
		c.Send(frame.Text, fmt.Sprintf(`{"id":%d,"cmd":%q,"room":"vip:1"}`, i+2, cmd))
		c.Want(frame.Text, fmt.Sprintf(`{"id":%d,"error":{"code":"not_joined","message":"this connection is not in room vip:1"}}`, i+2))
	}
	if got, code, _ := status(t, s, get("/count?room=vip:1", "")); got != 403 || code != "forbidden" {
		t.Errorf("count: %d, %s", got, code)
	}
	edgetest.WaitMembers(t, s, "vip:1", 0)
}

// TestPublishHookAtDoors: what is published is asked about, whichever door it comes by, and
// comes as the backend wants it, or not at all.
func TestPublishHookAtDoors(t *testing.T) {
	t.Parallel()
	b := newAsked(t, func(q map[string]any) string {
		text, _ := q["data"].(string)
		switch {
		case q["hook"] != "publish" || q["key"] != "all":
			t.Errorf("asked %v", q)
		case strings.HasPrefix(text, "bad"):
			return `{"error":{"code":"bad_words","message":"No."}}`
		case strings.HasPrefix(text, "away"):
			return "away"
		}
		return fmt.Sprintf(`{"data":%q}`, strings.ToUpper(text))
	})
	key, change := withKey(t)
	s := edgetest.StartHooked(t, hooks.Config{Publish: hooks.Rules{URLs: map[string]string{"vip:*": b.URL}}}, withPlain(change))
	for name, d := range doors {
		if d.publish == nil {
			continue
		}
		room := "vip:" + strings.TrimPrefix(name, "barrage.")
		viewer := edgetest.Join(t, s, "/ws?room="+room+"&"+key)
		for _, text := range []string{"bad", "away", "good"} {
			before := b.n()
			d.publish(t, s, room, key, text)
			edgetest.WaitFor(t, name+": a question about "+text, func() bool { return b.n() > before })
		}
		viewer.Want(frame.Text, "GOOD") // and nothing before it
	}
	for _, tt := range []struct {
		text   string
		status int
		code   string
	}{{"bad", 403, "bad_words"}, {"away", 503, "backend_error"}, {"good", 200, ""}} {
		for name, request := range map[string]string{"post": posted("vip:1", key, tt.text, ""), "push": pushed("vip:1", key, tt.text, "")} {
			if got, code, text := status(t, s, request); got != tt.status || code != tt.code {
				t.Errorf("%s of %s: %d, %q, %s", name, tt.text, got, code, text)
			}
		}
	}
}

// TestStreamAfterConnectHook: a stream whose room the request does not name goes on behind
// the event that it had last, and says what the backend has to say.
func TestStreamAfterConnectHook(t *testing.T) {
	t.Parallel()
	b := newAsked(t, func(map[string]any) string { return `{"user":"ann","join":["live:1"],"welcome":"Hello Ann"}` })
	s := edgetest.StartHooked(t, hooks.Config{Connect: hooks.ConnectConfig{URL: b.URL}}, nil)
	_, resp := edgetest.Shake(t, s, get("/sse", "Last-Event-ID: gone:7\r\n"))
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
	text := make([]byte, 0, 4096)
	for !strings.Contains(string(text), "event: joined") || !strings.HasSuffix(string(text), "\n\n") {
		n, err := resp.Body.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		if err == io.EOF || n == 0 {
			break
		}
	}
	for _, want := range []string{"event: welcome\ndata: {\"push\":\"welcome\",\"message\":\"Hello Ann\"}\n\n", `"room":"live:1"`, `"gap":{`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

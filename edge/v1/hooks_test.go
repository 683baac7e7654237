// Backends that are asked before clients of barrage.v1 join and publish.

package v1_test

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

const v1Header = "Sec-WebSocket-Protocol: barrage.v1\r\n"

// heldBackend answers questions when the test lets it.
type heldBackend struct {
	*httptest.Server
	mu    sync.Mutex // guards what follows
	doors map[string]chan string
	asked int
}

// newHeldBackend answers a question about a room or a text with what answer is given for it.
func newHeldBackend(t *testing.T) *heldBackend {
	b := &heldBackend{doors: make(map[string]chan string)}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var q struct{ Hook, Room, Data string }
		_ = json.Unmarshal(body, &q)
		key := q.Room
		if q.Hook == "publish" {
			key = q.Data
		}
		b.mu.Lock()
		b.asked++
		b.mu.Unlock()
		select {
		case answer := <-b.door(key):
			if answer == "away" {
				w.WriteHeader(500)
				return
			}
			fmt.Fprint(w, answer)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *heldBackend) door(key string) chan string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.doors[key] == nil {
		b.doors[key] = make(chan string, 1)
	}
	return b.doors[key]
}

func (b *heldBackend) answer(key, answer string) { b.door(key) <- answer }

func (b *heldBackend) wantAsked(t *testing.T, n int) {
	t.Helper()
	edgetest.WaitFor(t, fmt.Sprintf("%d questions", n), func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.asked == n
	})
}

func codeOf(reply map[string]any) any {
	e, _ := reply["error"].(map[string]any)
	return e["code"]
}

// TestJoinHook: a join waits for the backend's answer while the connection goes on; who has
// not joined sees nothing of the room.
func TestJoinHook(t *testing.T) {
	t.Parallel()
	b := newHeldBackend(t)
	s := edgetest.StartHooked(t, hooks.Config{Join: hooks.Rules{URLs: map[string]string{"vip:*": b.URL}, Timeout: edgetest.Patience}}, nil)
	edgetest.PublishTo(t, s, "vip:1", "secret")
	c, _ := shake(t, s, edgetest.UpgradeRequest("/ws", v1Header))
	if v := c.object(); v["push"] != "welcome" {
		t.Fatal(v)
	}
	for _, command := range []string{"history", "presence", "ping"} {
		if got := codeOf(c.ask(fmt.Sprintf(`{"id":1,"cmd":%q,"room":"vip:1"}`, command))); got != "not_joined" {
			t.Errorf("%s before the join: %v", command, got)
		}
	}
	c.Send(frame.Text, `{"id":2,"cmd":"join","room":"vip:1","history":5}`)
	b.wantAsked(t, 1)
	if got := codeOf(c.ask(`{"id":3,"cmd":"history","room":"vip:1"}`)); got != "not_joined" {
		t.Errorf("history while the backend is asked: %v", got)
	}
	if got := codeOf(c.ask(`{"id":4,"cmd":"join","room":"vip:1"}`)); got != "already_joined" {
		t.Errorf("a second join: %v", got)
	}
	if got := c.ask(`{"id":5,"cmd":"join","room":"lobby"}`); got["ok"] == nil {
		t.Errorf("another room: %v", got)
	}
	b.answer("vip:1", "")
	if got := c.answer(2); !strings.Contains(fmt.Sprint(got["ok"]), "secret") {
		t.Errorf("got %v", got)
	}
	edgetest.WantCount(t, s, "vip:1", 0, 1)
	if got := c.ask(`{"id":6,"cmd":"history","room":"vip:1"}`); got["ok"] == nil {
		t.Errorf("history of a member: %v", got)
	}

	c.Send(frame.Text, `{"id":7,"cmd":"join","room":"vip:2"}`)
	b.answer("vip:2", `{"error":{"code":"members_only","message":"Members only."}}`)
	if got := c.answer(7); fmt.Sprint(got["error"]) != "map[code:members_only message:Members only.]" {
		t.Errorf("refused: %v", got)
	}
	c.Send(frame.Text, `{"id":8,"cmd":"join","room":"vip:3"}`)
	b.wantAsked(t, 3)
	c.Send(frame.Text, `{"id":9,"cmd":"leave","room":"vip:3"}`)
	if got := c.answers(2); codeOf(got[8]) != "not_joined" || got[9]["ok"] == nil {
		t.Errorf("left while the backend is asked: %v", got)
	}
	b.answer("vip:3", "")
	c.Send(frame.Text, `{"id":10,"cmd":"join","room":"vip:4"}`)
	b.answer("vip:4", "away")
	if got := c.answer(10); codeOf(got) != "backend_error" || got["error"].(map[string]any)["retry_after"] == nil {
		t.Errorf("away: %v", got)
	}
	for _, room := range []string{"vip:2", "vip:3", "vip:4"} {
		edgetest.WaitMembers(t, s, room, 0)
	}

	c, _ = shake(t, s, edgetest.UpgradeRequest("/ws?room=vip:5&room=lobby", v1Header))
	if v := c.push("joined"); v["room"] != "lobby" {
		t.Errorf("got %v", v)
	}
	b.answer("vip:5", `{"error":{"code":"members_only","message":"Members only."}}`)
	if v := c.push("left"); v["room"] != "vip:5" || codeOf(v) != "members_only" {
		t.Errorf("got %v", v)
	}
}

// TestPublishHook: a connection's messages come in their order although the backend answers
// the later ones first, changes some and refuses some.
func TestPublishHook(t *testing.T) {
	t.Parallel()
	b := newHeldBackend(t)
	s := edgetest.StartHooked(t, hooks.Config{Publish: hooks.Rules{URLs: map[string]string{"mod:*": b.URL}, Timeout: edgetest.Patience}}, nil)
	viewer := join(t, s, "/ws?room=mod:1&room=free")
	c, _ := shake(t, s, edgetest.UpgradeRequest("/ws", v1Header))
	publish := func(id int, room, text string) {
		c.Send(frame.Text, fmt.Sprintf(`{"id":%d,"cmd":"publish","room":%q,"data":%q}`, id, room, text))
	}
	publish(1, "free", "nobody is asked")
	if got := c.answer(1); got["ok"] == nil {
		t.Fatal(got)
	}
	viewer.Want(frame.Text, "nobody is asked")
	publish(2, "mod:1", "first")
	publish(3, "mod:1", "second")
	publish(4, "free", "behind")
	publish(5, "mod:1", "third")
	b.wantAsked(t, 3)
	b.answer("third", "")
	b.answer("second", `{"error":{"code":"profanity","message":"Mind your words."}}`)
	edgetest.WaitFor(t, "both answers", func() bool {
		r := s.Config.Hooks.Stats()["publish"].Results
		return r["allowed"] == 1 && r["refused"] == 1
	})
	if got := c.ask(`{"id":6,"cmd":"ping"}`); got["id"] != 6.0 {
		t.Errorf("something is answered before its turn: %v", got)
	}
	b.answer("first", `{"data":"f***t"}`)
	replies := c.answers(4)
	if codeOf(replies[3]) != "profanity" || replies[2]["ok"] == nil || replies[4]["ok"] == nil || replies[5]["ok"] == nil {
		t.Errorf("got %v", replies)
	}
	first, third := replies[2]["ok"].(map[string]any)["offset"], replies[5]["ok"].(map[string]any)["offset"]
	if first != 1.0 || third != 2.0 {
		t.Errorf("offsets %v and %v", first, third)
	}
	got := map[string]int{}
	for i := range 3 {
		m, err := viewer.Next()
		edgetest.Must(t, err)
		got[m.Payload] = i
	}
	if len(got) != 3 || got["f***t"] > got["third"] || s.Stats().Refused["backend"] != 1 {
		t.Errorf("the viewer got %v", got)
	}

	publish(7, "mod:1", "of one who is gone")
	b.wantAsked(t, 4)
	_ = c.Conn.Close()
	edgetest.WaitFor(t, "the connection to end", func() bool { return s.Stats().Clients == 0 })
	b.answer("of one who is gone", "")
	edgetest.WaitFor(t, "nothing to wait", func() bool { return s.Config.Hooks.Stats()["publish"].Waiting == 0 })
	edgetest.PublishTo(t, s, "mod:1", "the backend's own")
	viewer.Want(frame.Text, "the backend's own")
}

// Rooms, rights, histories and orders, as clients of barrage.v1 see them.

package v1_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/edge/edgetest"
	v1 "barrage/edge/v1"
	"barrage/frame"
	"barrage/internal/broker"
)

func code(v map[string]any) string {
	e, _ := v["error"].(map[string]any)
	s, _ := e["code"].(string)
	return s
}

func okOf(t testing.TB, v map[string]any) map[string]any {
	t.Helper()
	ok, is := v["ok"].(map[string]any)
	if !is {
		t.Fatalf("want ok, got %v", v)
	}
	return ok
}

// TestRawAndJSONShareRooms: each gets what the other publishes, in its own form.
func TestRawAndJSONShareRooms(t *testing.T) {
	s := edgetest.Start(t, nil)
	raw := join(t, s, "/ws?room=a")
	c := joinJSON(t, s, "/ws?room=a")
	if v := c.object(); v["push"] != "joined" {
		t.Fatalf("got %v", v)
	}
	for _, x := range []struct{ data, raw string }{
		{`"héllo <b>"`, "héllo <b>"},
		{`{ "a" : [1, 2] }`, `{"a":[1,2]}`},
		{`12.50`, `12.50`},
		{`null`, `null`},
		{`""`, ""},
	} {
		c.Send(frame.Text, `{"id":1,"cmd":"publish","room":"a","data":`+x.data+`}`)
		raw.Want(frame.Text, x.raw)
		var push map[string]any
		for push == nil {
			if v := c.object(); v["push"] == "message" {
				push = v
			}
		}
		got, _ := json.Marshal(push["data"])
		var want any
		_ = json.Unmarshal([]byte(x.data), &want)
		wantText, _ := json.Marshal(want)
		if string(got) != string(wantText) {
			t.Errorf("%s came back as %s", x.data, got)
		}
	}
	c.Send(frame.Text, `{"cmd":"publish","room":"a","base64":"AP8="}`)
	raw.Want(frame.Binary, "\x00\xff")
	for {
		if v := c.object(); v["base64"] == "AP8=" {
			break
		}
	}
	raw.Send(frame.Text, `plain "text"`)
	raw.Want(frame.Text, `plain "text"`)
	for {
		if v := c.object(); v["data"] == `plain "text"` {
			break
		}
	}
}

// speaker is a viewer, who may take batches.
type speaker interface {
	Send(op frame.Opcode, payload string)
	object() map[string]any
}

// follower joins again and again and keeps the sequence of a room.
type follower struct {
	t     *testing.T
	s     *edgetest.Server
	room  string
	epoch string
	next  uint64 // offset wanted next
}

func (f *follower) take(m map[string]any) {
	f.t.Helper()
	if got := uint64(m["offset"].(float64)); got != f.next {
		f.t.Fatalf("got offset %d, want %d: %v", got, f.next, m)
	}
	if want := fmt.Sprint("message ", f.next); m["data"] != want {
		f.t.Fatalf("offset %d is %v", f.next, m["data"])
	}
	f.next++
}

// visit joins, takes some pushes, and goes without a word.
func (f *follower) visit(pushes int, last uint64) {
	c := joinJSON(f.t, f.s, "/ws")
	defer func() { _ = c.Conn.Close() }()
	f.visitAs(c, pushes, last)
}

// visitAs is visit on a connection that the caller closes.
func (f *follower) visitAs(c speaker, pushes int, last uint64) {
	f.t.Helper()
	c.Send(frame.Text, fmt.Sprintf(`{"id":1,"cmd":"join","room":%q,"since":{"epoch":%q,"offset":%d}}`, f.room, f.epoch, f.next-1))
	ok := okOf(f.t, c.object())
	if ok["resumed"] != true {
		f.t.Fatalf("not resumed: %.300v", ok)
	}
	messages, _ := ok["messages"].([]any)
	for _, m := range messages {
		f.take(m.(map[string]any))
	}
	if head := uint64(ok["offset"].(float64)); head != f.next-1 {
		f.t.Fatalf("head is %d, the messages end at %d", head, f.next-1)
	}
	for ; pushes > 0 && f.next <= last; pushes-- {
		f.take(c.object())
	}
}

// TestResume: viewers who come and go at random while others publish see every
// message once, in order.
func TestResume(t *testing.T) {
	const publishers, each, followers = 2, 700, 12 // few enough for one reply
	s := edgetest.Start(t, func(c *edge.Config) {
		c.History = broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: publishers*each + 1, Age: time.Hour}}}
	})
	epoch := epochOf(t, s, "a")
	var mu sync.Mutex // orders the publishes, so that texts can be told from offsets
	n := 1            // the message published by epochOf
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for range each {
				mu.Lock()
				n++
				edgetest.PublishTo(t, s, "a", fmt.Sprint("message ", n))
				mu.Unlock()
			}
		})
	}
	const last = publishers*each + 1
	for i := range followers {
		wg.Go(func() {
			f := &follower{t: t, s: s, room: "a", epoch: epoch, next: 1}
			r := rand.New(rand.NewPCG(uint64(i), 7))
			for f.next <= last {
				f.visit(r.IntN(300), last)
			}
		})
	}
	wg.Wait()
	edgetest.Balanced(t, s)
}

// epochOf publishes the first message of a room.
func epochOf(t *testing.T, s *edgetest.Server, room string) string {
	t.Helper()
	r, err := s.Publish(context.Background(), &broker.Publication{Room: room, Format: broker.Text, Payload: []byte("message 1")})
	if err != nil {
		t.Fatal(err)
	}
	return r.Position.Epoch
}

func TestGaps(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) {
		c.History = broker.Rules{{Pattern: "big*", Retention: broker.Retention{Messages: 1000, Age: time.Hour}}, {Pattern: "*", Retention: broker.Retention{Messages: 3, Age: time.Hour}}}
	})
	epoch := epochOf(t, s, "a")
	for n := 2; n <= 10; n++ {
		edgetest.PublishTo(t, s, "a", fmt.Sprint("message ", n))
	}
	c := joinJSON(t, s, "/ws")
	ok := okOf(t, c.ask(fmt.Sprintf(`{"id":1,"cmd":"join","room":"a","since":{"epoch":%q,"offset":2}}`, epoch)))
	gap, _ := ok["gap"].(map[string]any)
	if gap["from"] != 3.0 || gap["to"] != 7.0 || gap["reason"] != "trimmed" || len(ok["messages"].([]any)) != 3 || ok["resumed"] != nil {
		t.Errorf("trimmed: %v", ok)
	}
	// A reply is bounded: what does not fit is named, and can be asked for.
	big := epochOf(t, s, "big")
	for range 20 {
		edgetest.PublishTo(t, s, "big", strings.Repeat("x", 60<<10))
	}
	ok = okOf(t, c.ask(fmt.Sprintf(`{"id":2,"cmd":"join","room":"big","since":{"epoch":%q,"offset":0}}`, big)))
	gap, _ = ok["gap"].(map[string]any)
	got := len(ok["messages"].([]any))
	if gap["reason"] != "large" || gap["from"] != 1.0 || int(gap["to"].(float64))+got != 21 || got < 3 {
		t.Errorf("large: gap %v and %d messages", gap, got)
	}
	from := uint64(0)
	for from < uint64(gap["to"].(float64)) {
		page := okOf(t, c.ask(fmt.Sprintf(`{"id":3,"cmd":"history","room":"big","since":{"epoch":%q,"offset":%d}}`, big, from)))
		messages := page["messages"].([]any)
		if len(messages) == 0 {
			t.Fatal("an empty page")
		}
		for _, m := range messages {
			from++
			if o := m.(map[string]any)["offset"]; o != float64(from) {
				t.Fatalf("offset %v, want %d", o, from)
			}
		}
	}
}

func TestRights(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	for _, x := range []struct {
		name, target string
		status       int
	}{
		{"no token", "/ws?room=a", 401},
		{"bad token", "/ws?room=a&token=x", 401},
		{"other room", "/ws?room=b&token=" + testToken(t, "ann", func(c *auth.Claims) { c.Rooms = auth.Patterns{"a*"} }), 403},
		{"other user", "/ws?room=user:bob&token=" + testToken(t, "ann", nil), 403},
		{"own user", "/ws?room=user:ann&token=" + testToken(t, "ann", nil), 101},
		{"good", "/ws?room=a&token=" + testToken(t, "ann", nil), 101},
	} {
		t.Run(x.name, func(t *testing.T) {
			_, resp := shake(t, s, edgetest.UpgradeRequest(x.target))
			if resp.StatusCode != x.status {
				t.Errorf("status %d, want %d", resp.StatusCode, x.status)
			}
		})
	}
	_, resp := shake(t, s, edgetest.UpgradeRequest("/ws?room=a", "Authorization: Bearer "+testToken(t, "ann", nil)+"\r\n"))
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("token in the header: status %d", resp.StatusCode)
	}
	watcher := joinJSON(t, s, "/ws?token="+testToken(t, "eve", func(c *auth.Claims) { c.Publish = nil; c.Rooms = auth.Patterns{"a*"} }))
	for _, x := range []struct{ command, code string }{
		{`{"id":1,"cmd":"join","room":"b"}`, "forbidden"},
		{`{"id":1,"cmd":"history","room":"b"}`, "forbidden"},
		{`{"id":1,"cmd":"presence","room":"user:ann"}`, "forbidden"},
		{`{"id":1,"cmd":"join","room":"a"}`, ""},
		{`{"id":1,"cmd":"join","room":"a"}`, "already_joined"},
		{`{"id":1,"cmd":"publish","room":"a","data":1}`, "forbidden"},
		{`{"id":1,"cmd":"publish","to":"ann","data":1}`, "forbidden"},
		{`{"id":1,"cmd":"ack","room":"user:ann","epoch":"x","offset":1}`, "forbidden"},
		{`{"id":1,"cmd":"auth","token":"` + testToken(t, "ann", nil) + `"}`, "forbidden"},
		{`{"id":1,"cmd":"request","method":"x"}`, "unknown_method"},
		{`{"id":1,"cmd":"join","room":"a\u0000"}`, "bad_room"},
		{`{"id":1,"cmd":"join","room":"@control"}`, "bad_room"},
		{`{"id":"x","cmd":"ping"}`, "bad_json"},
		{`[]`, "bad_json"},
	} {
		if got := code(watcher.ask(x.command)); got != x.code {
			t.Errorf("%s: code %q, want %q", x.command, got, x.code)
		}
	}
}

// TestDirectRights: the claim dm names the users that may be written to, by whichever field
// names their room.
func TestDirectRights(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", func(c *auth.Claims) { c.Direct = auth.Patterns{"bob", "help-*"} }))
	for _, x := range []struct{ to, code string }{
		{`"to":"bob"`, ""}, {`"to":"help-7"`, ""}, {`"room":"user:help-7"`, ""}, {`"room":"lobby"`, ""},
		{`"to":"eve"`, "forbidden"}, {`"room":"user:eve"`, "forbidden"}, {`"to":"ann"`, "forbidden"}, {`"to":"bobby"`, "forbidden"},
	} {
		v := c.ask(`{"id":1,"cmd":"publish",` + x.to + `,"data":1}`)
		if code(v) != x.code || x.code != "" && strings.HasPrefix(x.to, `"to"`) && !strings.Contains(fmt.Sprint(v), "write to user") {
			t.Errorf("%s: %v, want %q", x.to, v, x.code)
		}
	}
	// A newer token brings other rights.
	okOf(t, c.ask(`{"id":2,"cmd":"auth","token":"`+testToken(t, "ann", func(c *auth.Claims) { c.Direct = nil })+`"}`))
	if v := c.ask(`{"id":3,"cmd":"publish","to":"bob","data":1}`); code(v) != "forbidden" {
		t.Errorf("to nobody: %v", v)
	}
}

// TestTokenExpires: a connection ends with its token, unless it brings a newer one.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		v, err := auth.New(auth.Config{Secrets: [][]byte{testSecret}, Leeway: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		c.Auth, c.AuthTimeout = v, 200*time.Millisecond
	})
	short := func() string {
		return testToken(t, "ann", func(c *auth.Claims) { c.Expires = time.Now().Add(2 * time.Second) })
	}
	ends, stays := joinJSON(t, s, "/ws?token="+short()), joinJSON(t, s, "/ws?token="+short())
	for code(stays.ask(`{"id":1,"cmd":"auth","token":"`+testToken(t, "ann", nil)+`"}`)) != "" {
		t.Fatal("the newer token was refused")
	}
	ends.wantBye(conn.CodeTokenExpired, true)
	if v := stays.ask(`{"id":2,"cmd":"ping"}`); v["ok"] == nil {
		t.Errorf("got %v", v)
	}
	late := joinJSON(t, s, "/ws")
	late.wantBye(conn.CodeNoAuth, false)
}

// wantBye wants the word before the end, and the end.
func (c *viewer) wantBye(closeCode uint16, reconnect bool) {
	c.T.Helper()
	for {
		v := c.object()
		if v["push"] != "bye" {
			continue
		}
		if v["code"] != float64(closeCode) || v["reconnect"] != reconnect {
			c.T.Fatalf("got %v, want code %d", v, closeCode)
		}
		break
	}
	c.WantClose(closeCode)
}

func TestOperatorsOrders(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c); c.Anonymous = true })
	ctx := context.Background()
	token := testToken(t, "ann", nil)
	ann, bob := joinJSON(t, s, "/ws?room=a&room=b&token="+token), joinJSON(t, s, "/ws?room=a&token="+testToken(t, "bob", nil))
	edgetest.WaitMembers(t, s, "a", 2)
	edgetest.WaitMembers(t, s, "b", 1)

	if err := s.Moderation.Kick(ctx, "a", "ann", "spam", time.Hour); err != nil {
		t.Fatal(err)
	}
	edgetest.WaitMembers(t, s, "a", 1)
	for {
		if v := ann.object(); v["push"] == "left" && v["room"] == "a" && v["reason"] == "spam" {
			break
		}
	}
	if v := ann.ask(`{"id":1,"cmd":"join","room":"a"}`); code(v) != "banned" {
		t.Errorf("back in: %v", v)
	}
	if v := ann.ask(`{"id":1,"cmd":"publish","room":"a","data":1}`); code(v) != "banned" {
		t.Errorf("still speaks: %v", v)
	}

	if err := s.Moderation.SetRoomSettings(ctx, "a", broker.RoomSettings{Muted: true}); err != nil {
		t.Fatal(err)
	}
	edgetest.WaitFor(t, "the room to be muted", func() bool { return s.Moderation.RoomSettings("a").Muted })
	if v := bob.ask(`{"id":2,"cmd":"publish","room":"a","data":1}`); code(v) != "muted" {
		t.Errorf("got %v", v)
	}
	edgetest.PublishTo(t, s, "a", "backends speak")

	conns, total, err := s.Connections(ctx, "bob", "", 10)
	if err != nil || total != 1 || len(conns) != 1 || conns[0].Rooms[0] != "a" || conns[0].Name != "" || conns[0].Protocol != v1.Subprotocol {
		t.Fatalf("connections %+v, %d, %v", conns, total, err)
	}
	if err := s.Moderation.DisconnectConn(ctx, conns[0].ID, "restart", true); err != nil {
		t.Fatal(err)
	}
	bob.wantBye(conn.CodeDismissed, true)

	if err := s.Moderation.DisconnectUser(ctx, "ann", "bye", false, time.Hour); err != nil {
		t.Fatal(err)
	}
	ann.wantBye(conn.CodeKicked, false)
	if _, resp := shake(t, s, edgetest.UpgradeRequest("/ws?room=c&token="+token)); resp.StatusCode != 403 {
		t.Errorf("a banned user: status %d", resp.StatusCode)
	}

	raw := join(t, s, "/ws?room=b")
	edgetest.PublishTo(t, s, "b", "last words")
	raw.Want(frame.Text, "last words")
	if err := s.Moderation.CloseRoom(ctx, "b", "over"); err != nil {
		t.Fatal(err)
	}
	raw.WantClose(conn.CodeKicked)
	if page, err := s.History(ctx, "b", broker.Query{}); err != nil || len(page.Messages) != 0 {
		t.Errorf("remembered %v, %v", page, err)
	}
}

// TestDirectMessages: they wait for a user, come in order, again until they are
// acknowledged, and once to each connection, however the user's name is written.
func TestDirectMessages(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	ann := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	for i := range 3 {
		ok := okOf(t, ann.ask(fmt.Sprintf(`{"id":1,"cmd":"publish","to":"rene\u0301","data":"m%d"}`, i+1)))
		if ok["online"] != false {
			t.Errorf("René is online: %v", ok)
		}
	}
	token := testToken(t, "ren\u00e9", nil)
	waiting := func() (c *viewer, texts []string, epoch string) {
		c = joinJSON(t, s, "/ws?token="+token)
		v := c.object()
		if v["push"] != "joined" || v["room"] != "user:ren\u00e9" {
			t.Fatalf("got %v", v)
		}
		messages, _ := v["messages"].([]any)
		for _, m := range messages {
			texts = append(texts, m.(map[string]any)["data"].(string))
		}
		return c, texts, v["epoch"].(string)
	}
	c, texts, epoch := waiting()
	if fmt.Sprint(texts) != "[m1 m2 m3]" {
		t.Errorf("waiting: %v", texts)
	}
	okOf(t, c.ask(fmt.Sprintf(`{"id":1,"cmd":"ack","epoch":%q,"offset":2}`, epoch)))
	second, texts, _ := waiting()
	if fmt.Sprint(texts) != "[m3]" {
		t.Errorf("after ack: %v", texts)
	}
	if ok := okOf(t, ann.ask(`{"id":2,"cmd":"publish","to":"rene\u0301","data":"now"}`)); ok["online"] != true {
		t.Errorf("René is not online: %v", ok)
	}
	for _, v := range []*viewer{c, second} {
		if m := v.object(); m["data"] != "now" || m["sender"].(map[string]any)["user"] != "ann" {
			t.Errorf("got %v", m)
		}
	}
}

// TestManyRoomsOfOneConnection: bounded, switched, and all forgotten at the end.
func TestManyRoomsOfOneConnection(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) { c.MaxRooms = 3 })
	c := joinJSON(t, s, "/ws")
	for i := range 3 {
		okOf(t, c.ask(fmt.Sprintf(`{"id":1,"cmd":"join","room":"r%d"}`, i)))
	}
	if v := c.ask(`{"id":2,"cmd":"join","room":"r4"}`); code(v) != "too_many_rooms" {
		t.Errorf("got %v", v)
	}
	okOf(t, c.ask(`{"id":3,"cmd":"join","room":"r4","leave":"r0"}`))
	edgetest.WaitMembers(t, s, "r0", 0)
	_ = c.Conn.Close()
	edgetest.WaitFor(t, "all to be forgotten", func() bool {
		st := s.Stats()
		return st.Clients == 0 && st.Rooms == 0 && st.Presence.Connections == 0
	})
}

// Devices of users: what they are called, and what is for one of them.

package v1_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/edgetest"
	"barrage/frame"
	"barrage/internal/broker"
)

func deviceToken(t testing.TB, user, device string) string {
	return testToken(t, user, func(c *auth.Claims) { c.Device = device })
}

// TestDevices: a device is what the token says, or else the request or the command that
// brings one, and stays so until another is said.
func TestDevices(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	for target, want := range map[string]any{
		"/ws?token=" + testToken(t, "ann", nil):                           nil,
		"/ws?device=phone&token=" + testToken(t, "ann", nil):              "phone",
		"/ws?device=e%CC%81&token=" + testToken(t, "ann", nil):            "\u00e9",
		"/ws?token=" + deviceToken(t, "ann", "tablet"):                    "tablet",
		"/ws?device=phone&own=1&token=" + deviceToken(t, "ann", "tablet"): "tablet",
	} {
		if v := joinSilent(t, s, target).object(); v["push"] != "welcome" || v["device"] != want {
			t.Errorf("%.40s: %v, want device %v", target, v, want)
		}
	}
	for _, target := range []string{"/ws?room=a&device=", "/ws?room=a&device=my%20phone", "/ws?room=a&device=a&device=b", "/sse?room=a&device=a*"} {
		if _, resp := shake(t, s, edgetest.UpgradeRequest(target)); resp.StatusCode != 400 || resp.Header.Get("Barrage-Error") != "bad_device" {
			t.Errorf("%s: status %d, %q", target, resp.StatusCode, resp.Header.Get("Barrage-Error"))
		}
	}

	c := joinJSON(t, s, "/ws?device=phone")
	for i, x := range []struct{ token, device, want string }{
		{testToken(t, "ann", nil), "", "phone"},
		{testToken(t, "ann", nil), `,"device":"desk"`, "desk"},
		{testToken(t, "ann", nil), "", "desk"},
		{deviceToken(t, "ann", "tablet"), `,"device":"desk"`, "tablet"},
	} {
		if ok := okOf(t, c.ask(`{"id":1,"cmd":"auth","token":"`+x.token+`"`+x.device+`}`)); ok["device"] != x.want {
			t.Errorf("%d: %v, want device %s", i, ok, x.want)
		}
	}
	if v := c.ask(`{"id":2,"cmd":"auth","token":"` + testToken(t, "ann", nil) + `","device":"my phone"}`); code(v) != "bad_device" {
		t.Errorf("got %v", v)
	}
	list, _, err := s.Connections(t.Context(), "ann", "", 100)
	edgetest.Must(t, err)
	devices := make(map[string]int)
	for _, c := range list {
		devices[c.Device]++
	}
	if len(list) != 6 || devices["tablet"] != 3 || devices["phone"] != 1 || devices[""] != 1 {
		t.Errorf("connections: %v", list)
	}
}

// TestOwnMessages: what one connection of a user writes to somebody comes to those others of
// the user's that want it, marked as their own, once, and is in no history.
func TestOwnMessages(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	token := testToken(t, "ann", nil)
	writes, deaf, phone := joinJSON(t, s, "/ws?own=1&token="+token), joinJSON(t, s, "/ws?token="+token), joinJSON(t, s, "/ws?own=1&token="+token)
	desk := joinJSON(t, s, "/ws")
	okOf(t, desk.ask(`{"id":1,"cmd":"auth","own":true,"token":"`+token+`"}`))
	bob := joinAs(t, s, "bob")
	sent := okOf(t, writes.ask(`{"id":1,"cmd":"publish","to":"bob","kind":"chat","data":{"x":1},"ttl":60000,"key":"k"}`))
	okOf(t, writes.ask(`{"id":2,"cmd":"publish","to":"bob","data":"again","key":"k"}`)) // a repetition
	for _, c := range []*viewer{phone, desk} {
		v := c.push("message")
		from, _ := v["sender"].(map[string]any)
		if v["room"] != "user:ann" || v["receiver"] != "bob" || v["self"] != true || v["id"] != sent["message_id"] || v["kind"] != "chat" ||
			from["user"] != "ann" || v["data"].(map[string]any)["x"] != 1.0 || v["offset"] != nil || v["expires"] == nil {
			t.Errorf("got %v", v)
		}
	}
	if list, _ := bob.push("joined")["messages"].([]any); len(list) != 1 || list[0].(map[string]any)["self"] != nil {
		t.Errorf("bob got %v", list)
	}
	// Who does not want it any more, who never did and who wrote it get nothing before this.
	okOf(t, desk.ask(`{"id":2,"cmd":"auth","own":false,"token":"`+token+`"}`))
	okOf(t, writes.ask(`{"id":3,"cmd":"publish","to":"bob","data":"later"}`))
	writes.Send(frame.Text, `{"cmd":"publish","to":"ann","data":"note","forget":true}`)
	for c, want := range map[*viewer]string{phone: "later", desk: "note", deaf: "note", writes: "note"} {
		if v := c.push("message"); v["data"] != want || v["self"] != true {
			t.Errorf("got %v, want %s", v, want)
		}
	}
	_, err := s.Publish(t.Context(), &broker.Publication{Room: "user:ann", Sender: broker.Sender{User: "bob"}, Format: broker.Text, Payload: []byte("for ann"), Forget: true})
	edgetest.Must(t, err)
	if v := deaf.push("message"); v["data"] != "for ann" || v["self"] != nil || v["receiver"] != nil {
		t.Errorf("got %v", v)
	}
	page, err := s.History(t.Context(), "user:ann", broker.Query{Limit: 10})
	if err != nil || len(page.Messages) != 0 {
		t.Errorf("the history has %v, %v", page, err)
	}
	for _, c := range []*viewer{writes, phone} {
		_ = c.Conn.Close()
	}
	edgetest.WaitFor(t, "nobody to want copies", func() bool { return s.Node.Loops.TakeOwn() == 0 })
	select {
	case <-s.Node.Loops.OwnBegins():
	default:
		t.Error("other nodes were not to be told that somebody wants copies")
	}
	// Without a mailbox there are none to be had.
	stream(t, s, "room=a&own=1&token="+token)
	edgetest.Join(t, s, "/ws?room=a&own=1&token="+token)
	if n := s.Node.Loops.TakeOwn(); n != 0 {
		t.Errorf("copies are made for %d connections that get none", n)
	}
}

// TestOwnFromOutside: who publishes without a connection is a writer, too.
func TestOwnFromOutside(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	token := testToken(t, "ann", nil)
	phone := joinJSON(t, s, "/ws?own=1&token="+token)
	r, err := http.NewRequest("POST", "http://"+s.Addr().String()+"/publish?token="+token, strings.NewReader(`{"to":"bob","data":"by HTTP"}`))
	edgetest.Must(t, err)
	resp, err := http.DefaultClient.Do(r)
	edgetest.Must(t, err)
	if body := edgetest.Body(resp); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if v := phone.push("message"); v["data"] != "by HTTP" || v["receiver"] != "bob" || v["self"] != true {
		t.Errorf("got %v", v)
	}
}

// TestSelfInMailbox: what users wrote to themselves is marked, however they come by it: with what
// waits for them, as a push, in a history, and in the answer to a join.
func TestSelfInMailbox(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	for _, user := range []string{"ann", "bob"} {
		_, err := s.Publish(t.Context(), &broker.Publication{Room: "user:ann", Sender: broker.Sender{User: user}, Format: broker.Text, Payload: []byte("by " + user)})
		edgetest.Must(t, err)
	}
	want := func(where string, list any) {
		t.Helper()
		all, _ := list.([]any)
		if len(all) != 2 || all[0].(map[string]any)["self"] != true || all[1].(map[string]any)["self"] != nil {
			t.Errorf("%s: %v", where, list)
		}
	}
	c := joinAs(t, s, "ann")
	want("what waits", c.push("joined")["messages"])
	want("history", okOf(t, c.ask(`{"id":1,"cmd":"history","room":"user:ann"}`))["messages"])
	c.Send(frame.Text, `{"cmd":"publish","room":"user:ann","data":"note"}`)
	if v := c.push("message"); v["data"] != "note" || v["self"] != true {
		t.Errorf("pushed %v", v)
	}
}

// TestSelfInRooms: of what a room says, which is written once for all, clients tell what is
// theirs as docs/protocol.md says: by the names in the welcome, or the reply's position.
func TestSelfInRooms(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	type person struct {
		*viewer
		conn, user any
	}
	var people []person
	for _, target := range []string{"/ws?token=" + testToken(t, "ann", nil), "/ws?token=" + testToken(t, "ann", nil), "/ws?token=" + testToken(t, "bob", nil)} {
		c := joinSilent(t, s, target)
		hello := c.object()
		p := person{c, hello["conn"], hello["user"]}
		okOf(t, c.ask(`{"id":1,"cmd":"join","room":"a"}`))
		people = append(people, p)
	}
	people[0].Send(frame.Text, `{"id":2,"cmd":"publish","room":"a","data":"hi"}`)
	for i, want := range []struct{ self, user bool }{{true, true}, {false, true}, {false, false}} {
		p := people[i]
		var v, reply map[string]any
		for v == nil || want.self && reply == nil { // in either order
			if o := p.object(); o["push"] == "message" {
				v = o
			} else {
				reply = o
			}
		}
		from := v["sender"].(map[string]any)
		if v["self"] != nil || (from["conn"] == p.conn) != want.self || (from["user"] == p.user) != want.user {
			t.Errorf("%d: %v", i, v)
		}
		if !want.self {
			continue
		}
		if ok := okOf(t, reply); ok["epoch"] != v["epoch"] || ok["offset"] != v["offset"] || ok["message_id"] != v["id"] {
			t.Errorf("replied %v, pushed %v", ok, v)
		}
	}
}

// toOne sends a message to one connection or device, as a backend, and returns how many got it.
func toOne(t *testing.T, s *edgetest.Server, p broker.Publication) int {
	t.Helper()
	p.Format, p.Payload = broker.Text, []byte("for you")
	r, err := s.Publish(t.Context(), &p)
	edgetest.Must(t, err)
	if r.ID == "" || r.Position.Offset != 0 || r.LocalOnly {
		t.Errorf("receipt %+v", r)
	}
	return r.Members
}

// stream opens an event stream, and takes events until one is a joined.
func stream(t *testing.T, s *edgetest.Server, query string) *bufio.Reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.Addr().String()+"/sse?"+query, nil)
	edgetest.Must(t, err)
	resp, err := http.DefaultClient.Do(r)
	edgetest.Must(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	events := bufio.NewReader(resp.Body)
	for !strings.Contains(line(t, events), `"push":"joined"`) {
	}
	return events
}

// line is the next line with something in it.
func line(t *testing.T, events *bufio.Reader) string {
	t.Helper()
	for {
		text, err := events.ReadString('\n')
		edgetest.Must(t, err)
		if text = strings.TrimSpace(text); text != "" {
			return text
		}
	}
}

// TestToDevice: a message for a device comes to all of its connections, whatever they speak,
// and to no others of its user or of others.
func TestToDevice(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	phone := deviceToken(t, "bob", "phone")
	app, page := joinJSON(t, s, "/ws?token="+phone), joinJSON(t, s, "/ws?device=phone")
	raw, events := join(t, s, "/ws?room=a&token="+phone), stream(t, s, "room=a&token="+phone)
	desk, eve := joinJSON(t, s, "/ws?device=desk&token="+testToken(t, "bob", nil)), joinJSON(t, s, "/ws?token="+deviceToken(t, "eve", "phone"))
	okOf(t, page.ask(`{"id":1,"cmd":"auth","token":"`+testToken(t, "bob", nil)+`"}`))

	if n := toOne(t, s, broker.Publication{Room: "user:bob", Device: "phone", Kind: "push", Sender: broker.Sender{User: "shop"}, TTL: 60000}); n != 4 {
		t.Errorf("%d connections got it, want 4", n)
	}
	for _, c := range []*viewer{app, page} {
		v := c.push("message")
		if v["room"] != "user:bob" || v["device"] != "phone" || v["data"] != "for you" || v["kind"] != "push" || v["expires"] == nil || v["offset"] != nil || v["self"] != nil || v["conn"] != nil {
			t.Errorf("got %v", v)
		}
	}
	raw.Want(frame.Text, "for you")
	if text := line(t, events); !strings.HasPrefix(text, `data: {"push":"message","room":"user:bob"`) || !strings.Contains(text, `"device":"phone"`) {
		t.Errorf("the stream says %s", text)
	}

	// A device is what was said last; who is gone is none.
	okOf(t, page.ask(`{"id":2,"cmd":"auth","device":"tablet","token":"`+testToken(t, "bob", nil)+`"}`))
	_ = raw.Conn.Close()
	edgetest.WaitFor(t, "two connections to be the phone's", func() bool {
		return toOne(t, s, broker.Publication{Room: "user:bob", Device: "phone", TTL: 60000}) == 2
	})
	for device, want := range map[string]int{"tablet": 1, "desk": 1, "none": 0} {
		if n := toOne(t, s, broker.Publication{Room: "user:bob", Device: device}); n != want {
			t.Errorf("%s: %d connections, want %d", device, n, want)
		}
	}
	if v := page.push("message"); v["device"] != "tablet" {
		t.Errorf("got %v", v)
	}
	if v := desk.push("message"); v["device"] != "desk" {
		t.Errorf("got %v", v)
	}
	okOf(t, eve.ask(`{"id":1,"cmd":"ping"}`)) // nothing has come before
	if r, err := s.Publish(t.Context(), &broker.Publication{Room: "user:bob", Device: "phone", Confirm: true}); err == nil {
		t.Errorf("an acknowledgement was promised: %+v", r)
	}
	if got := s.Stats().Direct; got["nobody"] != 1 || got["given"] < 4 {
		t.Errorf("counted %v", got)
	}
}

// TestClientToDevice: clients write to devices of users whom they may write to, and are told
// how many connections got it; their own others get copies, and backends are told.
func TestClientToDevice(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	phone := joinJSON(t, s, "/ws?token="+deviceToken(t, "bob", "phone"))
	ann, other := joinAs(t, s, "ann"), joinJSON(t, s, "/ws?own=1&token="+testToken(t, "ann", nil))
	ok := okOf(t, ann.ask(`{"id":1,"cmd":"publish","to":"bob","device":"phone","data":{"x":1}}`))
	if ok["delivered_to"] != 1.0 || ok["message_id"] == "" || ok["online"] != nil || ok["offset"] != nil {
		t.Errorf("replied %v", ok)
	}
	if v := phone.push("message"); v["device"] != "phone" || v["id"] != ok["message_id"] || v["sender"].(map[string]any)["user"] != "ann" {
		t.Errorf("got %v", v)
	}
	if v := other.push("message"); v["device"] != "phone" || v["receiver"] != "bob" || v["id"] != ok["message_id"] || v["self"] != true {
		t.Errorf("the copy is %v", v)
	}
	if ok := okOf(t, ann.ask(`{"id":2,"cmd":"publish","to":"bob","device":"desk","data":1}`)); ok["delivered_to"] != 0.0 {
		t.Errorf("replied %v", ok)
	}
	quiet := joinJSON(t, s, "/ws?token="+testToken(t, "joe", func(c *auth.Claims) { c.Direct = auth.Patterns{"eve"} }))
	for _, x := range []struct {
		c             *viewer
		command, code string
	}{
		{ann, `"room":"a","device":"phone"`, "bad_command"}, {ann, `"to":"bob","device":"my phone"`, "bad_device"},
		{ann, `"to":"bob","device":"phone","qos":1`, "bad_command"}, {ann, `"to":"bob","device":"phone","key":"k"`, "bad_command"},
		{quiet, `"to":"bob","device":"phone"`, "forbidden"},
	} {
		if v := x.c.ask(`{"id":9,"cmd":"publish","data":1,` + x.command + `}`); code(v) != x.code {
			t.Errorf("%s: %v, want %s", x.command, v, x.code)
		}
	}
	if v := ann.ask(`{"id":3,"cmd":"publish","to":"ann","device":"none","data":1}`); okOf(t, v)["delivered_to"] != 0.0 {
		t.Errorf("got %v", v)
	}
}

// TestToConnection: a message for one connection comes to it, whosever it is, and says so.
func TestToConnection(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c); c.Anonymous = true })
	ann := joinSilent(t, s, "/ws?token="+testToken(t, "ann", nil))
	annConn := ann.object()["conn"].(string)
	guest := joinSilent(t, s, "/ws")
	guestConn := guest.object()["conn"].(string)
	raw := join(t, s, "/ws?room=a&token="+testToken(t, "ann", nil))
	list, _, err := s.Connections(t.Context(), "ann", "a", 1)
	edgetest.Must(t, err)
	for _, conn := range []string{annConn, guestConn, list[0].ID} {
		if n := toOne(t, s, broker.Publication{Conn: conn}); n != 1 {
			t.Errorf("%s: %d connections got it", conn, n)
		}
	}
	if v := ann.push("message"); v["conn"] != annConn || v["room"] != "user:ann" || v["data"] != "for you" || v["device"] != nil {
		t.Errorf("ann got %v", v)
	}
	if v := guest.push("message"); v["conn"] != guestConn || v["room"] != nil || v["data"] != "for you" {
		t.Errorf("the guest got %v", v)
	}
	raw.Want(frame.Text, "for you")
	_ = guest.Conn.Close()
	edgetest.WaitFor(t, "the guest to be gone", func() bool { return toOne(t, s, broker.Publication{Conn: guestConn}) == 0 })
	for _, conn := range []string{"nobody", s.Config.Node + "-0", s.Config.Node + "-zzzz", "other-1"} {
		if n := toOne(t, s, broker.Publication{Conn: conn}); n != 0 {
			t.Errorf("%s: %d connections got it", conn, n)
		}
	}
}

// TestToOneThatReadsNothing: who does not read gets no more than so much, and whoever asks is
// told; it is not closed for what it did not ask for.
func TestToOneThatReadsNothing(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	stuck := joinJSON(t, s, "/ws?token="+deviceToken(t, "bob", "phone"))
	p := broker.Publication{Room: "user:bob", Device: "phone", Format: broker.Text, Payload: bytes.Repeat([]byte("x"), 32<<10)}
	n := 0
	edgetest.WaitFor(t, "a message that is not given", func() bool {
		n++
		r, err := s.Publish(t.Context(), &p)
		edgetest.Must(t, err)
		return r.Members == 0
	})
	for range n - 1 {
		if v := stuck.push("message"); v["device"] != "phone" {
			t.Fatalf("got %v", v)
		}
	}
	okOf(t, stuck.ask(`{"id":1,"cmd":"ping"}`))
	if r, err := s.Publish(t.Context(), &p); err != nil || r.Members != 1 {
		t.Errorf("one that has read: %+v, %v", r, err)
	}
}

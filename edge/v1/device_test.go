// Devices of users: what they are called, and what is for one of them.

package v1_test

import (
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
		if v["room"] != "user:ann" || v["to"] != "bob" || v["self"] != true || v["id"] != sent["message_id"] || v["kind"] != "chat" ||
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
	if v := deaf.push("message"); v["data"] != "for ann" || v["self"] != nil || v["to"] != nil {
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
	if v := phone.push("message"); v["data"] != "by HTTP" || v["to"] != "bob" || v["self"] != true {
		t.Errorf("got %v", v)
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

// Connections that see and are not seen.

package v1_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/edgetest"
	"barrage/frame"
)

func hiddenToken(t testing.TB, user string) string {
	return testToken(t, user, func(c *auth.Claims) { c.Hidden = true })
}

// wantPresent wants exactly these users and so many connections to be seen in a room, by
// every way to look.
func wantPresent(t *testing.T, s *edgetest.Server, c *viewer, room string, connections int, users ...string) {
	t.Helper()
	edgetest.WantCount(t, s, room, len(users), connections)
	ok := okOf(t, c.ask(`{"id":1,"cmd":"presence","room":"`+room+`"}`))
	list := ok["list"].([]any)
	if len(list) != len(users) || ok["complete"] != true || ok["users"] != float64(len(users)) || ok["connections"] != float64(connections) {
		t.Errorf("presence: %v, want %v with %d connections", ok, users, connections)
	}
	for i, u := range list {
		if len(users) == len(list) && u.(map[string]any)["user"] != users[len(users)-1-i] {
			t.Errorf("presence: %v, want %v", list, users)
		}
	}
	ok = okOf(t, c.ask(`{"id":2,"cmd":"ping","room":"`+room+`"}`))
	if ok["users"] != float64(len(users)) || ok["connections"] != float64(connections) {
		t.Errorf("ping: %v", ok)
	}
	resp, err := http.Get(fmt.Sprintf("http://%v/count?room=%s", s.Addr(), room))
	edgetest.Must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if want := fmt.Sprintf("{\"room\":%q,\"members\":%d}\n", room, connections); err != nil || string(body) != want {
		t.Errorf("count: %s, %v, want %s", body, err, want)
	}
}

// TestHidden: a hidden connection gets what the room says, and is in no list or count,
// whatever protocol it speaks; backends are told of it as such.
func TestHidden(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c); c.Anonymous = true })
	ann := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	okOf(t, ann.ask(`{"id":1,"cmd":"join","room":"a"}`))
	watch := joinJSON(t, s, "/ws")
	okOf(t, watch.ask(`{"id":1,"cmd":"join","room":"a","presence":true}`))
	wantPresent(t, s, ann, "a", 2, "ann")

	ghost := joinJSON(t, s, "/ws?token="+testToken(t, "ghost", nil))
	if ok := okOf(t, ghost.ask(`{"id":1,"cmd":"join","room":"a","hidden":true}`)); ok["users"] != 1.0 || ok["connections"] != 2.0 {
		t.Errorf("joined %v", ok)
	}
	nobody := joinJSON(t, s, "/ws")
	okOf(t, nobody.ask(`{"id":1,"cmd":"join","room":"a","hidden":true}`))
	claimed := joinJSON(t, s, "/ws?room=a&token="+hiddenToken(t, "eve"))
	claimed.push("joined")
	raw := join(t, s, "/ws?room=a&token="+hiddenToken(t, "eve"))
	edgetest.WaitMembers(t, s, "a", 6)
	edgetest.PublishTo(t, s, "a", "to all")
	raw.Want(frame.Text, "to all")
	for _, v := range []*viewer{ann, ghost, nobody, claimed} {
		if m := v.push("message"); m["data"] != "to all" {
			t.Errorf("got %v", m)
		}
	}
	wantPresent(t, s, ann, "a", 2, "ann")

	// In the next room it is seen again, by the field; by the claim it never is.
	okOf(t, ghost.ask(`{"id":1,"cmd":"join","room":"b","leave":"a"}`))
	okOf(t, ghost.ask(`{"id":1,"cmd":"join","room":"a"}`))
	wantPresent(t, s, ann, "a", 3, "ann", "ghost")
	told := func(want string) { // and nothing of eve before
		t.Helper()
		for got := ""; got != want; {
			v := watch.push("presence")
			for _, kind := range []string{"join", "leave"} {
				if u, ok := v[kind].(map[string]any); ok {
					got = fmt.Sprint(kind, " ", u["user"])
				}
			}
			if got == "join eve" {
				t.Errorf("told %v", v)
			}
		}
	}
	told("join ghost")
	_ = claimed.Conn.Close()
	_ = raw.Conn.Close()
	_ = nobody.Conn.Close()
	okOf(t, ghost.ask(`{"id":1,"cmd":"leave","room":"a"}`))
	edgetest.WaitMembers(t, s, "a", 2)
	wantPresent(t, s, ann, "a", 2, "ann")
	told("leave ghost")
}

// TestHiddenUsersAreOffline: who writes to a user is not told of a hidden connection, which
// gets the message all the same.
func TestHiddenUsersAreOffline(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	ann, eve := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil)), joinJSON(t, s, "/ws?token="+hiddenToken(t, "eve"))
	online := func() any {
		return okOf(t, ann.ask(`{"id":1,"cmd":"publish","to":"eve","data":"hi","forget":true}`))["online"]
	}
	if on := online(); on != false {
		t.Errorf("online: %v", on)
	}
	eve.push("message")
	list, _, err := s.Connections(context.Background(), "eve", "", 10)
	if err != nil || len(list) != 1 || !list[0].Hidden {
		t.Errorf("operators see %+v, %v", list, err)
	}
	// A newer token shows it, in its rooms too, and another hides it again.
	okOf(t, eve.ask(`{"id":1,"cmd":"join","room":"a"}`))
	okOf(t, ann.ask(`{"id":1,"cmd":"join","room":"a"}`))
	wantHere := func(connections int, on bool) {
		t.Helper()
		edgetest.WantCount(t, s, "a", connections, connections)
		if got := online(); got != on {
			t.Errorf("online: %v, want %v", got, on)
		}
	}
	wantHere(1, false)
	for range 2 {
		okOf(t, eve.ask(`{"id":1,"cmd":"auth","token":"`+testToken(t, "eve", nil)+`"}`))
		wantHere(2, true)
		okOf(t, eve.ask(`{"id":1,"cmd":"auth","token":"`+hiddenToken(t, "eve")+`"}`))
		wantHere(1, false)
	}
	_ = eve.Conn.Close()
	edgetest.WaitMembers(t, s, "a", 1)
	wantHere(1, false)
}

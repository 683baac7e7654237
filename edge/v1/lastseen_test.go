// When users were here last, on the wire.

package v1_test

import (
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/edgetest"
)

// TestLastSeen: it is told of those who are gone, to those who may know; hidden connections
// leave nothing behind.
func TestLastSeen(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c); c.LastSeen = time.Hour; c.Anonymous = true })
	desk := joinJSON(t, s, "/ws?token="+testToken(t, "desk", func(c *auth.Claims) { c.Seen = auth.Patterns{"b*", "eve"} }))
	bob, eve := joinJSON(t, s, "/ws?token="+testToken(t, "bob", nil)), joinJSON(t, s, "/ws?token="+hiddenToken(t, "eve"))
	seen := func(user string) map[string]any {
		return okOf(t, desk.ask(`{"id":1,"cmd":"last_seen","user":"`+user+`"}`))
	}
	if ok := seen("bob"); ok["online"] != true {
		t.Errorf("got %v", ok)
	}
	before := time.Now().UnixMilli()
	_ = bob.Conn.Close()
	_ = eve.Conn.Close()
	edgetest.WaitFor(t, "them to go", func() bool { return s.Stats().Connections == 1 })
	ok := seen("bob")
	if at, _ := ok["last_seen"].(float64); ok["online"] != false || int64(at) < before || int64(at) > time.Now().UnixMilli() {
		t.Errorf("got %v, want a time since %d", ok, before)
	}
	if ok := seen("eve"); ok["online"] != false || ok["last_seen"] != nil {
		t.Errorf("got %v", ok)
	}
	nobody := joinJSON(t, s, "/ws")
	for _, tt := range []struct {
		c          *viewer
		user, want string
	}{{desk, "ann", "forbidden"}, {nobody, "bob", "forbidden"}, {desk, "", "bad_user"}, {desk, "b b", "bad_user"}} {
		if v := tt.c.ask(`{"id":1,"cmd":"last_seen","user":"` + tt.user + `"}`); code(v) != tt.want {
			t.Errorf("%q: got %v, want %s", tt.user, v, tt.want)
		}
	}
}

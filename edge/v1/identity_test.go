// Tokens on living connections, and who may come back.

package v1_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/edge/edgetest"
	"barrage/frame"
	"barrage/internal/bounds"
)

// TestBannedByCommand: who has been sent out does not come back by saying who they
// are later.
func TestBannedByCommand(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	ctx := context.Background()
	if err := s.Moderation.DisconnectUser(ctx, "ann", "spam", false, time.Hour); err != nil {
		t.Fatal(err)
	}
	c := joinJSON(t, s, "/ws")
	v := c.ask(`{"id":1,"cmd":"auth","token":"` + testToken(t, "ann", nil) + `"}`)
	if e, _ := v["error"].(map[string]any); code(v) != "banned" || e["retry_after"].(float64) < 3.5e6 {
		t.Errorf("got %v", v)
	}
	if v := c.ask(`{"id":2,"cmd":"join","room":"a"}`); code(v) != "unauthorized" {
		t.Errorf("got %v", v)
	}
	okOf(t, c.ask(`{"id":3,"cmd":"auth","token":"`+testToken(t, "bob", nil)+`"}`))
}

// TestRenewingCostsNothing: a client has one time at which it must go, however
// often it renews its token, and none once it is gone.
func TestRenewingCostsNothing(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	c, other := joinJSON(t, s, "/ws"), joinJSON(t, s, "/ws?token="+testToken(t, "bob", nil))
	for i := range 50 {
		token := testToken(t, "ann", func(c *auth.Claims) { c.Expires = time.Now().Add(time.Duration(1+i%7) * time.Hour) })
		okOf(t, c.ask(fmt.Sprintf(`{"id":%d,"cmd":"auth","token":%q}`, i+1, token)))
	}
	_ = c.Conn.Close()
	_ = other.Conn.Close()
	edgetest.WaitFor(t, "all to be forgotten", func() bool { return s.Stats().Clients == 0 })
}

// TestEndOfTime: a token that is good for thousands of years is.
func TestEndOfTime(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	token := testToken(t, "ann", func(c *auth.Claims) { c.Expires = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) })
	c := joinJSON(t, s, "/ws?token="+token)
	raw := join(t, s, "/ws?room=a&token="+token)
	edgetest.PublishTo(t, s, "a", "still here")
	raw.Want(frame.Text, "still here")
	for range 2 { // the second tick comes after the first has looked
		before := s.Node.Loops.Now()
		edgetest.WaitFor(t, "a tick", func() bool { return s.Node.Loops.Now() > before+2*s.Config.Tick })
		onLoops(t, s, func(*conn.Loop) int { return 0 })
	}
	okOf(t, c.ask(`{"id":1,"cmd":"ping"}`))
}

// TestAnonymousAndToken: where both are let in, a bad token is no anonymity, and
// who is anonymous may say later who they are, once.
func TestAnonymousAndToken(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c); c.Anonymous = true })
	for target, status := range map[string]int{
		"/ws?room=a": 101, "/ws?room=a&token=x": 401, "/ws?room=a&token=": 101, "/ws?room=user:ann": 403,
		"/ws?room=a&token=" + testToken(t, "ann", nil):                                                             101,
		"/ws?room=a&token=" + testToken(t, "ann", func(c *auth.Claims) { c.Expires = time.Now().Add(-time.Hour) }): 401,
	} {
		if _, resp := shake(t, s, edgetest.UpgradeRequest(target)); resp.StatusCode != status {
			t.Errorf("%.40s: status %d, want %d", target, resp.StatusCode, status)
		}
	}
	c := joinJSON(t, s, "/ws?room=b")
	c.push("joined")
	if v := c.ask(`{"id":1,"cmd":"publish","to":"bob","data":1}`); code(v) != "forbidden" {
		t.Errorf("an anonymous direct message: %v", v)
	}
	okOf(t, c.ask(`{"id":2,"cmd":"auth","token":"`+testToken(t, "ann", nil)+`"}`))
	edgetest.WantCount(t, s, "b", 1, 1)
	for _, x := range []struct{ token, code string }{
		{testToken(t, "bob", nil), "forbidden"}, {"x", "token_invalid"}, {"", "bad_command"},
	} {
		if v := c.ask(`{"id":3,"cmd":"auth","token":"` + x.token + `"}`); code(v) != x.code {
			t.Errorf("token %.20q: %v, want %s", x.token, v, x.code)
		}
	}
	okOf(t, c.ask(`{"id":4,"cmd":"publish","to":"bob","data":1}`))
}

// TestRawWithToken: raw viewers are users too: counted as such, named as senders,
// bound by their rights, and kicked.
func TestRawWithToken(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	token := testToken(t, "ann", func(c *auth.Claims) { c.Publish = auth.Patterns{"a"} })
	raw, c := join(t, s, "/ws?room=a&room=b&token="+token), joinJSON(t, s, "/ws?room=a&token="+testToken(t, "bob", nil))
	c.push("joined")
	edgetest.WantCount(t, s, "b", 1, 1)
	raw.Send(frame.Text, "from ann")
	v := c.push("message")
	if from, _ := v["sender"].(map[string]any); v["data"] != "from ann" || from["user"] != "ann" {
		t.Errorf("got %v", v)
	}
	raw.Want(frame.Text, "from ann")
	mute := join(t, s, "/ws?room=b&room=a&token="+token)
	mute.Send(frame.Text, "may not")
	edgetest.WaitFor(t, "the refusal", func() bool { return s.Stats().Refused["forbidden"] == 1 })
	if err := s.Moderation.Kick(context.Background(), "a", "ann", "spam", time.Hour); err != nil {
		t.Fatal(err)
	}
	raw.WantClose(conn.CodeKicked)
	mute.WantClose(conn.CodeKicked)
	edgetest.WantCount(t, s, "a", 1, 1)
	edgetest.WantCount(t, s, "b", 0, 0)
	if _, resp := shake(t, s, edgetest.UpgradeRequest("/ws?room=a&token="+token)); resp.StatusCode != http.StatusForbidden {
		t.Errorf("back in: status %d", resp.StatusCode)
	}
}

// TestCountNeedsRights: where everybody needs a token, so does who counts.
func TestCountNeedsRights(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name            string
		auth, anonymous bool
		status          int
	}{{"no tokens", false, false, 200}, {"anonymous too", true, true, 200}, {"tokens only", true, false, 403}} {
		s := edgetest.Start(t, func(c *edge.Config) {
			if x.auth {
				withAuth(t, c)
			}
			c.Anonymous = x.anonymous
		})
		for target, status := range map[string]int{"/count?room=a": x.status, "/count?room=user:ann": 403} {
			_, resp := shake(t, s, "GET "+target+" HTTP/1.1\r\nHost: x\r\n\r\n")
			if resp.StatusCode != status {
				t.Errorf("%s, %s: status %d, want %d", x.name, target, resp.StatusCode, status)
			}
		}
	}
}

// TestChecksGoOnWhileTheStoreHangs: those who bring a token are let in, though all
// who read histories wait.
func TestChecksGoOnWhileTheStoreHangs(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, func(c *edge.Config) { withAuth(t, c) })
	wait, release := b.hold(t, "a", false)
	defer release()
	const each = 20 // within a connection's rate of commands
	var readers []*viewer
	for r := range 2*bounds.AnswerTasks/each + 1 {
		reader := joinJSON(t, s, "/ws?token="+testToken(t, "bob", nil))
		for i := range each {
			reader.Send(frame.Text, fmt.Sprintf(`{"id":%d,"cmd":"history","room":"a","limit":%d}`, i+1, r*each+i+1))
		}
		readers = append(readers, reader)
	}
	wait(bounds.AnswerTasks)
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	okOf(t, c.ask(`{"id":1,"cmd":"ping"}`))
	release()
	for _, reader := range readers {
		for _, v := range reader.answers(each) {
			okOf(t, v)
		}
	}
}

// TestWallClockSteps: how long somebody is kept out does not hang on the wall
// clock once it is known here.
func TestWallClockSteps(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	if err := s.Moderation.DisconnectUser(context.Background(), "ann", "", false, time.Hour); err != nil {
		t.Fatal(err)
	}
	bans := s.Moderation.Bans()
	if len(bans) != 1 || bans[0].User != "ann" {
		t.Fatalf("%+v", bans)
	}
	ban := bans[0]
	if left := time.Until(ban.Until); left < 59*time.Minute || left > time.Hour {
		t.Errorf("%v left", left)
	}
	if ban.Until == ban.Until.Round(0) {
		t.Error("it is kept by the wall clock")
	}
}

// Connections that say by their first message who they are.

package edge_test

import (
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/edge/hooks"
	"barrage/frame"
	"barrage/internal/bounds"
)

// byPassword answers "user:right".
func byPassword(q map[string]any) string {
	user, password, _ := strings.Cut(fmt.Sprint(q["message"]), ":")
	switch {
	case password == "away":
		return "away"
	case password == "expert":
		return fmt.Sprintf(`{"user":%q,"rooms":["live:*"],"join":["live:1","lobby"]}`, user)
	case password == "right":
		return fmt.Sprintf(`{"user":%q,"name":"The %s","join":["live:%s"],"welcome":"Welcome, %s."}`, user, user, user, user)
	}
	return `{"error":{"code":"wrong_password","message":"Wrong, please try again."}}`
}

func startLogins(t *testing.T, cfg hooks.ConnectConfig, change func(*edge.Config)) (*edgetest.Server, *asked) {
	b := newAsked(t, byPassword)
	cfg.URL, cfg.ByMessage = b.URL, true
	return edgetest.StartHooked(t, hooks.Config{Connect: cfg}, change), b
}

// TestRawLogin: a raw connection is in no room and says nothing to one before it has said
// who it is; it may try again, but not for ever.
func TestRawLogin(t *testing.T) {
	t.Parallel()
	s, b := startLogins(t, hooks.ConnectConfig{Tries: 3}, nil)
	c := edgetest.Join(t, s, "/ws?room=lobby")
	edgetest.PublishTo(t, s, "lobby", "not for strangers")
	for range 2 {
		c.Send(frame.Text, "ann:wrong")
		c.Want(frame.Text, "Wrong, please try again.")
	}
	c.Send(frame.Text, "ann:away")
	c.Want(frame.Text, "The backend cannot be asked at present.")
	if n := s.Delivery.Members("lobby"); n != 0 {
		t.Errorf("%d members", n)
	}
	c.Send(frame.Text, "ann:right")
	c.Want(frame.Text, "Welcome, ann.")
	edgetest.WantCount(t, s, "lobby", 1, 1)
	edgetest.WantCount(t, s, "live:ann", 1, 1)
	c.Send(frame.Text, "bob:right") // that is a message now
	c.Want(frame.Text, "bob:right")
	if q := b.questions[0]; q["hook"] != "connect" || q["message"] != "ann:wrong" || q["address"] != "127.0.0.1" || fmt.Sprint(q["rooms"]) != "[lobby]" {
		t.Errorf("asked %v", q)
	}

	guesser := edgetest.Join(t, s, "/ws?room=lobby")
	guesser.Send(frame.Binary, "eve:right")
	guesser.Want(frame.Text, "A login is a text.")
	for range 2 {
		guesser.Send(frame.Text, "eve:wrong")
		guesser.Want(frame.Text, "Wrong, please try again.")
	}
	guesser.WantClose(4202)

	astray := edgetest.Join(t, s, "/ws?room=live:2")
	astray.Send(frame.Text, "dan:expert") // and is put into a room that it may not join
	astray.Want(frame.Text, "The backend's answer makes no sense.")
	roomless := edgetest.Join(t, s, "/ws")
	roomless.Send(frame.Text, "dan:right")
	roomless.Want(frame.Text, "Welcome, dan.")
	edgetest.WantCount(t, s, "live:dan", 1, 1)
}

// TestLoginDeadline: who does not say who it is in time is closed.
func TestLoginDeadline(t *testing.T) {
	t.Parallel()
	s, b := startLogins(t, hooks.ConnectConfig{}, func(c *edge.Config) { c.AuthTimeout = 50 * time.Millisecond })
	edgetest.Join(t, s, "/ws?room=lobby").WantClose(4201)
	edgetest.WaitFor(t, "nothing to be kept", func() bool { return s.Stats().Clients == 0 && s.Stats().Connections == 0 })
	if b.n() != 0 {
		t.Error("the backend was asked")
	}
}

// TestV1Login: the command auth takes a login.
func TestV1Login(t *testing.T) {
	t.Parallel()
	s, _ := startLogins(t, hooks.ConnectConfig{Tries: 2}, nil)
	open := func() (*edgetest.Viewer, func(string) map[string]any) {
		c, _ := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws", v1))
		next := func() (v map[string]any) {
			m, err := c.Next()
			edgetest.Must(t, err)
			edgetest.Must(t, json.Unmarshal([]byte(m.Payload), &v))
			return v
		}
		if v := next(); v["auth"] != "required" {
			t.Fatalf("got %v", v)
		}
		return c, func(command string) map[string]any {
			c.Send(frame.Text, command)
			return next()
		}
	}
	want := func(got map[string]any, want string) {
		t.Helper()
		if text := fmt.Sprint(got); !strings.Contains(text, want) {
			t.Errorf("got %s, want %s", text, want)
		}
	}
	c, ask := open()
	want(ask(`{"id":1,"cmd":"join","room":"lobby"}`), "unauthorized")
	want(ask(`{"id":2,"cmd":"auth","login":"ann:wrong"}`), "code:wrong_password message:Wrong, please try again.")
	want(ask(`{"id":3,"cmd":"auth","login":"ann:away"}`), "code:backend_error")
	want(ask(`{"id":4,"cmd":"auth","login":"ann:right","token":"x"}`), "bad_command")
	want(ask(`{"id":5,"cmd":"auth","login":""}`), "auth needs login")
	want(ask(`{"id":5,"cmd":"auth","login":"ann:right"}`), "message:Welcome, ann. name:The ann user:ann")
	if m, err := c.Next(); err != nil || !strings.Contains(m.Payload, `"push":"joined","room":"live:ann"`) {
		t.Errorf("got %s, %v", m.Payload, err)
	}
	edgetest.WantCount(t, s, "live:ann", 1, 1)
	want(ask(`{"id":6,"cmd":"auth","login":"bob:right"}`), "another user's")
	if users, _ := s.Node.Count("live:ann"); users != 1 {
		t.Errorf("%d users", users)
	}

	c, ask = open()
	want(ask(`{"id":1,"cmd":"auth","login":"eve:1"}`), "wrong_password")
	want(ask(`{"id":2,"cmd":"auth","login":"eve:2"}`), "wrong_password")
	if m, err := c.Next(); err != nil || !strings.Contains(m.Payload, `"push":"bye","code":4202`) {
		t.Errorf("got %s, %v", m.Payload, err)
	}
	c.WantClose(4202)
	edgetest.WaitFor(t, "the reason to be counted", func() bool { return s.Stats().Closed["wrong_logins"] == 1 })
}

// loginAddress is where the viewers of TestUndecided come from, in turn.
func loginAddress(i int) string { return fmt.Sprintf("127.0.7.%d", 1+i%20) }

// TestUndecided: thousands who have not said who they are have no goroutine each, nor those
// whose login waits for the backend; those get in. However many the others are, they guess no
// more than their addresses, a user and a connection may, and keep nobody out elsewhere.
func TestUndecided(t *testing.T) {
	const many, some = 5000, 300 // of them log in
	hold, noon := make(chan struct{}), time.Now()
	b := newAsked(t, func(q map[string]any) string { <-hold; return byPassword(q) })
	s := edgetest.StartHooked(t, hooks.Config{
		Connect: hooks.ConnectConfig{URL: b.URL, ByMessage: true, Timeout: 30 * edgetest.Patience},
		Now:     func() time.Time { return noon }, // all in one minute
	}, func(c *edge.Config) { c.AuthTimeout = time.Hour })
	before := runtime.NumGoroutine()
	join := func(address string) *edgetest.Viewer {
		c, _ := edgetest.ShakeOn(t, from(t, s, address), edgetest.UpgradeRequest("/ws?room=lobby"))
		return c
	}
	viewers := make([]*edgetest.Viewer, many)
	for i := range viewers {
		viewers[i] = join(loginAddress(i))
	}
	if n := runtime.NumGoroutine() - before; n > 50 {
		t.Errorf("%d goroutines more for %d undecided connections", n, many)
	}
	for i, c := range viewers[:some] {
		c.Send(frame.Text, fmt.Sprintf("user%d:right", i))
	}
	edgetest.WaitFor(t, "all to be asked about", func() bool { return s.Config.Hooks.Stats()["connect"].Waiting > some<<10 })
	// 64 requests are under way, each with a few of net/http's and of the backend's.
	if n := runtime.NumGoroutine() - before; n > 1000 {
		t.Errorf("%d goroutines more for %d logins", n, some)
	}
	if n := s.Delivery.Members("lobby"); n != 0 {
		t.Errorf("%d members", n)
	}
	close(hold)
	for i, c := range viewers[:some] {
		c.Want(frame.Text, fmt.Sprintf("Welcome, user%d.", i))
	}
	edgetest.WaitMembers(t, s, "lobby", some)

	// Each of an address guesses once, for a user of its own.
	guessed := func(what string, most int, guess func()) {
		t.Helper()
		before := b.n()
		guess()
		if n := b.n() - before; n < 1 || n > most {
			t.Errorf("%s: %d logins were looked at, want at most %d", what, n, most)
		}
	}
	undecided := viewers[some:]
	addresses := len(distinct(undecided))
	guessed("all addresses", addresses*bounds.AddressLogins, func() {
		var all sync.WaitGroup
		for i := range addresses {
			all.Go(func() {
				for k := i; k < len(undecided); k += addresses {
					wantWrong(t, undecided[k], fmt.Sprintf("nobody%d:wrong", k))
				}
			})
		}
		all.Wait()
	})
	guessed("a user", bounds.UserLogins, func() {
		for i := range 2 * bounds.UserLogins {
			wantWrong(t, join(fmt.Sprintf("127.0.8.%d", i+1)), "victim:wrong")
		}
	})
	guessed("a connection", 5, func() { // connect_tries
		c := join("127.0.9.1")
		for i := range 5 {
			wantWrong(t, c, fmt.Sprintf("other%d:wrong", i))
		}
		c.WantClose(4202)
	})
	c := join("127.0.9.2")
	c.Send(frame.Text, "ann:right")
	c.Want(frame.Text, "Welcome, ann.")
	edgetest.WaitFor(t, "all to be there but who guessed too often", func() bool { return s.Stats().Connections == many+2*bounds.UserLogins+1 })
}

// distinct are the addresses of viewers.
func distinct(viewers []*edgetest.Viewer) map[string]bool {
	all := make(map[string]bool)
	for _, c := range viewers {
		host, _, _ := net.SplitHostPort(c.Conn.LocalAddr().String())
		all[host] = true
	}
	return all
}

// wantWrong makes a wrong login, which is looked at, or one too many.
func wantWrong(t *testing.T, c *edgetest.Viewer, login string) {
	c.Send(frame.Text, login)
	m, err := c.Next()
	if err != nil || m.Payload != "Wrong, please try again." && !strings.HasPrefix(m.Payload, "There were too many wrong logins.") {
		t.Errorf("%s: got %q, %v", login, m.Payload, err)
	}
}

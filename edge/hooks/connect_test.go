package hooks

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"barrage/edge/auth"
	"barrage/internal/bounds"
	"barrage/internal/refusal"
)

// TestQuestion: the backend gets what the settings name and nothing else, signed.
func TestQuestion(t *testing.T) {
	t.Parallel()
	b := newBackend(t, says("{}"))
	h, _ := newHooks(t, Config{Connect: ConnectConfig{URL: b.URL, Headers: []string{"User-Agent", "X-None"}, Cookies: []string{"session", "k_*"}, Query: []string{"key", "void"}}})
	r := request{
		headers: map[string]string{"User-Agent": "a \"browser\"", "Authorization": "secret", "Cookie": `session=s1; other=o; k_1="v 1"; k_2=; bad cookie; session=s2`},
		query:   map[string]string{"key": "k", "other": "x", "void": ""},
	}
	ch := make(chan answered[*Decision], 1)
	if err := h.connect.AskRequest(from(1), r, "tok", []string{"a", "b"}, to(ch)); err != nil {
		t.Fatal(err)
	}
	if d, err := wait(t, ch); err != nil || !reflect.DeepEqual(d, &Decision{}) {
		t.Errorf("got %+v, %v", d, err)
	}
	want := map[string]any{
		"id": "n1-h1", "hook": "connect", "address": "10.0.0.1", "rooms": []any{"a", "b"}, "token": "tok",
		"headers": map[string]any{"User-Agent": "a \"browser\""},
		"cookies": map[string]any{"session": "s1", "k_1": "v 1"},
		"query":   map[string]any{"key": "k"},
	}
	if got := b.last(); !reflect.DeepEqual(got, want) {
		t.Errorf("asked\n%v, want\n%v", got, want)
	}
	if !strings.HasPrefix(b.bodies[0], "t=") || !strings.Contains(b.bodies[0], ",v1=") {
		t.Errorf("it is not signed: %s", b.bodies[0])
	}
}

// TestDecision: what a backend may say.
func TestDecision(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	all := auth.Patterns{"*"}
	for answer, want := range map[string]Decision{
		"":   {},
		"{}": {},
		"\ufeff{\"user\":null,\"later\":{\"x\":[1]},\"USER\":\"eve\"}": {},
		`{"welcome":"hi","join":["a"]}`:                                {Welcome: "hi", Join: []string{"a"}},
		`{"user":"ann"}`:                                               {Identity: &auth.Identity{User: "ann", Rooms: all, Publish: all, Direct: all}},
		`{"user":4711,"name":null}`:                                    {Identity: &auth.Identity{User: "4711", Rooms: all, Publish: all, Direct: all}},
		`{"rooms":["live:*"],"pub":false}`:                             {Identity: &auth.Identity{Rooms: auth.Patterns{"live:*"}, Direct: all}},
		`{"user":"ann","pub":true,"join":["user:ann"]}`:                {Identity: &auth.Identity{User: "ann", Rooms: all, Publish: all, Direct: all}, Join: []string{"user:ann"}},
		`{"user":"ann","device":"phone"}`:                              {Identity: &auth.Identity{User: "ann", Device: "phone", Rooms: all, Publish: all, Direct: all}},
		// Names have one form.
		`{"user":"re\u0301mi","rooms":["e\u0301:*"],"dm":[],"join":["e\u0301:1"]}`: {
			Identity: &auth.Identity{User: "r\u00e9mi", Rooms: auth.Patterns{"\u00e9:*"}, Publish: all, Direct: auth.Patterns{}}, Join: []string{"\u00e9:1"},
		},
		fmt.Sprintf(`{"user":"ann","name":"Ann","avatar":"https://a.example/a.png","rooms":["a","b:*"],"pub":["a"],"dm":["bob"],"expires":%d.0}`, soon.UnixMilli()): {
			Identity: &auth.Identity{User: "ann", Name: "Ann", Avatar: "https://a.example/a.png", Rooms: auth.Patterns{"a", "b:*"}, Publish: auth.Patterns{"a"}, Direct: auth.Patterns{"bob"}, Expires: soon},
		},
	} {
		b := newBackend(t, says(answer))
		h, log := newHooks(t, Config{Connect: ConnectConfig{URL: b.URL}})
		d, err := h.login(t, from(1), "x")
		if err != nil || !reflect.DeepEqual(d, &want) {
			t.Errorf("%s: got %+v, %v, want %+v; %s", answer, d, err, want, log)
		}
	}
	b := newBackend(t, says(`{"error":{"code":"wrong_password","message":"Try again, please."}}`))
	h, log := newHooks(t, Config{Connect: ConnectConfig{URL: b.URL}})
	_, err := h.login(t, from(1), "ann:x")
	var denied *Denied
	if no := refusal.Of(err); !errors.As(err, &denied) || denied.Kind != KindConnect || no.Code() != "wrong_password" || no.Error() != "Try again, please." || no.HTTPStatus() != 403 {
		t.Errorf("got %#v", err)
	}
	if log.String() != "" {
		t.Errorf("a refusal is no failure: %s", log)
	}
}

// TestLast: while the backend is away an equal question is answered as it was last, for as
// long as that is good; what was refused meanwhile is not.
func TestLast(t *testing.T) {
	t.Parallel()
	var c clock
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {})
	h, _ := newHooks(t, Config{Connect: ConnectConfig{URL: b.URL, Away: AwayLast, Cookies: []string{"s"}}, Now: c.Now})
	answers := func(until time.Duration) { // who is asked for says who it is
		b.set(func(w http.ResponseWriter, r *http.Request) {
			user := b.last()["cookies"].(map[string]any)["s"]
			fmt.Fprintf(w, `{"user":%q,"expires":%d}`, user, c.Now().Add(until).UnixMilli())
		})
	}
	with := func(who int, session string) string {
		d, err := h.byRequest(t, from(who), request{headers: map[string]string{"Cookie": "s=" + session}})
		if err != nil {
			return refusal.Of(err).Code()
		}
		return d.Identity.User
	}
	const away = "backend_error"
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	answers(time.Minute)
	want("ann comes", with(1, "ann"), "ann")
	answers(24 * time.Hour)
	want("bob comes", with(1, "bob"), "bob")
	b.set(status(503))
	want("ann again", with(1, "ann"), "ann")
	want("from elsewhere", with(2, "ann"), away)
	want("a stranger", with(1, "eve"), away)
	c.advance(time.Minute)
	want("ann's time is over", with(1, "ann"), away)
	want("bob's is not", with(1, "bob"), "bob")
	c.advance(bounds.LastTime - time.Minute)
	want("an hour later", with(1, "bob"), away)
	answers(24 * time.Hour)
	c.advance(restFor)
	want("bob comes again", with(1, "bob"), "bob")
	b.set(says(`{"error":{"code":"banned"}}`))
	want("bob is refused", with(1, "bob"), "banned")
	b.set(status(503))
	want("and is not let in later", with(1, "bob"), away)
	if got := h.Stats()["connect"].Results["excused"]; got != 2 {
		t.Errorf("%d were let in without an answer", got)
	}
}

// TestLastForgets: what is remembered has a bound, of which nobody has more than they leave
// free, and goes when it is over.
func TestLastForgets(t *testing.T) {
	t.Parallel()
	var c clock
	l := newLast(c.Now)
	key := func(n int) (k [32]byte) { k[0], k[1], k[2] = byte(n), byte(n>>8), byte(n>>16); return k }
	d := &Decision{}
	for n := range bounds.LastAnswers {
		l.remember(key(n), from(1).Address, d)
	}
	if len(l.known) != bounds.LastAnswers/2 {
		t.Errorf("one address has %d answers", len(l.known))
	}
	l.remember(key(bounds.LastAnswers), from(2).Address, d)
	if l.find(key(bounds.LastAnswers)) == nil {
		t.Error("another address has none")
	}
	c.advance(bounds.LastTime)
	l.remember(key(1), from(2).Address, d)
	if len(l.known) != 1 || l.slots.Used() != 1 {
		t.Errorf("%d answers after their time, %d places", len(l.known), l.slots.Used())
	}
}

// TestGuesses: wrong logins have bounds by address and by user; right ones do not count,
// nor does a backend that is away.
func TestGuesses(t *testing.T) {
	t.Parallel()
	var c clock
	b := newBackend(t, nil)
	no, yes := says(`{"error":{"code":"no"}}`), says(`{"user":"ann"}`)
	h, _ := newHooks(t, Config{Connect: ConnectConfig{URL: b.URL}, Now: c.Now})
	code := func(who Who, message string) string {
		_, err := h.login(t, who, message)
		if err == nil {
			return ""
		}
		return refusal.Of(err).Code()
	}
	b.set(yes)
	for range 2 * bounds.AddressLogins {
		if got := code(from(1), "ann:right"); got != "" {
			t.Fatalf("a right login: %s", got)
		}
	}
	b.set(no)
	n := 0
	for code(from(n), "ann:wrong") == "no" {
		n++
	}
	if n != bounds.UserLogins {
		t.Errorf("%d guesses of a user, each from another address", n)
	}
	for n = 0; code(from(1000), fmt.Sprintf("user-%d:x", n)) == "no"; n++ {
	}
	if n != bounds.AddressLogins {
		t.Errorf("%d guesses from an address, each of another user", n)
	}
	asked := b.asked.Load()
	if _, err := h.login(t, from(1000), "bob:x"); refusal.Of(err).RetryAfter() < time.Minute || b.asked.Load() != asked {
		t.Errorf("got %v", err)
	}
	b.set(yes)
	c.advance(time.Minute)
	if got := code(from(1000), "ann:right"); got != "" {
		t.Errorf("a minute later: %s", got)
	}
	b.set(status(500))
	for range 2 * bounds.UserLogins {
		_ = code(from(1), "ann:x")
	}
	c.advance(restFor)
	b.set(yes)
	if got := code(from(1), "ann:right"); got != "" {
		t.Errorf("after the backend was away: %s", got)
	}
	if got := code(from(1), strings.Repeat("x", bounds.LoginBytes+1)); got != "too_big" {
		t.Errorf("a long login: %s", got)
	}
}

// TestGuessesOfManyNames: names by the thousand neither make the table grow nor take
// anybody else's tries, but for the few whose place they share.
func TestGuessesOfManyNames(t *testing.T) {
	t.Parallel()
	var c clock
	g := newGuesses(c.Now)
	addr := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{1, byte(n >> 16), byte(n >> 8), byte(n)}) }
	for n := range 20_000 {
		g.wrong(addr(n), fmt.Sprint("user", n))
	}
	refused := 0
	for n := range 1000 {
		if g.check(addr(1<<20+n), fmt.Sprint("other", n)) != nil {
			refused++
		}
	}
	if refused > 50 {
		t.Errorf("%d of 1000 others are refused", refused)
	}
	c.advance(time.Minute)
	g.wrong(addr(0), "x")
	for i := range g.user {
		if g.user[i] > 1 || g.address[i] > 1 {
			t.Fatalf("slot %d has %d and %d", i, g.user[i], g.address[i])
		}
	}
}

// TestGuessesAtOnce: any number of logins at the same time are asked about, in turn; of wrong
// ones no more than so many, and those that are under way at the moment.
func TestGuessesAtOnce(t *testing.T) {
	t.Parallel()
	const concurrent, many = 4, 500
	var c clock
	answer := says(`{"user":"ann"}`)
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) { answer(w, r) })
	h, _ := newHooks(t, Config{Connect: ConnectConfig{URL: b.URL, Timeout: patience}, Concurrent: concurrent, Now: c.Now})
	all := func() (allowed int64) {
		ch := make(chan answered[*Decision], many)
		for n := range many {
			h.connect.AskMessage(from(1), fmt.Sprintf("ann:%d", n), nil, to(ch))
		}
		for range many {
			if _, err := wait(t, ch); err == nil {
				allowed++
			}
		}
		return allowed
	}
	if n := all(); n != many {
		t.Errorf("%d of %d right logins", n, many)
	}
	answer = says(`{"error":{"code":"no"}}`)
	before := b.asked.Load()
	if n, asked := all(), b.asked.Load()-before; n != 0 || asked < bounds.UserLogins || asked > bounds.UserLogins+concurrent {
		t.Errorf("%d wrong logins were asked about", asked)
	}
}

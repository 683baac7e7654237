// The hook that says whose a connection is.

package hooks

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"barrage/edge/events"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/limits"
	"barrage/internal/refusal"
)

// ConnectConfig says who is asked for whose connections are, and by what.
type ConnectConfig struct {
	URL       string // "": nobody
	ByMessage bool   // by the connection's first message, instead of its request
	// Of a request, what the backend gets. A pattern has * for any bytes.
	Headers []string      // names
	Cookies []string      // patterns of names
	Query   []string      // names of parameters
	Tries   int           // wrong messages of a connection, at most (default 5)
	Timeout time.Duration // default 5s
	Away    string        // AwayRefuse (default), AwayAnonymous or AwayLast
}

func (c *ConnectConfig) setDefaults() {
	c.Tries = cmp.Or(c.Tries, 5)
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	c.Away = cmp.Or(c.Away, AwayRefuse)
}

func (c *ConnectConfig) check() error {
	if c.URL == "" {
		return nil
	}
	var errs []error
	if err := events.CheckURL(c.URL); err != nil {
		errs = append(errs, fmt.Errorf("hooks: Connect: URL: %w", err))
	}
	if !slices.Contains([]string{AwayRefuse, AwayAnonymous, AwayLast}, c.Away) {
		errs = append(errs, fmt.Errorf("hooks: Connect: Away is %q, want %s, %s or %s", c.Away, AwayRefuse, AwayAnonymous, AwayLast))
	}
	return errors.Join(append(errs, limits.AtLeast("hooks: Connect: Tries", c.Tries, 1), limits.AtLeast("hooks: Connect: Timeout", c.Timeout, time.Millisecond))...)
}

// Connect asks a backend whose connections are.
type Connect struct {
	ConnectConfig
	hooks   *Hooks
	url     *url
	last    *last // nil: no answers are remembered
	guesses *guesses
	secret  [16]byte // so that what is remembered is no table of passwords
}

func newConnect(h *Hooks, u *url) *Connect {
	c := &Connect{ConnectConfig: h.cfg.Connect, hooks: h, url: u, guesses: newGuesses(h.cfg.Now)}
	if c.Away == AwayLast {
		c.last = newLast(h.cfg.Now)
	}
	_, _ = rand.Read(c.secret[:]) // never fails
	return c
}

// Longest is how long an answer may take.
func (c *Connect) Longest() time.Duration { return 2 * c.Timeout }

// Request is what a connection's request has.
type Request interface {
	Header(name string) string
	Query(key string) ([]string, error)
}

// question is the JSON of one about a connection.
type question struct {
	Hook    string            `json:"hook"`
	Address string            `json:"address,omitempty"`
	Rooms   []string          `json:"rooms,omitempty"`
	Token   string            `json:"token,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Cookies map[string]string `json:"cookies,omitempty"`
	Query   map[string]string `json:"query,omitempty"`
	Message string            `json:"message,omitempty"`
}

// AskRequest asks by a request, that may have a token of the backend's own. The error is a
// *Denied, or another with a refusal.
func (c *Connect) AskRequest(who Who, r Request, token string, rooms []string, done func(*Decision, error)) error {
	q := question{Rooms: rooms, Token: token, Headers: map[string]string{}, Query: map[string]string{}}
	for _, name := range c.Headers {
		q.Headers[name] = r.Header(name)
	}
	for _, name := range c.Query {
		values, err := r.Query(name)
		if err != nil {
			return err
		}
		if len(values) > 0 {
			q.Query[name] = values[0]
		}
	}
	if len(c.Cookies) > 0 {
		q.Cookies = c.cookies(r.Header("Cookie"))
	}
	for _, named := range []map[string]string{q.Headers, q.Query, q.Cookies} {
		maps.DeleteFunc(named, func(_, v string) bool { return v == "" })
	}
	c.ask(who, q, nil, done)
	return nil
}

// cookies are those of a header that the backend gets, the first of a name.
func (c *Connect) cookies(header string) map[string]string {
	all := map[string]string{}
	r := http.Request{Header: http.Header{"Cookie": {header}}}
	for _, cookie := range r.Cookies() {
		if _, there := all[cookie.Name]; !there && slices.ContainsFunc(c.Cookies, func(p string) bool { return matches(p, cookie.Name) }) {
			all[cookie.Name] = cookie.Value
		}
	}
	return all
}

// AskMessage asks by a message, such as "user:password". Of those that the backend refuses
// there may be some a minute, for each address and for each user that is named before the
// first colon.
func (c *Connect) AskMessage(who Who, message string, rooms []string, done func(*Decision, error)) {
	if len(message) > bounds.LoginBytes {
		c.hooks.count(KindConnect, Guessed)
		done(nil, refusal.New(http.StatusRequestEntityTooLarge, "too_big", fmt.Sprintf("a login may have %d bytes", bounds.LoginBytes)))
		return
	}
	user, _, named := strings.Cut(message, ":")
	if !named {
		user = "" // a key or the like: it names nobody
	}
	user = broker.Normal(user) // another form of a name is no other user
	who.User = user
	// Both now and when it is its turn: by then others may have been wrong.
	gate := func() error { return c.guesses.check(who.Address, user) }
	if err := gate(); err != nil {
		c.hooks.count(KindConnect, Guessed)
		done(nil, err)
		return
	}
	c.ask(who, question{Message: message, Rooms: rooms}, gate, func(d *Decision, err error) {
		if _, denied := errors.AsType[*Denied](err); denied {
			c.guesses.wrong(who.Address, user)
		}
		done(d, err)
	})
}

// ask asks, if gate, which may be nil, says nothing against it when it is the question's turn.
func (c *Connect) ask(who Who, q question, gate func() error, done func(*Decision, error)) {
	q.Hook = KindConnect.String()
	if who.Address.IsValid() {
		q.Address = who.Address.String()
	}
	body := marshal(q)
	c.url.ask(who, body, true, gate, func(answer any, err error) {
		d, result, err := c.decide(who, body, answer, err)
		c.hooks.count(KindConnect, result)
		done(d, err)
	})
}

// decide is what comes of an answer, or of its absence.
func (c *Connect) decide(who Who, body []byte, answer any, err error) (*Decision, Result, error) {
	result := Allowed
	if err != nil {
		result = resultOf(err)
	}
	d, _ := answer.(*Decision)
	switch {
	case c.last != nil && result == Allowed:
		c.last.remember(c.key(body), who.Address, d)
	case c.last != nil && result == Refused:
		c.last.forget(c.key(body))
	}
	switch {
	case result == Allowed:
		return d.inTime(c.hooks.cfg.Now())
	case result != Away || c.Away == AwayRefuse:
		return nil, result, err
	case c.Away == AwayAnonymous:
		return &Decision{}, Excused, nil
	}
	if d := c.last.find(c.key(body)); d != nil {
		return d, Excused, nil
	}
	return nil, result, err
}

var errOver = failed(errors.New("the answer's expires is over already"))

// inTime refuses what has ended before it has begun.
func (d *Decision) inTime(now time.Time) (*Decision, Result, error) {
	if d.Identity != nil && !d.Identity.Expires.IsZero() && !d.Identity.Expires.After(now) {
		return nil, Failed, errOver
	}
	return d, Allowed, nil
}

func (c *Connect) key(body []byte) [sha256.Size]byte {
	return sha256.Sum256(append(c.secret[:len(c.secret):len(c.secret)], body...))
}

func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts, and JSON that was checked
	}
	return text
}

// Asking a URL: equal questions are asked once, in turn, and not while it is away.

package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"barrage/edge/events"
	"barrage/internal/fair"
	"barrage/internal/outbound"
	"barrage/internal/refusal"
	"barrage/internal/workers"
)

// maxAnswer bounds an answer, but for the payload of a message.
const maxAnswer = 64 << 10

// retryAway is when a refusal for the sake of a backend that is away may be tried again.
const retryAway = 2 * time.Second

// What clients are told. It names no host.
var (
	errAway       = refusal.Retry(http.StatusServiceUnavailable, events.CodeBackend, "The backend cannot be asked at present.", retryAway)
	errFailed     = refusal.New(http.StatusBadGateway, events.CodeBadReply, "The backend's answer makes no sense.")
	errOverloaded = refusal.Retry(http.StatusServiceUnavailable, events.CodeOverloaded, "Too many questions to the backend are under way.", time.Second)
)

// Who asks: for whom a question counts, and whose turn it is.
type Who struct {
	User    string     // "" is nobody
	Key     string     // name of the key that it has, "" for none
	Address netip.Addr // as far as it counts as one
	Conn    uint64     // names the connection
}

// Denied is a backend's own refusal, with a [refusal.Error].
type Denied struct {
	Kind Kind // of what it refuses
	no   *refusal.Error
}

// Error is the backend's sentence for people.
func (d *Denied) Error() string { return d.no.Error() }

// Unwrap returns the refusal.
func (d *Denied) Unwrap() error { return d.no }

// failure is why there is no answer: Away, Failed or Overloaded.
type failure struct {
	result Result
	no     *refusal.Error
	status int   // of the answer, if that is the reason
	cause  error // for the log
}

func (f *failure) Error() string { return f.no.Error() }
func (f *failure) Unwrap() error { return f.no }

func away(cause error) *failure { return &failure{result: Away, no: errAway, cause: cause} }

func failed(cause error) *failure { return &failure{result: Failed, no: errFailed, cause: cause} }

var overloaded = &failure{result: Overloaded, no: errOverloaded}

// resultOf is what became of a question that was answered with an error.
func resultOf(err error) Result {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.result
	}
	return Refused
}

// url is one that is asked about one kind of things, in rooms that fit its pattern.
type url struct {
	// Fixed.
	hooks   *Hooks
	kind    Kind
	pattern string
	url     string
	timeout time.Duration                  // from the question, its wait for a turn included
	parse   func(text []byte) (any, error) // of an answer; nil text: it has none. A *Denied is one, too
	client  *events.Client
	pool    *workers.Pool
	breaker breaker

	mu      sync.Mutex                    // guards what follows; under it only the pool is given a task
	waiting map[string][]func(any, error) // who waits for an answer, by question
}

var errResting = errors.New("it has failed several times in a row, and is left alone for a while")

// ask asks. question is a JSON object without an id; once has equal ones asked once; gate, if
// there is one, may refuse it when it is its turn. done gets what parse made of the answer,
// or a *Denied, or a *failure.
func (u *url) ask(who Who, question []byte, once bool, gate func() error, done func(any, error)) {
	if u.breaker.refuses() {
		done(nil, away(errResting))
		return
	}
	size := questionCost + len(question)
	if !u.hooks.slots.Take(size, u, who.User, who.Address) {
		done(nil, overloaded)
		return
	}
	give := func() { u.hooks.slots.Give(size, u, who.User, who.Address) }
	switch first, ok := u.enqueue(who, question, once, done, func(turn context.Context) (any, error) {
		defer give()
		return u.answer(turn, question, gate)
	}); {
	case !ok:
		give()
		done(nil, overloaded)
	case !first:
		give() // the one who asked first pays
	}
}

// enqueue has a question asked in its turn, or adds to those who wait for its answer;
// first tells which.
func (u *url) enqueue(who Who, question []byte, once bool, done func(any, error), answer func(context.Context) (any, error)) (first, ok bool) {
	key := string(question)
	u.mu.Lock()
	defer u.mu.Unlock()
	if once {
		if all, under := u.waiting[key]; under {
			u.waiting[key] = append(all, done)
			return false, true
		}
	}
	task := func(turn context.Context) int {
		said, err := answer(turn)
		if once {
			u.tell(key, said, err)
		} else {
			done(said, err)
		}
		return 0
	}
	if !u.pool.TryFor(u.timeout, 0, fair.Payer{Address: who.Address, Conn: who.Conn}, task) {
		return true, false
	}
	if once {
		u.waiting[key] = []func(any, error){done}
	}
	return true, true
}

// tell gives an answer to all who wait for it.
func (u *url) tell(key string, answer any, err error) {
	u.mu.Lock()
	all := u.waiting[key]
	delete(u.waiting, key)
	u.mu.Unlock()
	for _, done := range all {
		done(answer, err)
	}
}

// answer asks, on a goroutine of the pool. A request has all its time, however long it
// waited for its turn: else who asks so much that their questions come late could make the
// backend look as if it were away.
func (u *url) answer(turn context.Context, question []byte, gate func() error) (any, error) {
	if turn.Err() != nil {
		return nil, overloaded
	}
	if gate != nil {
		if err := gate(); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), u.timeout)
	defer cancel()
	if !u.breaker.take() {
		return nil, away(errResting)
	}
	c, began := &u.hooks.counters[u.kind], time.Now()
	c.requests.Add(1)
	text, failure := u.post(ctx, question)
	c.observe(time.Since(began))
	u.tellBreaker(failure == nil || failure.result != Away)
	if failure == nil {
		answer, err := u.parse(text)
		if err == nil {
			return answer, nil
		}
		if denied, ok := errors.AsType[*Denied](err); ok {
			denied.Kind = u.kind
			return nil, denied
		}
		failure = failed(err)
	}
	u.log(failure)
	return nil, failure
}

func (u *url) tellBreaker(answered bool) {
	opened, closed := u.breaker.done(answered)
	at := []any{"hook", u.kind.String(), "url", outbound.Redacted(u.url)}
	switch {
	case opened:
		u.hooks.cfg.Logger.Warn("a backend is away, and is not asked for a while", append(at, "rest", restFor)...)
	case closed:
		u.hooks.cfg.Logger.Info("a backend answers again", at...)
	}
}

// log writes what went wrong: no question, nor what was answered to it, as both may have
// passwords in them.
func (u *url) log(f *failure) {
	args := []any{"hook", u.kind.String(), "url", outbound.Redacted(u.url), "result", f.result.String()}
	if u.pattern != "" {
		args = append(args, "rooms", u.pattern)
	}
	if f.status != 0 {
		args = append(args, "status", f.status)
	}
	if f.cause != nil {
		args = append(args, "error", f.cause)
	}
	u.hooks.log.WarnOf(f.result.String()+u.kind.String()+u.pattern, "a hook was not answered", args...)
}

// post sends a question and returns the body of its answer, nil for none.
func (u *url) post(ctx context.Context, question []byte) ([]byte, *failure) {
	id := fmt.Appendf(nil, `{"id":%q,`, u.hooks.id())
	resp, err := u.client.Post(ctx, u.url, append(id, question[1:]...), true)
	if err != nil {
		return nil, away(outbound.Cause(err))
	}
	defer resp.Body.Close()
	switch most := u.maxAnswer(); {
	case resp.StatusCode >= 500:
		return nil, &failure{result: Away, no: errAway, status: resp.StatusCode}
	case resp.StatusCode/100 != 2:
		return nil, &failure{result: Failed, no: errFailed, status: resp.StatusCode}
	default:
		text, err := io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
		switch {
		case len(text) > most:
			return nil, failed(fmt.Errorf("the answer has more than %d bytes", most))
		case err != nil:
			return nil, away(err)
		}
		return bytes.TrimSpace(text), nil
	}
}

func (u *url) maxAnswer() int {
	if u.kind == KindPublish {
		return maxAnswer + 2*u.hooks.cfg.MaxPublish // as \u5f39, or base64
	}
	return maxAnswer
}

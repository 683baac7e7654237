// Checking tokens for event loops, which must not wait.

package auth

import (
	"context"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"barrage/edge/auth/keyring"
	"barrage/internal/bounds"
	"barrage/internal/fair"
	"barrage/internal/refusal"
	"barrage/internal/workers"
)

// guesses is how many wrong keys an address may bring in a minute: after them all of its
// keys are refused unseen, until the minute is over.
const guesses = 30

// Checker checks tokens, and keys that stand where tokens may, on goroutines of its own.
// Its methods may be called from any goroutine.
type Checker struct {
	verifier    *Verifier     // nil: there are only keys
	ring        *keyring.Ring // nil: there are only tokens
	start       time.Time
	wrongKeys   *fair.Minute
	pool        *workers.Pool
	jwksWaiters chan struct{} // one for each token that waits for the issuer's keys

	accepted, refused atomic.Uint64
}

// NewChecker returns a Checker for a Verifier's tokens and a Ring's keys, of which either
// may be nil. It is to be closed.
func NewChecker(v *Verifier, r *keyring.Ring) *Checker {
	return &Checker{
		verifier: v, ring: r, start: time.Now(), wrongKeys: fair.NewMinute(guesses),
		pool: workers.New(bounds.TokenChecks, 0, 1), jwksWaiters: make(chan struct{}, bounds.KeyWaiters),
	}
}

// Check checks a token for who brings it and calls answer, on another goroutine. It
// returns false if too many are being checked.
func (c *Checker) Check(who fair.Payer, token string, answer func(*Identity, error)) bool {
	return c.pool.Try(0, who, func(context.Context) int {
		if c.verifier == nil || c.ring != nil && keyring.Is(token) {
			ident, err := c.key(who.Address, token)
			c.answer(ident, err, answer)
		} else {
			c.check(token, answer)
		}
		return 0
	})
}

// key is the identity of whoever has a key.
func (c *Checker) key(from netip.Addr, text string) (*Identity, error) {
	now := time.Now()
	if wait := c.wrongKeys.Left(from, now.Sub(c.start)); wait > 0 {
		return nil, refusal.TooMany(CodeGuesses, "too many wrong keys came from this address", wait)
	}
	k := c.ring.Find(text)
	switch {
	case k == nil:
		c.wrongKeys.Take(from, now.Sub(c.start))
		return nil, invalid("this is no key that is known here, nor a token")
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return nil, refuse(CodeExpired, "the key has expired")
	}
	ident := &Identity{Key: k, Serve: k.Serve, Expires: k.Expires}
	if k.Subscribe {
		ident.Rooms = k.Rooms
	}
	if k.Publish {
		ident.Publish = k.Rooms
	}
	return ident, nil
}

func (c *Checker) check(token string, answer func(*Identity, error)) {
	ident, done, err := c.verifier.TryVerify(token)
	if done {
		c.answer(&ident, err, answer)
		return
	}
	select {
	case c.jwksWaiters <- struct{}{}:
	default:
		c.answer(nil, refusal.Retry(http.StatusServiceUnavailable, CodeUnavailable, "the issuer's keys are being read", time.Second), answer)
		return
	}
	go func() { // ends with bounds.Patience at the latest
		defer func() { <-c.jwksWaiters }()
		ctx, cancel := context.WithTimeout(context.Background(), bounds.Patience)
		defer cancel()
		ident, err := c.verifier.Verify(ctx, token)
		c.answer(&ident, err, answer)
	}()
}

func (c *Checker) answer(ident *Identity, err error, answer func(*Identity, error)) {
	if err != nil {
		c.refused.Add(1)
		answer(nil, err)
		return
	}
	c.accepted.Add(1)
	answer(ident, nil)
}

// Checked is how many tokens were checked, by result.
func (c *Checker) Checked() map[string]uint64 {
	return map[string]uint64{"accepted": c.accepted.Load(), "refused": c.refused.Load()}
}

// Close waits for the checks under way.
func (c *Checker) Close() { c.pool.Close() }

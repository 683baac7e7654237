// Checking tokens for event loops, which must not wait.

package auth

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/fair"
	"barrage/internal/refusal"
	"barrage/internal/workers"
)

// Checker checks tokens on goroutines of its own. Its methods may be called from any
// goroutine.
type Checker struct {
	verifier    *Verifier
	pool        *workers.Pool
	jwksWaiters chan struct{} // one for each token that waits for the issuer's keys

	accepted, refused atomic.Uint64
}

// NewChecker returns a Checker for a Verifier's tokens. It is to be closed.
func NewChecker(v *Verifier) *Checker {
	return &Checker{verifier: v, pool: workers.New(bounds.TokenChecks, 0, 1), jwksWaiters: make(chan struct{}, bounds.KeyWaiters)}
}

// Check checks a token for who brings it and calls answer, on another goroutine. It
// returns false if too many are being checked.
func (c *Checker) Check(who fair.Payer, token string, answer func(*Identity, error)) bool {
	return c.pool.Try(0, who, func(context.Context) int {
		c.check(token, answer)
		return 0
	})
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

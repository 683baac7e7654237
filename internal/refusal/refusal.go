// Package refusal is how every part of the server says no: to a command, a publish,
// a handshake or a request of the HTTP API. A refusal has a stable code for
// programs, a sentence for people, the HTTP status that it maps to, and the time
// after which it may be tried again.
package refusal

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"
)

// Error is a refusal. It is immutable.
type Error struct {
	status  int
	code    string
	message string
	retry   time.Duration
}

// New returns a refusal that repeating will not overcome.
func New(status int, code, message string) *Error { return &Error{status, code, message, 0} }

// Retry returns a refusal that may be overcome by repeating what was refused after
// wait. A wait of nearly nothing counts as a millisecond.
func Retry(status int, code, message string, wait time.Duration) *Error {
	return &Error{status, code, message, max(wait, time.Millisecond)}
}

// TooMany is Retry with the status of who asks too often.
func TooMany(code, message string, wait time.Duration) *Error {
	return Retry(http.StatusTooManyRequests, code, message, wait)
}

// Error returns the sentence for people, clients among them.
func (e *Error) Error() string { return e.message }

// Code returns the stable code for programs.
func (e *Error) Code() string { return e.code }

// HTTPStatus returns the status of the response.
func (e *Error) HTTPStatus() int { return e.status }

// mostSpread bounds how much longer than it must somebody is told to wait.
const mostSpread = 10 * time.Second

// RetryAfter returns when to try again; 0 if that will not help. Each time it is another
// one, up to twice the wait, so that those who are refused together do not come back
// together.
func (e *Error) RetryAfter() time.Duration {
	if e.retry == 0 {
		return 0
	}
	return e.retry + rand.N(min(e.retry, mostSpread))
}

// RetrySeconds is RetryAfter in whole seconds, which are spread over two at least.
func (e *Error) RetrySeconds() int {
	if e.retry == 0 {
		return 0
	}
	least := int((e.retry + time.Second - 1) / time.Second)
	return least + rand.IntN(1+min(max(least, 2), int(mostSpread/time.Second)))
}

// Of returns the refusal in err's chain, nil if there is none.
func Of(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}

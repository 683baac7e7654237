// Package refusal is how every part of the server says no: to a command, a publish,
// a handshake or a request of the HTTP API. A refusal has a stable code for
// programs, a sentence for people, the HTTP status that it maps to, and the time
// after which it may be tried again.
package refusal

import (
	"errors"
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

// RetryAfter returns when it may be tried again; 0 if that will not help.
func (e *Error) RetryAfter() time.Duration { return e.retry }

// Of returns the refusal in err's chain, nil if there is none.
func Of(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}

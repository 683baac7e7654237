// The rules for room names: the one place where they are written.

package edge

import (
	"fmt"
	"strings"
	"time"
)

// MaxRoomName is the longest room name in bytes.
const MaxRoomName = 128

// userPrefix begins the rooms of single users, which only they may join.
const userPrefix = "user:"

// CheckRoom tells whether name may be a room's: 1 to MaxRoomName ASCII letters,
// digits and any of "_.:@-", beginning with a letter or digit. So a name means
// the same in a URL, a Redis channel or pattern, and a log line.
func CheckRoom(name string) error {
	if len(name) == 0 || len(name) > MaxRoomName {
		return refuse(400, "bad_room", fmt.Sprintf("room name has %d bytes, want 1 to %d", len(name), MaxRoomName))
	}
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			continue
		}
		if i == 0 || !strings.ContainsRune("_.:@-", rune(c)) {
			return refuse(400, "bad_room", fmt.Sprintf("room name has byte %q at %d, want letters, digits and _.:@- after a first letter or digit", c, i))
		}
	}
	return nil
}

// Error is a refusal with a stable code and the HTTP status it maps to.
type Error struct {
	status  int
	code    string
	message string
	retry   time.Duration // 0: repeating it will not help
}

func refuse(status int, code, message string) *Error {
	return &Error{status: status, code: code, message: message}
}

// Error returns the sentence for people, the clients of the API among them.
func (e *Error) Error() string { return e.message }

// Code returns the stable code for programs.
func (e *Error) Code() string { return e.code }

// HTTPStatus returns the status of the response.
func (e *Error) HTTPStatus() int { return e.status }

// RetryAfter returns when it may be tried again; 0 if that will not help.
func (e *Error) RetryAfter() time.Duration { return e.retry }

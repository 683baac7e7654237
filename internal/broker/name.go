// Names of rooms and users: the one place where their rules and limits are written.

package broker

import (
	"fmt"
	"net/http"
	"strings"

	"barrage/internal/refusal"
)

// Limits of what people and programs may name, in bytes. They are the same in
// tokens, commands and the HTTP API.
const (
	MaxRoomName = 128
	MaxUserID   = MaxRoomName - len(UserPrefix)
	MaxName     = 128  // a nickname
	MaxAvatar   = 1024 // a URL
	MaxKind     = 64   // of a message
	MaxKey      = 128  // an idempotency key
)

// UserPrefix begins the rooms of single users, which only they may join.
const UserPrefix = "user:"

// UserRoom is the room of a user.
func UserRoom(user string) string { return UserPrefix + user }

// UserOf is the user whose room it is; ok is false for any other room.
func UserOf(room string) (user string, ok bool) { return strings.CutPrefix(room, UserPrefix) }

// CheckRoom tells whether name may be a room's: 1 to MaxRoomName ASCII letters,
// digits and any of "_.:@-", beginning with a letter or digit. So a name means
// the same in a URL, a Redis channel or pattern, and a log line. What is wrong is a
// [refusal.Error] with the code bad_room.
func CheckRoom(name string) error {
	if len(name) == 0 || len(name) > MaxRoomName {
		return refusal.New(http.StatusBadRequest, "bad_room", fmt.Sprintf("room name has %d bytes, want 1 to %d", len(name), MaxRoomName))
	}
	if i := badByte(name, ""); i >= 0 {
		return refusal.New(http.StatusBadRequest, "bad_room", fmt.Sprintf("room name has byte %q at %d, want letters, digits and _.:@- after a first letter or digit", name[i], i))
	}
	return nil
}

// CheckUser tells whether id may be a user's: what may be a room's name, alone and
// behind UserPrefix, but does not begin so. What is wrong is a [refusal.Error] with
// the code bad_user.
func CheckUser(id string) error {
	if strings.HasPrefix(id, UserPrefix) {
		return refusal.New(http.StatusBadRequest, "bad_user", "the user's id begins with "+UserPrefix)
	}
	if CheckRoom(id) != nil || len(id) > MaxUserID {
		return refusal.New(http.StatusBadRequest, "bad_user", fmt.Sprintf("a user's id has 1 to %d letters, digits and _.:@- after a first letter or digit", MaxUserID))
	}
	return nil
}

// CheckPattern tells whether a pattern (see [Match]) may be one of rooms' names:
// made like these, with * anywhere.
func CheckPattern(pattern string) error {
	if len(pattern) == 0 || len(pattern) > MaxRoomName {
		return refusal.New(http.StatusBadRequest, "bad_pattern", fmt.Sprintf("pattern has %d bytes, want 1 to %d", len(pattern), MaxRoomName))
	}
	if i := badByte(pattern, "*"); i >= 0 {
		return refusal.New(http.StatusBadRequest, "bad_pattern", fmt.Sprintf("pattern has byte %q at %d, want what names of rooms have, and *", pattern[i], i))
	}
	return nil
}

// badByte returns the index of the first byte that no name has there, -1 if all are
// good. Those in more are good anywhere.
func badByte(name, more string) int {
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(more, c) >= 0 {
			continue
		}
		if i == 0 || strings.IndexByte("_.:@-", c) < 0 {
			return i
		}
	}
	return -1
}

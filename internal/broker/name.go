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
	MaxRoomName = 128  // but of rooms of single users: UserPrefix and the id
	MaxUserID   = 256  // OpenID Connect allows 255 (Core 1.0, section 2)
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

// CheckRoom tells whether name may be a room's: UserPrefix and a user's id, or 1 to
// MaxRoomName ASCII letters, digits and any of "_.:@-", beginning with a letter or
// digit. What is wrong is a [refusal.Error] with the code bad_room.
func CheckRoom(name string) error {
	if user, ok := UserOf(name); ok {
		if err := CheckUser(user); err != nil {
			return refusal.New(http.StatusBadRequest, "bad_room", "room of a user: "+err.Error())
		}
		return nil
	}
	return checkName("room name", "bad_room", name, "")
}

// CheckUser tells whether id may be a user's, as issuers of tokens name them: 1 to
// MaxUserID printable ASCII characters without spaces, but not beginning with
// UserPrefix, nor one of the two names that paths of URLs lose, nor with the * of
// patterns: who writes patterns with ids in them must not be made to allow more. What is
// wrong is a [refusal.Error] with the code bad_user.
func CheckUser(id string) error {
	why := ""
	switch i := unprintable(id); {
	case len(id) == 0 || len(id) > MaxUserID:
		why = fmt.Sprintf("has %d bytes, want 1 to %d", len(id), MaxUserID)
	case i >= 0:
		why = fmt.Sprintf("has byte %q at %d, want printable ASCII without spaces", id[i], i)
	case strings.Contains(id, "*"):
		why = "has a *, which stands for any bytes in patterns"
	case id == "." || id == "..":
		why = "is " + id + ", which is none in a URL"
	case strings.HasPrefix(id, UserPrefix):
		why = "begins with " + UserPrefix
	default:
		return nil
	}
	return refusal.New(http.StatusBadRequest, "bad_user", "the user's id "+why)
}

// CheckPattern tells whether a pattern (see [Match]) may be one of rooms' names:
// made like these, with * anywhere.
func CheckPattern(pattern string) error {
	user, ok := strings.CutPrefix(pattern, UserPrefix)
	if !ok {
		return checkName("pattern", "bad_pattern", pattern, "*")
	}
	return checkUsers(user, len(UserPrefix))
}

// CheckUserPattern tells whether a pattern may be one of users' ids.
func CheckUserPattern(pattern string) error {
	if pattern == "" {
		return refusal.New(http.StatusBadRequest, "bad_pattern", "pattern is empty")
	}
	return checkUsers(pattern, 0)
}

// checkUsers checks a pattern of users' ids that has so many bytes before it.
func checkUsers(user string, before int) error {
	if i := unprintable(user); i >= 0 {
		return refusal.New(http.StatusBadRequest, "bad_pattern", fmt.Sprintf("pattern has byte %q at %d, want what ids of users have, and *", user[i], before+i))
	}
	if len(user) > MaxUserID {
		return refusal.New(http.StatusBadRequest, "bad_pattern", fmt.Sprintf("pattern has %d bytes, want %d at most", before+len(user), before+MaxUserID))
	}
	return nil
}

// checkName checks what is neither a user nor of one. Those bytes in more are good
// anywhere.
func checkName(what, code, name, more string) error {
	if len(name) == 0 || len(name) > MaxRoomName {
		return refusal.New(http.StatusBadRequest, code, fmt.Sprintf("%s has %d bytes, want 1 to %d", what, len(name), MaxRoomName))
	}
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(more, c) >= 0 {
			continue
		}
		if i == 0 || strings.IndexByte("_.:@-", c) < 0 {
			also := ""
			if more != "" {
				also = ", and " + more
			}
			return refusal.New(http.StatusBadRequest, code, fmt.Sprintf("%s has byte %q at %d, want letters, digits and _.:@- after a first letter or digit%s", what, c, i, also))
		}
	}
	return nil
}

// unprintable is the index of the first byte that is no printable ASCII, or a space; -1 if
// there is none.
func unprintable(s string) int {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return i
		}
	}
	return -1
}

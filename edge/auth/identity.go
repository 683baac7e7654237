// Who a connection is and what it may do.

package auth

import (
	"strings"
	"time"

	"barrage/edge/broker"
)

// userPrefix begins the rooms of single users.
const userPrefix = "user:"

// Patterns are rooms: names in which * stands for any bytes. None is no room.
type Patterns []string

// Match tells whether one of the patterns fits a room's name.
func (p Patterns) Match(room string) bool {
	for _, pattern := range p {
		if broker.Match(pattern, room) {
			return true
		}
	}
	return false
}

// all tells whether the patterns are the one that everything matches.
func (p Patterns) all() bool { return len(p) == 1 && p[0] == "*" }

// Identity is who a connection is and what it may do. The zero Identity is
// nobody and may do nothing.
type Identity struct {
	User    string    // "" is anonymous
	Name    string    // nickname
	Avatar  string    // https URL
	Rooms   Patterns  // that it may join, its own user room apart
	Publish Patterns  // that it may publish to
	Expires time.Time // when all this ends, the leeway included; zero: never
}

// Anonymous is the identity of connections without a token: it may join all
// rooms but those of single users, and publish to any room or none.
func Anonymous(publish bool) Identity {
	id := Identity{Rooms: Patterns{"*"}}
	if publish {
		id.Publish = Patterns{"*"}
	}
	return id
}

// MayJoin tells whether the identity may join the room, whose name is taken to
// be valid. The room user:X is for user X alone, and always for them.
func (id *Identity) MayJoin(room string) bool {
	if user, ok := strings.CutPrefix(room, userPrefix); ok {
		return user != "" && user == id.User
	}
	return id.Rooms.Match(room)
}

// MayPublish tells whether the identity may publish to the room. One that may
// join only certain rooms may not publish to others, rooms of users apart.
func (id *Identity) MayPublish(room string) bool {
	if !id.Publish.Match(room) {
		return false
	}
	return strings.HasPrefix(room, userPrefix) || id.Rooms.Match(room)
}

// Expired tells whether the identity has ended by now.
func (id *Identity) Expired(now time.Time) bool {
	return !id.Expires.IsZero() && !now.Before(id.Expires)
}

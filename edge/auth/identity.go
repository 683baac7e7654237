// The identity of a connection.

package auth

import (
	"time"

	"barrage/edge/auth/keyring"
)

// Patterns are rooms: names in which * stands for any bytes. None is no room.
type Patterns []string

// all tells whether the patterns are the one that everything matches.
func (p Patterns) all() bool { return len(p) == 1 && p[0] == "*" }

// Identity is whose a connection is and what it may do. The zero Identity is no
// user and may do nothing.
type Identity struct {
	User    string    // "" is anonymous
	Name    string    // nickname
	Avatar  string    // https URL
	Rooms   Patterns  // that it may join, its own user room apart
	Publish Patterns  // that it may publish to
	Direct  Patterns  // users that it may write to, as far as Publish allows rooms of users
	Serve   Patterns  // methods of requests that it may answer
	Seen    Patterns  // users of whom it may know when they were here last
	Hidden  bool      // it is in no list and no count of its rooms that others see
	Device  string    // which of the user's devices it is; "": not said
	Expires time.Time // when all this ends, the leeway included; zero: never

	Key *keyring.Key // of whoever has it, instead of a token; nil: none
}

// Anonymous is the identity of connections without a token: it may join all
// rooms but those of single users, and publish to any room or none.
func Anonymous(publish bool) Identity {
	id := Identity{Rooms: Patterns{"*"}}
	if publish {
		id.Publish, id.Direct = Patterns{"*"}, Patterns{"*"}
	}
	return id
}

// What an identity may do.

package auth

import (
	"strings"
	"unique"

	"barrage/internal/broker"
)

// Rights say which rooms an identity may join and publish to, and which requests it may
// answer. They are one word,
// kept for as long as a connection lives, and equal ones share what they refer to:
// most tokens of a product say the same. The zero Rights are to nothing.
type Rights struct{ scope unique.Handle[scope] }

// scope is patterns, each with a blank behind it: no pattern has one. key is the name of
// the key that has the rights, "" where a token has them or nobody.
type scope struct{ rooms, publish, direct, serve, seen, key string }

// Rights of the identity.
func (id *Identity) Rights() Rights {
	s := scope{rooms: id.Rooms.joined(), publish: id.Publish.joined(), direct: id.Direct.joined(), serve: id.Serve.joined(), seen: id.Seen.joined()}
	if id.Key != nil {
		s.key = id.Key.Name
	}
	return Rights{unique.Make(s)}
}

// Key is the name of the key that has the rights, "" if none has.
func (r Rights) Key() string {
	if r == (Rights{}) {
		return ""
	}
	return r.scope.Value().key
}

func (p Patterns) joined() string {
	if len(p) == 0 {
		return ""
	}
	return strings.Join(p, " ") + " "
}

// MayJoin tells whether a user ("" is anonymous) with these rights may join the
// room, whose name is taken to be valid. The room user:X is for user X alone, and
// always for them.
func (r Rights) MayJoin(user, room string) bool {
	if owner, ok := broker.UserOf(room); ok {
		return owner != "" && owner == user
	}
	return r != (Rights{}) && match(r.scope.Value().rooms, room)
}

// MaySee tells whether the rights are to know when a user was here last; users may know it
// of themselves.
func (r Rights) MaySee(self, user string) bool {
	return self != "" && self == user || r != (Rights{}) && match(r.scope.Value().seen, user)
}

// MayPublish tells whether the rights are to publish to the room. Those to join
// only certain rooms are none to publish to others; to rooms of users those are needed
// to write to the user. A key may be for publishing alone.
func (r Rights) MayPublish(room string) bool {
	if r == (Rights{}) || !match(r.scope.Value().publish, room) {
		return false
	}
	if user, direct := broker.UserOf(room); direct {
		return match(r.scope.Value().direct, user)
	}
	return r.Key() != "" || match(r.scope.Value().rooms, room)
}

// MayServe tells whether the rights are to answer all requests whose methods fit a pattern: a
// * in it is a byte that only a * matches.
func (r Rights) MayServe(pattern string) bool {
	return r != (Rights{}) && match(r.scope.Value().serve, pattern)
}

// match tells whether one of the patterns fits a room's name, or a user's.
func match(patterns, name string) bool {
	for patterns != "" {
		var pattern string
		pattern, patterns, _ = strings.Cut(patterns, " ")
		if broker.Match(pattern, name) {
			return true
		}
	}
	return false
}

package redisbridge

// What presence keeps in Redis per user, and what its scripts answer. Both come
// from outside: anybody may have written to Redis.

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"

	"barrage/edge/presence"
)

var errPresenceReply = errors.New("redisbridge: presence: unexpected reply of a script")

// refused is the reply to an update that did not apply. Read only.
var refused = []any{int64(1)}

// hereEntry is a user's value in a room's hash. Short names: there are many.
type hereEntry struct {
	Joined int64  `json:"t"`
	Name   string `json:"n,omitempty"`
	Avatar string `json:"a,omitempty"`
}

func encodeEntry(e presence.Entry) []byte {
	// A struct of strings and numbers always has a JSON form.
	text, _ := json.Marshal(hereEntry{e.Joined, e.User.Name, e.User.Avatar})
	return text
}

// decodeEntry returns a user with its ID alone if the text is not ours.
func decodeEntry(id, text string) presence.Entry {
	var h hereEntry
	if json.Unmarshal([]byte(text), &h) != nil {
		h = hereEntry{}
	}
	return presence.Entry{User: &presence.User{ID: id, Name: h.Name, Avatar: h.Avatar}, Joined: h.Joined}
}

func parseFigure(reply any) (presence.Figure, error) {
	parts, _ := reply.([]any)
	if len(parts) == 1 && parts[0] == int64(1) {
		return presence.Figure{Resync: true}, nil
	}
	if len(parts) != 5 {
		return presence.Figure{}, errPresenceReply
	}
	users, ok1 := parts[1].(int64)
	conns, ok2 := parts[2].(int64)
	elsewhere, ok3 := stringList(parts[3])
	departed, ok4 := stringList(parts[4])
	fresh := parts[0] == int64(2)
	if parts[0] != int64(0) && !fresh || !ok1 || !ok2 || !ok3 || !ok4 || len(departed)%2 != 0 {
		return presence.Figure{}, errPresenceReply
	}
	f := presence.Figure{Fresh: fresh, Users: int(users), Connections: int(conns), Elsewhere: elsewhere}
	for i := 0; i < len(departed); i += 2 {
		f.Departed = append(f.Departed, decodeEntry(departed[i], departed[i+1]).User)
	}
	return f, nil
}

// parseList also merges the entries of users whom several nodes have: the first
// joining counts.
func parseList(reply any) (presence.List, error) {
	parts, _ := reply.([]any)
	if len(parts) != 4 {
		return presence.List{}, errPresenceReply
	}
	users, ok1 := parts[0].(int64)
	conns, ok2 := parts[1].(int64)
	names, ok3 := stringList(parts[3])
	if !ok1 || !ok2 || !ok3 || len(names)%2 != 0 {
		return presence.List{}, errPresenceReply
	}
	l := presence.List{Total: int(users), Connections: int(conns)}
	at := make(map[string]int, len(names)/2)
	for i := 0; i < len(names); i += 2 {
		if names[i] == "" { // a node's version
			continue
		}
		e := decodeEntry(names[i], names[i+1])
		if n, ok := at[names[i]]; ok {
			l.Users[n].Joined = min(l.Users[n].Joined, e.Joined)
			continue
		}
		at[names[i]] = len(l.Users)
		l.Users = append(l.Users, e)
	}
	slices.SortFunc(l.Users, func(a, b presence.Entry) int {
		return cmp.Or(cmp.Compare(b.Joined, a.Joined), cmp.Compare(a.User.ID, b.User.ID))
	})
	l.Complete = parts[2] == int64(1) && len(l.Users) == l.Total
	return l, nil
}

func stringList(reply any) ([]string, bool) {
	parts, ok := reply.([]any)
	if !ok {
		return nil, false
	}
	list := make([]string, len(parts))
	for i, part := range parts {
		if list[i], ok = part.(string); !ok {
			return nil, false
		}
	}
	return list, true
}

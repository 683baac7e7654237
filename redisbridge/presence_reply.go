package redisbridge

// What presence keeps in Redis per user, and what its scripts answer. Both come
// from outside: anybody may have written to Redis.

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/redis/go-redis/v9"

	"barrage/edge/presence"
)

// hereEntry is a user's value in a room's hash. Short names: there are many.
type hereEntry struct {
	Joined int64           `json:"t"`
	Name   string          `json:"n,omitempty"`
	Avatar string          `json:"a,omitempty"`
	Status string          `json:"s,omitempty"`
	Data   json.RawMessage `json:"d,omitempty"`
	At     int64           `json:"m,omitempty"` // of Status and Data; 0: there are none
}

func encodeEntry(e presence.Entry) []byte {
	h := hereEntry{Joined: e.Joined, Name: e.User.Name, Avatar: e.User.Avatar}
	if st := e.Status; st != nil {
		h.Status, h.Data, h.At = st.Text, st.Data, st.At
	}
	text, _ := json.Marshal(h) // of strings, numbers, and JSON that was checked
	return text
}

// decodeEntry returns a user with its ID alone if the text is not ours.
func decodeEntry(id, text string) presence.Entry {
	var h hereEntry
	if json.Unmarshal([]byte(text), &h) != nil {
		h = hereEntry{}
	}
	e := presence.Entry{User: &presence.User{ID: id, Name: h.Name, Avatar: h.Avatar}, Joined: h.Joined}
	if h.At != 0 {
		e.Status = &presence.Status{Text: h.Status, Data: h.Data, At: h.At}
	}
	return e
}

func parseFigure(answer *redis.Cmd) (presence.Figure, error) {
	parts := partsOf(answer)
	status := take[int64](parts)
	if status == 1 && parts.end() == nil { // the update did not apply
		return presence.Figure{Resync: true}, nil
	}
	users, conns := take[int64](parts), take[int64](parts)
	f := presence.Figure{Fresh: status == 2, Users: int(users), Connections: int(conns), Elsewhere: parts.texts()}
	departed := parts.texts()
	kept := take[int64](parts)
	f.Kept, f.Began = kept > 0, kept == 2
	if err := parts.end(); err != nil {
		return presence.Figure{}, err
	}
	if status != 0 && status != 2 || len(departed)%2 != 0 {
		return presence.Figure{}, errAnswer
	}
	for i := 0; i < len(departed); i += 2 {
		f.Departed = append(f.Departed, decodeEntry(departed[i], departed[i+1]).User)
	}
	return f, nil
}

// parseList also merges the entries of users whom several nodes have: the first
// joining counts, and the last status.
func parseList(answer *redis.Cmd) (presence.List, error) {
	parts := partsOf(answer)
	users, conns, once := take[int64](parts), take[int64](parts), take[int64](parts)
	names := parts.texts()
	if err := parts.end(); err != nil {
		return presence.List{}, err
	}
	if len(names)%2 != 0 {
		return presence.List{}, errAnswer
	}
	l := presence.List{Total: int(users), Connections: int(conns)}
	at := make(map[string]int, len(names)/2)
	for i := 0; i < len(names); i += 2 {
		if names[i] == "" { // a node's version
			continue
		}
		e := decodeEntry(names[i], names[i+1])
		if n, ok := at[names[i]]; ok {
			first := &l.Users[n]
			first.Joined, first.Status = min(first.Joined, e.Joined), first.Status.Newer(e.Status)
			continue
		}
		at[names[i]] = len(l.Users)
		l.Users = append(l.Users, e)
	}
	slices.SortFunc(l.Users, func(a, b presence.Entry) int {
		return cmp.Or(cmp.Compare(b.Joined, a.Joined), cmp.Compare(a.User.ID, b.User.ID))
	})
	l.Complete = once == 1 && len(l.Users) == l.Total
	return l, nil
}

// Which URL is asked about a room.

package hooks

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// knownRooms is how many rooms of each kind are known at a time; a power of two.
const knownRooms = 1 << 10

// routes are the URLs of a kind, by pattern. It is asked for every message, so what patterns
// say of a room is remembered: they never change. The table has a fixed size, and rooms whose
// names fall into the same place push each other out. Any goroutine.
type routes struct {
	urls  []*url // the longest pattern first
	seed  maphash.Seed
	known [knownRooms]atomic.Pointer[known]
}

type known struct {
	room string
	url  *url // nil: nobody is asked
}

func newRoutes(urls []*url) *routes { return &routes{urls: urls, seed: maphash.MakeSeed()} }

// of is the URL that is asked about a room, nil if none is.
func (r *routes) of(room string) *url {
	if len(r.urls) == 0 {
		return nil
	}
	place := &r.known[maphash.String(r.seed, room)%knownRooms]
	if k := place.Load(); k != nil && k.room == room {
		return k.url
	}
	k := &known{room: strings.Clone(room)}
	for _, u := range r.urls {
		if matches(u.pattern, room) {
			k.url = u
			break
		}
	}
	place.Store(k)
	return k.url
}

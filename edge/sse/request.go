// What a request says of where to begin: positions, as ids of events have them.

package sse

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// asked is where a client wants to go on, by room.
type asked map[string]*broker.Position

// of is the position for one of a stream's rooms, nil if none was given.
func (a asked) of(room string, rooms []string) *broker.Position {
	at := a[room]
	if at == nil && len(rooms) == 1 {
		at = a[only]
	}
	return at
}

const (
	// only stands for the room of a stream that has one, which the request need not name: it
	// may be the default one, or a backend's. A backend may add rooms too, and then an id does
	// not tell of which it is.
	only = ""

	positionSep = ':'
	maxEpoch    = 64 // bytes
)

// ask reads the positions of a request: of one room from Last-Event-ID, which a browser
// sends when it comes back, or from last_event_id or since, which are for others and for
// the first time; of several from a since for each.
func ask(req *frame.Request, rooms []string) (any, error) {
	since, err := req.Query("since")
	if err != nil {
		return nil, err
	}
	named, err := req.Query("room")
	if err != nil {
		return nil, err
	}
	if len(named) == 0 {
		named = rooms
	}
	switch {
	case len(rooms) > 1 && len(since) == 0:
		return asked(nil), nil // an id does not tell of which room it is
	case len(rooms) <= 1 && len(since) <= 1:
		last, err := lastEvent(req)
		if err != nil {
			return nil, err
		}
		if last != "" {
			since, named = []string{last}, []string{only}
		} else if len(rooms) == 0 {
			named = []string{only}
		}
	case len(since) != len(named):
		return nil, badSince(fmt.Sprintf("since must be given for each of the %d rooms, in their order, empty for those without a position", len(named)))
	}
	var all asked // nil for most, who bring nothing
	for i, text := range since {
		room := broker.Normal(named[i]) // as rooms has it
		if all[room] != nil || text == "" {
			continue
		}
		at, ok := parsePosition(text)
		if !ok {
			return nil, badSince("a position is EPOCH:OFFSET, as ids of events have it")
		}
		if all == nil {
			all = make(asked, len(since))
		}
		all[room] = &at
	}
	return all, nil
}

// lastEvent is the id of the last event that a client has got.
func lastEvent(req *frame.Request) (string, error) {
	if id := req.Header("Last-Event-ID"); id != "" {
		return id, nil
	}
	ids, err := req.Query("last_event_id")
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

func badSince(text string) error { return refusal.New(http.StatusBadRequest, "bad_since", text) }

// parsePosition reads what appendID writes.
func parsePosition(text string) (at broker.Position, ok bool) {
	i := strings.LastIndexByte(text, positionSep)
	if i < 0 || !isEpoch(text[:i]) {
		return at, false
	}
	offset, err := strconv.ParseUint(text[i+1:], 10, 64)
	return broker.Position{Epoch: text[:i], Offset: offset}, err == nil && text[i+1] != '+'
}

// isEpoch tells whether a name of an epoch may stand in a line, a header and a URL.
func isEpoch(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return name != "" && len(name) <= maxEpoch
}

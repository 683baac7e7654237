// Publishing one message to many rooms.

package api

import (
	"context"
	"fmt"
	"net/http"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

const (
	defaultBroadcast = 1000 // rooms
	maxBroadcast     = 10000
)

type broadcastAnswer struct {
	Rooms       int        `json:"rooms"` // it was published to
	DeliveredTo int        `json:"delivered_to"`
	LocalOnly   bool       `json:"local_only,omitempty"`
	Failed      int        `json:"failed,omitempty"` // rooms
	Error       *errorBody `json:"error,omitempty"`  // of the first that failed
}

// broadcast handles POST /v1/broadcast. If more rooms match than limit it sends
// to none: which ones it would be is chance.
func (a *API) broadcast(x *exchange, r *http.Request) error {
	q := readParams(r)
	pattern, limit := q.value("pattern", ""), q.limit(defaultBroadcast, maxBroadcast)
	err := a.readPublication(x, r, &q)
	if err != nil {
		return err
	}
	if pattern, err = checkPattern(pattern); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), bulkTime)
	defer cancel()
	rooms, err := a.server.MatchRooms(ctx, pattern, limit+1)
	if err != nil {
		return err
	}
	if len(rooms) > limit {
		return refusal.New(http.StatusUnprocessableEntity, "too_many_rooms", fmt.Sprintf("limit: more than %d rooms match, so it was sent to none", limit))
	}
	answer, err := a.publishAll(ctx, x, r, rooms)
	if err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, answer)
}

func checkPattern(pattern string) (string, error) {
	normal, err := broker.RoomPattern(pattern)
	if err != nil {
		return "", invalid("pattern", "must be a room name, in which * stands for anything: "+err.Error())
	}
	return normal, nil
}

// publishAll publishes x.publication to each room. It is an error only if all
// rooms fail.
func (a *API) publishAll(ctx context.Context, x *exchange, r *http.Request, rooms []string) (answer broadcastAnswer, _ error) {
	var first error
	for _, room := range rooms {
		err := ctx.Err()
		if err == nil {
			x.publication.Room = room
			receipt, failed := a.server.Publish(ctx, &x.publication)
			answer.DeliveredTo += receipt.Members
			answer.LocalOnly = answer.LocalOnly || receipt.LocalOnly
			err = failed
		}
		switch {
		case r.Context().Err() != nil:
			return answer, r.Context().Err()
		case err == nil:
			answer.Rooms++
		default:
			answer.Failed++
			if first == nil {
				first = err
			}
		}
	}
	if first == nil {
		return answer, nil
	}
	if answer.Rooms == 0 {
		return answer, first
	}
	answer.Error = a.partFailed(x, r, first)
	return answer, nil
}

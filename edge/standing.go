// Orders that last: who must stay out until when, and the settings of rooms. They
// are entries of the book that the nodes share, so they hold on nodes that start
// later too.

package edge

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"barrage/edge/standing"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

const (
	maxBans      = 100_000
	standingRead = 2 * time.Second // for the first reading of the book, before anybody is let in
)

// Names of entries. No room and no user has a space.
const (
	settingsEntry = "settings " // and the room
	banEntry      = "ban "      // the user, a space, and the room, "" being the whole server
)

func banName(user, room string) string { return banEntry + user + " " + room }

// entry is what is kept of an order: itself.
func (o *order) entry() (e standing.Entry, lasts bool) {
	switch {
	case o.Settings != nil:
		e.Name = settingsEntry + o.Room
		if *o.Settings == (RoomSettings{}) {
			return e, true
		}
	case o.User == "":
		return e, false
	case o.Lift:
		e.Name = banName(o.User, o.Room)
		return e, true
	case o.Until > 0:
		// This node's clock may be another: it counts from now, when the order comes.
		e.Name, e.Until = banName(o.User, o.Room), time.Now().Add(time.Duration(o.Until-o.Given)*time.Millisecond)
	default:
		return e, false
	}
	kept := *o
	kept.Previous, kept.Version = 0, 0
	value, err := json.Marshal(&kept)
	e.Value = string(value)
	return e, err == nil // always: it is made of texts and numbers
}

// changed is called by the book. Entries of a newer node may be anything.
func (s *Server) changed(e standing.Entry) {
	var o order
	if e.Value != "" && json.Unmarshal([]byte(e.Value), &o) != nil {
		return
	}
	room, ok := strings.CutPrefix(e.Name, settingsEntry)
	switch {
	case ok && o.Settings == nil:
		s.settings.set(room, RoomSettings{})
	case ok:
		s.settings.set(room, *o.Settings)
	case e.Name == banName(o.User, o.Room):
		s.sendAway(&o)
	}
}

// readBook is called once, before anybody is let in. Without an answer the server
// starts all the same, and goes on asking.
func (s *Server) readBook(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, standingRead)
	defer cancel()
	_ = s.book.Sync(ctx) // the book has logged it, and Unready tells
}

// keepOut sends somebody out, and keeps them out for a time.
func (s *Server) keepOut(ctx context.Context, o *order, keep time.Duration) error {
	if keep > 0 {
		o.Given = time.Now().UnixMilli()
		o.Until = o.Given + max(keep, time.Second).Milliseconds() // a shorter time could be over before the nodes hear of it
		if _, known := s.book.Get(banName(o.User, o.Room)); !known && s.book.Len()-s.settings.count() >= maxBans {
			return refusal.New(http.StatusConflict, "too_many_bans", "100000 users are kept out already")
		}
	}
	return s.order(ctx, o)
}

// Lift lets a user come again into a room, or to the server if room is "", on all
// nodes.
func (s *Server) Lift(ctx context.Context, user, room string) error {
	if err := broker.CheckUser(user); err != nil {
		return err
	}
	if room != "" {
		if err := broker.CheckRoom(room); err != nil {
			return err
		}
	}
	if err := s.book.Sync(ctx); err != nil {
		return brokerError(err)
	}
	if s.checkBan(user, room) == nil {
		return refusal.New(http.StatusNotFound, "not_banned", "this user is not kept out there")
	}
	return s.order(ctx, &order{User: user, Room: room, Lift: true})
}

// Ban is somebody who must stay out.
type Ban struct {
	User, Room, Reason string // Room "": the whole server
	Until              time.Time
}

// Bans returns those that hold, by user and room.
func (s *Server) Bans() []Ban {
	var list []Ban
	for _, e := range s.book.Entries() {
		var o order
		if json.Unmarshal([]byte(e.Value), &o) == nil && o.User != "" && e.Name == banName(o.User, o.Room) {
			list = append(list, Ban{o.User, o.Room, o.Reason, e.Until})
		}
	}
	slices.SortFunc(list, func(a, b Ban) int {
		return cmp.Or(strings.Compare(a.User, b.User), strings.Compare(a.Room, b.Room))
	})
	return list
}

// checkBan tells whether a user has to stay out of a room, "" being the server.
func (s *Server) checkBan(user, room string) error {
	if user == "" {
		return nil
	}
	if ban, ok := s.book.Get(banName(user, room)); ok {
		return refusal.Retry(http.StatusForbidden, "banned", "you have been sent out", time.Until(ban.Until))
	}
	return nil
}

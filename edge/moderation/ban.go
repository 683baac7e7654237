// Bans: who must stay out until when; of users, and what is the same of addresses.

package moderation

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"barrage/edge/auth"
	"barrage/edge/moderation/replica"
	"barrage/edge/publish"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// Names of entries. No room and no user has a space.
const (
	settingsEntry = "settings " // and the room
	banEntry      = "ban "      // the user, a space, and the room, "" being the whole server
	keyEntry      = "key "      // and the name of one that was revoked
)

func banName(user, room string) string { return banEntry + user + " " + room }

func (o *order) banName() string {
	if o.Address != "" {
		return addressEntry + o.Address
	}
	return banName(o.User, o.Room)
}

// entry is what is kept of a persistent order: itself.
func (o *order) entry() (e replica.Entry, persistent bool) {
	switch {
	case o.Settings != nil:
		e.Name = settingsEntry + o.Room
		if *o.Settings == (broker.RoomSettings{}) {
			return e, true
		}
	case o.Key != "":
		e.Name = keyEntry + o.Key
		if o.Lift {
			return e, true
		}
	case o.User == "" && o.Address == "":
		return e, false
	case o.Lift:
		e.Name = o.banName()
		return e, true
	case o.Until > 0:
		// This node's clock may be another: it counts from now, when the order comes.
		e.Name, e.Until = o.banName(), time.Now().Add(time.Duration(o.Until-o.Given)*time.Millisecond)
	default:
		return e, false
	}
	kept := *o
	kept.Previous, kept.Version = 0, 0
	value, err := json.Marshal(&kept)
	e.Value = string(value)
	return e, err == nil // always: it is made of texts and numbers
}

// changed is called by the replica. Entries of a newer node may be anything.
func (m *Moderation) changed(e replica.Entry) {
	var o order
	if e.Value != "" && json.Unmarshal([]byte(e.Value), &o) != nil {
		return
	}
	if address, ok := strings.CutPrefix(e.Name, addressEntry); ok {
		m.changedAddress(address, e, &o)
		return
	}
	room, ok := strings.CutPrefix(e.Name, settingsEntry)
	switch {
	case ok && o.Settings == nil:
		m.settings.set(room, broker.RoomSettings{})
	case ok:
		m.settings.set(room, *o.Settings)
	case e.Name == banName(o.User, o.Room), o.Key != "" && e.Name == keyEntry+o.Key:
		m.sendAway(&o)
	}
}

// keepOut sends somebody out, and keeps them out for a time.
func (m *Moderation) keepOut(ctx context.Context, o *order, keep time.Duration) error {
	if keep > 0 {
		o.Given = time.Now().UnixMilli()
		o.Until = o.Given + max(keep, time.Second).Milliseconds() // a shorter time could be over before the nodes hear of it
		if _, known := m.replica.Get(o.banName()); !known && m.replica.Len()-m.settings.count() >= bounds.Bans {
			return refusal.New(http.StatusConflict, "too_many_bans", fmt.Sprintf("%d users and addresses are kept out already", bounds.Bans))
		}
	}
	return m.give(ctx, o)
}

// Lift lets a user come again into a room, or to the server if room is "", on all
// nodes.
func (m *Moderation) Lift(ctx context.Context, user, room string) error {
	user, err := broker.UserID(user)
	if err != nil {
		return err
	}
	if room != "" {
		if room, err = broker.RoomName(room); err != nil {
			return err
		}
	}
	if err := m.replica.Sync(ctx); err != nil {
		return publish.Refuse(err)
	}
	if m.Banned(user, room) == nil {
		return refusal.New(http.StatusNotFound, "not_banned", "this user is not kept out there")
	}
	return m.give(ctx, &order{User: user, Room: room, Lift: true})
}

// Bans returns those that hold, by address, user and room.
func (m *Moderation) Bans() []broker.Ban {
	var list []broker.Ban
	for _, e := range m.replica.Entries() {
		var o order
		if json.Unmarshal([]byte(e.Value), &o) == nil && o.User+o.Address != "" && e.Name == o.banName() {
			list = append(list, broker.Ban{User: o.User, Room: o.Room, Address: o.Address, Reason: o.Reason, Until: e.Until})
		}
	}
	slices.SortFunc(list, func(a, b broker.Ban) int {
		return cmp.Or(strings.Compare(a.Address, b.Address), strings.Compare(a.User, b.User), strings.Compare(a.Room, b.Room))
	})
	return list
}

// Banned is a refusal if a user has to stay out of a room, "" being the server.
func (m *Moderation) Banned(user, room string) error {
	if user == "" {
		return nil
	}
	if ban, ok := m.replica.Get(banName(user, room)); ok {
		return refusal.Retry(http.StatusForbidden, "banned", "you have been sent out", time.Until(ban.Until))
	}
	return nil
}

// MayJoin is a refusal if a user with these rights may not join a room, or has to stay
// out of it.
func (m *Moderation) MayJoin(user string, rights auth.Rights, room string) error {
	if !rights.MayJoin(user, room) {
		return refusal.New(http.StatusForbidden, "forbidden", "this connection may not join room "+room)
	}
	return m.Banned(user, room)
}

// What operators set for rooms and users.

package broker

import "time"

// RoomSettings are what an operator set for one room.
type RoomSettings struct {
	Muted   bool       `json:"muted,omitempty"`   // only backends may publish
	Quiet   bool       `json:"quiet,omitempty"`   // joins and leaves are not told in the room
	History *Retention `json:"history,omitempty"` // what the room remembers from now on; nil: by the server's rules
}

// Ban keeps a user out of a room, or with Room "" out of the whole server.
type Ban struct {
	User, Room, Reason string
	Until              time.Time
}

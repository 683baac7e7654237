// What operators set for single rooms and users, on all nodes.

package broker

import "time"

// RoomSettings are what an operator set for one room.
type RoomSettings struct {
	Muted   bool       `json:"muted,omitempty"`   // only backends may publish
	Quiet   bool       `json:"quiet,omitempty"`   // nobody is told who comes and goes
	History *Retention `json:"history,omitempty"` // what the room remembers from now on; nil: by the server's rules
}

// Ban is a user who must stay out.
type Ban struct {
	User, Room, Reason string // Room "": of the whole server
	Until              time.Time
}

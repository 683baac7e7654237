// What operators set for rooms and users, and what they are told of them.

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

// User is one who may be in many rooms through many connections. Only ID tells users
// apart.
type User struct {
	ID     string `json:"user"` // never empty
	Name   string `json:"name,omitempty"`
	Avatar string `json:"avatar,omitempty"` // URL
}

// Connection describes one to a node.
type Connection struct {
	ID       string   `json:"conn"` // as in Sender.Conn
	User     string   `json:"user,omitempty"`
	Name     string   `json:"name,omitempty"`
	Address  string   `json:"address,omitempty"` // the client's
	Protocol string   `json:"protocol"`          // raw or barrage.v1
	Since    int64    `json:"since"`             // milliseconds since the Unix epoch
	Rooms    []string `json:"rooms"`
}

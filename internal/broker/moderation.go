// What operators set for rooms and users, and what they are told of them.

package broker

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"barrage/internal/refusal"
)

// RoomSettings are what an operator set for one room.
type RoomSettings struct {
	Muted   bool       `json:"muted,omitempty"`   // only backends may publish
	Quiet   bool       `json:"quiet,omitempty"`   // joins and leaves are not told in the room
	Rate    float64    `json:"rate,omitempty"`    // messages a second that its viewers are to get at most, of the lanes that are sampled; 0: all
	History *Retention `json:"history,omitempty"` // what the room remembers from now on; nil: by the server's rules
}

// Ban keeps a user out of a room, or with Room "" out of the whole server; or it keeps
// everybody out who comes from an address.
type Ban struct {
	User, Room, Reason string
	Address            string // a network in CIDR notation, instead of User and Room
	Until              time.Time
}

// A network that is kept out has so many bits at least: fewer are a slip, which would
// send half the world away.
const (
	minBits4 = 8
	minBits6 = 16
)

// ParseNetwork reads an address, or a network in CIDR notation. What is wrong is a
// [refusal.Error] with the code invalid_address.
func ParseNetwork(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if a, alone := netip.ParseAddr(text); alone == nil && a.Zone() == "" {
		a = a.Unmap()
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	least := minBits4
	if p.Addr().Is6() {
		least = minBits6
	}
	switch {
	case err != nil || p.Addr().Is4In6():
		return p, refusal.New(http.StatusBadRequest, "invalid_address", "address: must be an IP address, or a network such as 203.0.113.0/24")
	case p.Bits() < least:
		return p, refusal.New(http.StatusBadRequest, "invalid_address", fmt.Sprintf("address: the network must have %d bits or more", least))
	}
	return p.Masked(), nil
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
	Device   string   `json:"device,omitempty"`    // which of the user's it is, if that was said
	Hidden   bool     `json:"hidden,omitempty"`    // others see it in none of them
	HiddenIn []string `json:"hidden_in,omitempty"` // or not in these
}

// Lanes: what goes first where there is too much.

package broker

import (
	"fmt"
	"slices"
	"strings"
)

// Lane is what a message is worth where there is more than viewers can read.
type Lane uint8

// The lanes. Only those of the first two are sampled.
const (
	LaneNormal Lane = iota // comments
	LaneLow                // likes, entries
	LaneGift               // gifts, and what was paid for
	LaneSystem             // what the room itself says
)

var laneNames = []string{LaneNormal: "normal", LaneLow: "low", LaneGift: "gift", LaneSystem: "system"}

// String is the lane's name.
func (l Lane) String() string { return laneNames[l] }

// ParseLane is the lane of a name.
func ParseLane(name string) (Lane, error) {
	i := slices.Index(laneNames, name)
	if i < 0 {
		return 0, fmt.Errorf("%q is no lane, but %s are", name, strings.Join(laneNames, ", "))
	}
	return Lane(i), nil
}

// Sampled tells whether the message is left out where there is too much: comments, but for
// those that their reader is to acknowledge, and those of single users.
func (p *Publication) Sampled() bool {
	return p.Lane <= LaneLow && !p.Confirm && !p.Single() && !strings.HasPrefix(p.Room, UserPrefix) && (p.Kind == "" || p.Kind[0] != 0)
}

// KindLeftOut is the kind of the message that tells the nodes how many messages a hot room
// has left out since it said so last: its payload is the number.
const KindLeftOut = "\x00left-out"

// Speaker is who shares what a hot room lets through: a user; those of an address together,
// without one; or backends.
func (p *Publication) Speaker() string {
	switch {
	case p.Sender.User != "":
		return p.Sender.User
	case p.From.IsValid():
		return "@" + p.From.String()
	}
	return ""
}

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
	LaneLow                // likes, entries: they yield first
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

// Lanes say which lane messages of a kind go by; those of no kind, and of all others, are
// normal.
type Lanes map[string]Lane

// DefaultLanes are those of kinds that live rooms have.
func DefaultLanes() Lanes {
	return Lanes{
		"like": LaneLow, "enter": LaneLow,
		"gift": LaneGift, "superchat": LaneGift,
		"system": LaneSystem, "notice": LaneSystem,
	}
}

// Of is the lane of a publication: clients cannot give themselves one above the normal.
func (l Lanes) Of(p *Publication) Lane {
	lane := l[p.Kind]
	if p.FromClient() {
		return min(lane, LaneLow)
	}
	return lane
}

// Target says how many messages a second viewers of the rooms get whose names match a
// pattern, of those that are sampled; 0 is all.
type Target struct {
	Pattern string
	Rate    float64
}

// Targets are tried in order; a room that none matches has none.
type Targets []Target

// For returns the target of a room.
func (t Targets) For(room string) float64 {
	for i := range t {
		if Match(t[i].Pattern, room) {
			return t[i].Rate
		}
	}
	return 0
}

// MaxTarget is as many messages a second as may be asked for; fewer than one cannot.
const MaxTarget = 10_000

// CheckTarget tells what is wrong with a target.
func CheckTarget(rate float64) error {
	if rate != 0 && !(rate >= 1 && rate <= MaxTarget) {
		return fmt.Errorf("must be 1 to %d messages a second, or 0 for all", MaxTarget)
	}
	return nil
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

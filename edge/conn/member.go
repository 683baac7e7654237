// Memberships of rooms.

package conn

import (
	"iter"

	"barrage/fanout"
	"barrage/internal/shrinkmap"
)

// InternalPrefix begins the rooms that the server uses itself, beside those that can be
// named from outside: no name rule allows it.
const InternalPrefix = "\x00"

// IsPublic tells a room of the outside from those the server uses itself.
func IsPublic(room string) bool { return room != "" && room[0] != InternalPrefix[0] }

// Members are the memberships of a loop's connections. Its methods must be called on the
// loop's goroutine.
type Members struct {
	fan      *fanout.Shard
	observer Observer
	few      shrinkmap.Map[uint64, *few] // by Client.Serial: of few clients
	devices  shrinkmap.Map[device, []*Client]
}

// Join makes a connection a member of a room. A held member gets nothing until Resume.
// Nobody is told: see Arrive.
func (m *Members) Join(id ID, room string, enc fanout.Encoding, held bool) {
	m.fan.Join(uint32(id), room, enc, held)
}

// Resume lets a held member go on behind the message with this sequence; see
// fanout.Shard.Resume.
func (m *Members) Resume(id ID, room string, after uint64) { m.fan.Resume(uint32(id), room, after) }

// Leave ends a membership, and tells whether there was one. Nobody else is told: see
// Depart.
func (m *Members) Leave(id ID, room string) bool { return m.fan.Leave(uint32(id), room) }

// LeaveAll ends all memberships of a connection. gone tells for which the members are
// told that it is gone: not for those it had not arrived in.
func (m *Members) LeaveAll(id ID, c *Client, gone func(room string) bool) {
	for room := range m.Rooms(id) {
		if gone(room) {
			m.Depart(c, room)
		}
	}
	m.fan.LeaveAll(uint32(id))
}

// In tells whether the connection is a member of a room, held or not.
func (m *Members) In(id ID, room string) bool { return m.fan.In(uint32(id), room) }

// Rooms yields the rooms of the outside that the connection is a member of, the one it
// joined last first. The loop over them may leave the room at hand, but join or leave
// no other.
func (m *Members) Rooms(id ID) iter.Seq[string] {
	return func(yield func(string) bool) {
		for room := range m.fan.Rooms(uint32(id)) {
			if IsPublic(room) && !yield(room) {
				return
			}
		}
	}
}

// LastJoined is the room that the connection joined last, "" if it is in none.
func (m *Members) LastJoined(id ID) string { return m.fan.LastJoined(uint32(id)) }

// Arrive tells that a connection is in a room now; c is nil if it has no record.
func (m *Members) Arrive(c *Client, room string) { m.observer.Joined(c, room, m.Hides(c, room)) }

// Depart tells that a connection is in a room no more.
func (m *Members) Depart(c *Client, room string) {
	m.observer.Left(c, room, m.Hides(c, room))
	m.unhide(c, room)
}

// FanoutStats are the counters of the loop's shard.
func (m *Members) FanoutStats() fanout.Stats { return m.fan.Stats() }

// EachUsage tells what the rooms of the loop's shard cost.
func (m *Members) EachUsage(f func(room string, u fanout.Usage)) { m.fan.EachUsage(f) }

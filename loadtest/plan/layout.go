// Which connection is in which room, which of them talk there, and which read slowly.

package plan

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Layout tells which connection is in which room: of Plan.Connections
// connections, numbered from 0 over all agents, and Plan.Rooms rooms, numbered
// from 0. It never changes, so any goroutine may use it.
type Layout struct {
	plan  *Plan
	first []int // first[r] is the position of room r's first member, first[rooms] the number of connections
	step  int   // position = connection * step mod connections
	rates []float64
}

// NewLayout computes the layout of a valid plan.
func NewLayout(p *Plan) *Layout {
	l := &Layout{plan: p, step: 1}
	rooms := p.rooms()
	zipf := p.Zipf
	if p.Echo {
		zipf = 0
	}
	share := make([]float64, rooms)
	total := 0.0
	for r := range share {
		share[r] = math.Pow(float64(r+1), -zipf)
		total += share[r]
	}
	l.first = make([]int, rooms+1)
	l.rates = make([]float64, rooms)
	sum := 0.0
	for r := range share {
		// Rounding the running sum, not each share, makes the sizes add up.
		sum += share[r]
		l.first[r+1] = int(math.Round(sum / total * float64(p.Connections)))
		l.rates[r] = p.Rate * share[r] / total
	}
	if rooms > 1 {
		l.step = coprime(p.Connections)
	}
	return l
}

// rooms is the number of rooms: an echoed connection is alone in its own.
func (p *Plan) rooms() int {
	if p.Echo {
		return p.Connections
	}
	return max(1, p.Rooms)
}

// coprime is a number near the golden section of n that has no factor in common
// with it: multiples of it modulo n visit everything, in a well-mixed order.
func coprime(n int) int {
	for s := max(1, int(float64(n)*0.618)); ; s++ {
		a, b := s, n
		for b != 0 {
			a, b = b, a%b
		}
		if a == 1 {
			return s
		}
	}
}

// Rooms is the number of rooms.
func (l *Layout) Rooms() int { return len(l.first) - 1 }

// Members is the number of connections planned for a room.
func (l *Layout) Members(room int) int { return l.first[room+1] - l.first[room] }

// Place is the room of a connection, and the connection's number in it.
func (l *Layout) Place(conn int) (room, member int) {
	if l.plan.Echo {
		return conn, 0
	}
	if len(l.first) == 2 {
		return 0, conn
	}
	pos := conn * l.step % l.plan.Connections
	next, _ := slices.BinarySearch(l.first, pos+1) // the first room that begins behind pos
	return next - 1, pos - l.first[next-1]
}

// RoomName is the name of a room in URLs and channels.
func (l *Layout) RoomName(room int) string {
	return strings.ReplaceAll(l.plan.Room, "{n}", strconv.Itoa(room+1))
}

// Lanes is the number of senders in a room, each of which numbers its own
// messages: order is kept within a lane.
func (l *Layout) Lanes(room int) int {
	switch l.plan.Publish {
	case PublishSocket:
		if l.Members(room) == 0 {
			return 0
		}
		return max(1, int(math.Round(l.plan.Talkers/100*float64(l.Members(room)))))
	case PublishHTTP, PublishRedis:
		return max(1, l.plan.Publishers/l.Rooms())
	}
	return 0
}

// Talks reports whether a room's member publishes from its socket, in which lane.
func (l *Layout) Talks(room, member int) (lane int, ok bool) {
	return member, l.plan.Publish == PublishSocket && member < l.Lanes(room)
}

// Behaviour is how a connection reads.
type Behaviour uint8

// Slow and stalled connections are counted apart: nothing is expected of them.
const (
	Reads Behaviour = iota
	ReadsSlowly
	Stalls
)

// Behaviour tells how a connection reads. The slow ones are spread evenly.
func (l *Layout) Behaviour(conn int) Behaviour {
	const whole = 10000
	at := float64(conn*mixWhole%whole) / whole * 100
	switch {
	case at < l.plan.Stalled:
		return Stalls
	case at < l.plan.Stalled+l.plan.Slow:
		return ReadsSlowly
	}
	return Reads
}

// mixWhole has no factor in common with 10,000, so that its multiples visit
// everything. It is far from 0.618 of it, by which Place mixes: were they alike,
// the slow connections would be those of the first rooms.
const mixWhole = 4143

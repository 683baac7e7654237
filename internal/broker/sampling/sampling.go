// Package sampling decides which messages of a hot room its viewers get: as many a second as
// was set for the room, and of those each sender the same share, however much they send.
//
// Two rules decide, in this order:
//
//   - A sender whose last message went through less than 1/share seconds ago waits. The
//     share is the max-min fair one of those who spoke in the last second (Bertsekas and
//     Gallager, Data Networks, section 6.5.2): nobody gets more than the share, and who wants
//     less gets all. A little more is allowed, or chance would leave the target unreached.
//   - What comes past it takes from a bucket that fills at the target's rate, and holds a
//     second of it, so that a room that is not hot loses nothing.
//
// So a flooder gets what those get who say something now and then, and a room of thousands
// who say one thing each gets any of them, each with the same chance. No random numbers are
// drawn: what is decided once (by the broker, where a message is numbered) holds everywhere.
//
// redisbridge has the same as a script; its tests hold one against the other.
package sampling

import (
	"maps"
	"slices"

	"barrage/internal/bounds"
)

// Bounds.
const (
	window = 1000 // milliseconds between two looks at who speaks
	slack  = 1.2  // of the share
)

// Room is one room's state. The zero value is ready. It belongs to whoever has the lock of
// its room.
type Room struct {
	tokens float64            // of the bucket
	filled int64              // when
	began  int64              // when the window did; 0: before the first message
	wants  map[string]float64 // what each sender, of bounds.Speakers, has sent since then
	all    float64            // and all of them
	share  float64            // messages a second of one sender; 0: as many as they like
	last   map[string]int64   // when a sender's message was let through last
	left   uint64             // left out and not told yet
	told   int64              // when that was told last
}

// Admit tells whether a message of a sender is let through, now being in milliseconds. target
// is positive. With one that is, once a second at most, tell is how many were left out that
// nobody was told of.
func (r *Room) Admit(now int64, sender string, target float64) (ok bool, tell uint64) {
	r.turn(now, target)
	r.tokens = min(target, r.tokens+float64(now-r.filled)/window*target)
	r.filled = now
	if _, known := r.wants[sender]; known || len(r.wants) < bounds.Speakers {
		r.wants[sender]++
	}
	r.all++
	last, known := r.last[sender]
	if known && r.share > 0 && float64(now-last) < window/(slack*r.share) || r.tokens < 1 {
		r.left++
	} else {
		r.tokens--
		r.last[sender] = now
		ok = true
	}
	if ok && r.left > 0 && now-r.told >= window {
		tell, r.left, r.told = r.left, 0, now
	}
	return ok, tell
}

// turn begins another window, if it is time.
func (r *Room) turn(now int64, target float64) {
	past := now - r.began
	switch {
	case r.began == 0 || past < 0: // the first message, or the clock went back
		*r = Room{tokens: target, filled: now, began: now, wants: make(map[string]float64), last: make(map[string]int64), left: r.left}
		return
	case past < window:
		return
	}
	r.share = 0
	if most := target * float64(past) / window; r.all > most {
		r.share = level(r.wants, most) * window / float64(past)
	}
	r.began, r.all = now, 0
	clear(r.wants)
	for sender, at := range r.last {
		if r.share == 0 || float64(now-at) >= window/(slack*r.share) {
			delete(r.last, sender)
		}
	}
}

// level is the most that each may have, if all together may have most, which is less than
// they want.
func level(wants map[string]float64, most float64) float64 {
	n := float64(len(wants))
	if n >= most {
		return most / n // and each wants 1
	}
	sorted := slices.Sorted(maps.Values(wants))
	for i, want := range sorted {
		if n := float64(len(sorted) - i); want*n >= most {
			return most / n
		}
		most -= want
	}
	return sorted[len(sorted)-1] // of one sender, by a hair
}

// Idle tells whether the state may be forgotten: nobody has spoken for some time, a longer one
// in a room that was hot.
func (r *Room) Idle(now int64) bool {
	after := int64(forget)
	if r.share == 0 && r.left == 0 {
		after = forgetCold
	}
	return now-r.filled > after || now < r.filled
}

// Milliseconds.
const (
	forget     = 600_000
	forgetCold = 10_000
)

// Publishing: the one place where a room's order is made.

package fanout

import (
	"errors"
	"math/bits"
	"time"
)

// ErrOverloaded means that a shard has more undelivered input than
// Config.InboxBytes, or that as much waits to go out in batches already. The message
// was given to no one.
var ErrOverloaded = errors.New("fanout: a shard is too far behind its input")

// Message is one encoded frame, shared by all who send it. Bytes must not change
// while a reference is held. Retain and Release are called from any goroutine.
type Message interface {
	Bytes() []byte
	Retain()
	Release()
}

// Publication is what Hub.Publish gives to a room.
type Publication interface {
	// Sequence is the message's number in the node's own order of the room, 0 if it
	// has none. Sequences must grow from one Publish to the next for as long as the
	// room has members: one that does not counts as 0. A publisher whose history has
	// epochs, each of which counts from 1, can have the epoch's number in the upper
	// bits.
	Sequence() uint64
	// Origin names the subscriber that it comes from and that is not to get it, as
	// Sink.Subscriber knows it; 0: it is for all.
	Origin() uint64
	// Encode returns a new reference to the message in an encoding. It is called
	// by Publish, on its goroutine and under no lock, at most once for each
	// encoding that has members. For a batched encoding it may also be called
	// later, by Run and by any shard, several of them at the same time.
	Encode(e Encoding) Message
	// AppendPart appends what a frame of several publications has for this one. It
	// is there for Config.Batch, and never called for encodings that are not batched.
	AppendPart(b []byte, e Encoding) []byte
	// Size is about how many bytes the publication holds. Only batches need it.
	Size() int
}

// Publish gives p to all members of room: it puts it, in the room's order and in
// each encoding that has members, into the inboxes of their shards and wakes
// these. What is to go out in a batch waits for Run instead. It returns how many
// members it was queued for, held ones included.
func (h *Hub) Publish(room string, p Publication) (members int, err error) {
	var made forms
	defer made.release()
	dir, now := h.stripes.Of(room), h.clock()
	it := part{p: p, seq: p.Sequence()}
	if h.cfg.Batched != 0 {
		it.size = p.Size()
	}
	for {
		dir.mu.Lock()
		e := dir.rooms.Get(room)
		if e == nil {
			dir.mu.Unlock()
			return 0, nil
		}
		all := e.encodings()
		later := h.postpones(dir, e, all, now)
		if h.overloaded(e.shards()) || later != 0 && h.waitingBytes.Load() > int64(h.cfg.InboxBytes) {
			dir.mu.Unlock()
			return 0, ErrOverloaded
		}
		// Encoding takes its time, and the lock must not be held for it: another
		// encoding may come into use meanwhile.
		missing := all &^ later &^ made.set
		if missing == 0 {
			members = int(e.members)
			e.rate.add(int64(now / time.Second))
			shards := h.push(e, room, &it, &made, later)
			switch {
			case later != 0:
				h.postpone(e.backlog, it)
			case all&h.cfg.Batched != 0:
				h.noteSent(e, room, now)
			}
			dir.mu.Unlock()
			h.wake(shards)
			return members, nil
		}
		dir.mu.Unlock()
		made.add(p, missing)
	}
}

// overloaded tells whether one of the shards has too much input.
func (h *Hub) overloaded(shards uint64) bool {
	for b := shards; b != 0; b &= b - 1 {
		if h.shards[bits.TrailingZeros64(b)].inboxBytes.Load() > int64(h.cfg.InboxBytes) {
			return true
		}
	}
	return false
}

// push puts a message into the inboxes of all shards that have members, in the
// encodings that they have them in, but for those that get it later. It returns the
// shards that it put it into. The stripe's lock is held.
func (h *Hub) push(e *entry, room string, p *part, made *forms, later EncodingSet) (shards uint64) {
	from := p.p.Origin()
	for _, u := range e.uses {
		if later.has(u.enc) {
			continue
		}
		m := made.in[u.enc]
		for b := u.shards; b != 0; b &= b - 1 {
			m.Retain()
			h.shards[bits.TrailingZeros64(b)].push(item{room: room, m: m, seq: p.seq, from: from, enc: u.enc})
		}
		shards |= u.shards
	}
	return shards
}

func (h *Hub) wake(shards uint64) {
	for b := shards; b != 0; b &= b - 1 {
		h.shards[bits.TrailingZeros64(b)].wake()
	}
}

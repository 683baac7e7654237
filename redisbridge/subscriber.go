package redisbridge

// The subscriber goroutine: the only one that writes SUBSCRIBE and
// UNSUBSCRIBE. One writer is what makes "dropped, then wanted again" end in
// subscribed: Redis sees the commands in the order of the decisions.

import (
	"time"
)

const (
	// roomsPerCommand bounds one SUBSCRIBE to 512 channels: large enough that
	// 20,000 rooms are some 80 commands, small enough that Redis is not kept
	// busy by one command for long.
	roomsPerCommand = 256
	// roomsPerStep bounds how long a sweep holds the lock that Want needs.
	roomsPerStep = 1024
)

// Want says that room has, or is about to have, a member on this node. True
// means that nobody needs to wait: the room is subscribed, or the bridge is down
// and waiting is pointless. False means that Ready(room) will be called. Any
// goroutine may call it; it never blocks.
func (b *Bridge) Want(room string) bool {
	ready, queued := b.rooms.want(room, b.now())
	if queued {
		signal(b.write)
	}
	return ready
}

// subscribe is the subscriber goroutine.
func (b *Bridge) subscribe() {
	tick := time.NewTicker(b.cfg.Linger / 3)
	defer tick.Stop()
	s := &subscriber{bridge: b}
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-b.write:
		case <-tick.C:
			s.sweep()
		}
		s.writeWanted()
	}
}

// A subscriber is the scratch space of its goroutine.
type subscriber struct {
	bridge   *Bridge
	names    []string
	channels []string
}

// writeWanted brings the present link up to date. On a new link the probe's
// channel comes last, so that a returned probe proves all rooms subscribed.
func (s *subscriber) writeWanted() {
	b := s.bridge
	l := b.rooms.present()
	if l == nil {
		return
	}
	if !l.greeted && len(b.fixed) > 0 && !l.subscribe(b.fixed) {
		return
	}
	for {
		s.names = b.rooms.take(l, roomsPerCommand, s.names[:0])
		if len(s.names) == 0 {
			break
		}
		if !l.subscribe(s.roomChannels(s.names)) {
			return
		}
	}
	if !l.greeted && l.subscribe([]string{b.probeChannel}) {
		l.greeted = true
	}
	s.release()
}

// sweep drops the rooms that have had no members for the linger time. A room
// seen with members stays for a whole linger from then on.
func (s *subscriber) sweep() {
	b := s.bridge
	now := b.now()
	cutoff := now - b.cfg.Linger - b.cfg.Linger/3
	for pos := -1; pos != 0; {
		s.names, pos = b.rooms.step(pos, roomsPerStep, s.names[:0])
		empty := s.names[:0]
		for _, name := range s.names {
			if b.cfg.Members(name) > 0 {
				b.rooms.touch(name, now)
			} else {
				empty = append(empty, name)
			}
		}
		gone, l := b.rooms.remove(empty, cutoff, nil)
		for l != nil && len(gone) > 0 {
			n := min(len(gone), roomsPerCommand)
			if !l.unsubscribe(s.roomChannels(gone[:n])) {
				break // a new link starts without them anyway
			}
			gone = gone[n:]
		}
	}
	s.release()
}

func (s *subscriber) roomChannels(names []string) []string {
	s.channels = s.channels[:0]
	for _, name := range names {
		s.channels = append(s.channels, s.bridge.cfg.Prefix+name, s.bridge.internalPrefix+name)
	}
	return s.channels
}

// release lets go of the names of rooms, some of which may be gone.
func (s *subscriber) release() {
	clear(s.names[:cap(s.names)])
	clear(s.channels[:cap(s.channels)])
}

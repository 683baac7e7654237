package redisbridge

// The subscriber goroutine: the only one that writes SUBSCRIBE and
// UNSUBSCRIBE. One writer is what makes "dropped, then wanted again" end in
// subscribed: Redis sees the commands in the order of the decisions.

import (
	"slices"
	"time"

	"barrage/internal/broker"
)

const (
	// roomsPerCommand bounds one SUBSCRIBE to 512 channels or so: large enough that
	// 20,000 rooms are some 80 commands, small enough that Redis is not kept
	// busy by one command for long.
	roomsPerCommand = 256
	// roomsPerStep bounds how long a sweep holds the lock that Want needs.
	roomsPerStep = 1024
)

// Want implements broker.Broker. True also if the bridge is down and waiting is
// pointless.
func (b *Bridge) Want(room string) bool {
	ready, queued, catchup := b.rooms.want(room, b.now(), b.freshRoom, b.followBegun)
	if catchup != nil {
		b.catch.add(catchup)
	}
	if queued {
		signal(b.write)
		if b.cfg.Sharded {
			signal(b.shards.wake) // it may be the first room of a partition
		}
	}
	return ready
}

func (b *Bridge) freshRoom(name string) *room {
	r := &room{name: name, part: b.names.partition(name), has: gotPlain | gotInternal, stripe: b.stripes.Of(name)}
	if broker.Decomposed(name) != name {
		r.has |= gotDecomposed
	}
	if b.cfg.Retention(name).On() {
		r.track.Store(&track{})
	}
	return r
}

// followBegun follows a room from now on, if it has begun to keep a history since
// it was made.
func (b *Bridge) followBegun(r *room) bool {
	return b.cfg.Retention(r.name).On() && r.track.CompareAndSwap(nil, &track{joined: true})
}

// subscribe is the subscriber goroutine.
func (b *Bridge) subscribe() {
	tick := time.NewTicker(b.cfg.Linger / 3)
	defer tick.Stop()
	var pings <-chan time.Time
	if b.cfg.Sharded {
		t := time.NewTicker(b.cfg.ProbeInterval)
		defer t.Stop()
		pings = t.C
	}
	s := &subscriber{bridge: b}
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-b.write:
		case <-tick.C:
			s.sweep()
		case <-pings:
			s.ping()
		}
		s.writeWanted()
		s.writeShards()
	}
}

// A subscriber is the scratch space of its goroutine.
type subscriber struct {
	bridge   *Bridge
	names    []string
	rooms    []*room
	partings []parting
	channels []string
}

// writeWanted brings the present link up to date. On a new link the probe's
// channel comes last, so that a returned probe proves all rooms subscribed.
func (s *subscriber) writeWanted() {
	b := s.bridge
	main := &b.rooms.main
	l := b.rooms.present(main)
	if l == nil {
		return
	}
	if !l.greeted && len(b.fixed) > 0 && !l.write("subscribe", b.fixed) {
		return
	}
	if !s.writeRooms(main, l, "subscribe") {
		return
	}
	if !l.greeted && l.write("subscribe", []string{b.helloChannel, b.probeChannel}) {
		l.greeted = true
	}
	s.release()
}

// writeRooms subscribes the rooms of a lane that wait for it.
func (s *subscriber) writeRooms(ln *lane, l *link, command string) bool {
	for {
		s.rooms = s.bridge.rooms.take(ln, l, roomsPerCommand, s.rooms[:0])
		if len(s.rooms) == 0 {
			return true
		}
		s.channels = s.channels[:0]
		for _, r := range s.rooms {
			s.addChannels(r, ln.carries)
		}
		if !l.write(command, s.channels) {
			return false
		}
	}
}

func (s *subscriber) addChannels(r *room, carries uint8) {
	carries &= r.has
	if carries&gotPlain != 0 {
		s.channels = append(s.channels, s.bridge.names.plain(r.name))
	}
	if carries&gotDecomposed != 0 {
		s.channels = append(s.channels, s.bridge.names.plain(broker.Decomposed(r.name)))
	}
	if carries&gotInternal != 0 {
		s.channels = append(s.channels, s.bridge.names.message(r.name))
	}
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
			if b.receiver.Members(name) > 0 {
				b.rooms.touch(name, now)
			} else {
				empty = append(empty, name)
			}
		}
		var l *link
		s.partings, l = b.rooms.remove(empty, cutoff, s.partings[:0])
		s.part(s.partings, l)
		s.partShards(s.partings)
	}
	s.release()
}

// part unsubscribes rooms that were dropped. If that fails, the next link starts
// without them anyway.
func (s *subscriber) part(gone []parting, l *link) {
	if l == nil {
		return
	}
	for some := range slices.Chunk(gone, roomsPerCommand) {
		s.channels = s.channels[:0]
		for _, p := range some {
			s.addChannels(p.room, s.bridge.rooms.main.carries)
		}
		if !l.write("unsubscribe", s.channels) {
			return
		}
	}
}

// release lets go of rooms, some of which may be gone.
func (s *subscriber) release() {
	clear(s.names[:cap(s.names)])
	clear(s.rooms[:cap(s.rooms)])
	clear(s.partings[:cap(s.partings)])
	clear(s.channels[:cap(s.channels)])
}

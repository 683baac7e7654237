package redisbridge

// How far this node has delivered the history of each room it wants, and what a
// message with an offset therefore means: the next one, one had already, or one
// behind a hole.

import "barrage/internal/broker"

const (
	// What may be held in a room, and in all, until the hole before it is filled.
	// What does not fit is read again from the history.
	heldPerRoom = 256
	heldBytes   = 16 << 20
	// heldOverhead is about what one takes beside its payload.
	heldOverhead = 256
)

// A track is guarded by the lock of its room's stripe.
type track struct {
	epoch  string   // "": nothing had ever been published when the room was wanted
	stamp           // of the newest message delivered; time 0: not known
	newest int64    // the latest time of any message delivered, of whichever epoch
	past   [2]ended // the epochs that ended here last

	known   bool       // epoch and stamp hold: the history has been read once
	live    bool       // the next offset can be delivered at once; else it is held
	held    []envelope // what came while not live, in the order it came
	spilled bool       // some of that was too much and is in the history only
	joined  bool       // there were members before it: what is held at first is news to them
	links   int        // how often the room was subscribed: what was read before may be another server's
}

// trackFrom follows a room that has just begun to keep a history, with this
// message as the next one.
func trackFrom(e *envelope) *track {
	t := &track{known: true, live: true}
	t.moveTo(e.epoch, stamp{offset: e.offset - 1})
	return t
}

// An ended epoch should not come back. What still comes of it is old; and should
// we be talking to a server that has not noticed its end (a deposed master), we
// go on there where we were.
type ended struct {
	epoch string
	stamp
}

func (t *track) hasEnded(epoch string) bool {
	return epoch != "" && (epoch == t.past[0].epoch || epoch == t.past[1].epoch)
}

func (t *track) moveTo(epoch string, at stamp) { t.epoch, t.stamp = epoch, at }

// isNext tells whether e comes right behind the newest message delivered. The next
// offset alone would not tell: a master that took over may have given our newest one
// to another message, and no word of that may have come through the cluster.
func (t *track) isNext(e *envelope) bool {
	return e.epoch == t.epoch && e.offset == t.offset+1 && (e.before == t.time || e.before == 0 || t.time == 0)
}

// follow is called for each message with an offset. It tells whether the room's
// history must be read.
func (b *Bridge) follow(r *room, e *envelope) (read bool) {
	r.stripe.mu.Lock()
	defer b.unlock(r.stripe)
	if r.track.Load() == nil {
		r.track.CompareAndSwap(nil, trackFrom(e))
	}
	t := r.track.Load()
	switch {
	case !t.live:
		b.holdLocked(t, e)
		return false // it is being read
	case t.isNext(e):
		b.passLocked(r, e)
		return false
	case e.epoch != t.epoch && e.offset == 1 && e.time > t.newest && (t.newest != 0 || t.epoch == ""):
		b.endEpochLocked(r, e.epoch) // newer than what we have, and nothing missing
		b.passLocked(r, e)
		return false
	case e.epoch == t.epoch && e.offset <= t.offset && (e.time <= t.time || t.time == 0):
		b.count.duplicates.Add(1)
		return false
	}
	// A hole, another epoch, or an offset given a second time: this one, or the one
	// before it.
	t.live = false
	b.holdLocked(t, e)
	return true
}

// subscribedAnew is called when a room is subscribed on a new connection, before anything
// comes by it. That may be of a server which gave our newest offset to another
// message, so the next offset is not enough: the history must be read first, for which
// the caller has it queued.
func (b *Bridge) subscribedAnew(name string) {
	r := b.rooms.lookup(name)
	if r == nil || r.track.Load() == nil {
		return
	}
	r.stripe.mu.Lock()
	defer r.stripe.mu.Unlock()
	t := r.track.Load()
	t.links++
	t.live = false
}

// unread tells whether a room has been followed only since its messages' channel was
// subscribed, so that nobody has it read.
func (b *Bridge) unread(r *room) bool {
	r.stripe.mu.Lock()
	defer r.stripe.mu.Unlock()
	t := r.track.Load()
	return t.links == 0 && !t.live
}

func (b *Bridge) isLive(r *room) bool {
	r.stripe.mu.Lock()
	defer r.stripe.mu.Unlock()
	return r.track.Load().live
}

// passLocked delivers a message and moves the room on to it.
func (b *Bridge) passLocked(r *room, e *envelope) {
	t := r.track.Load()
	t.moveTo(e.epoch, e.stamp)
	t.newest = max(t.newest, e.time)
	if e.node == b.cfg.Node && !b.inflight.returned(e.number, broker.Position{Epoch: e.epoch, Offset: e.offset}) {
		b.count.suppressed.Add(1)
		return
	}
	b.count.received.Add(1)
	b.count.receivedBytes.Add(uint64(len(e.payload)))
	r.stripe.putLocked(call{room: r.name, message: e.message(r.name)})
}

func (b *Bridge) holdLocked(t *track, e *envelope) {
	if len(t.held) >= heldPerRoom || b.held.Load()+heldSize(e) > heldBytes {
		t.spilled = true
		return
	}
	b.held.Add(heldSize(e))
	t.held = append(t.held, *e)
}

func (b *Bridge) unholdLocked(t *track, n int) {
	for i := range t.held[:n] {
		b.held.Add(-heldSize(&t.held[i]))
	}
	if t.held = t.held[n:]; len(t.held) == 0 {
		t.held = nil
	}
}

func heldSize(e *envelope) int64 { return int64(len(e.payload)) + heldOverhead }

// loseLocked tells the members that the messages up to offset are gone.
func (b *Bridge) loseLocked(r *room, offset uint64) {
	t := r.track.Load()
	b.count.gaps.Add(1)
	gap := broker.Gap{Epoch: t.epoch, From: t.offset + 1, To: offset, Reason: broker.GapTrimmed}
	r.stripe.putLocked(call{room: r.name, gap: &gap})
	t.moveTo(t.epoch, stamp{offset: offset})
}

// endEpochLocked tells the members that the history they follow is gone, unless
// there was none yet, and goes to the beginning of another.
func (b *Bridge) endEpochLocked(r *room, epoch string) {
	t := r.track.Load()
	at := stamp{}
	for _, p := range t.past {
		if p.epoch == epoch && epoch != "" {
			at = p.stamp
		}
	}
	if t.epoch != "" {
		t.past = [2]ended{{t.epoch, t.stamp}, t.past[0]}
		b.count.gaps.Add(1)
		gap := broker.Gap{Epoch: t.epoch, From: t.offset + 1, Reason: broker.GapEpoch}
		r.stripe.putLocked(call{room: r.name, gap: &gap})
	}
	t.moveTo(epoch, at)
}

// position is how far a room's history has been delivered here, zero if that is
// not known.
func (b *Bridge) position(name string) broker.Position {
	r := b.rooms.lookup(name)
	if r == nil {
		return broker.Position{}
	}
	t := r.track.Load()
	if t == nil {
		return broker.Position{}
	}
	r.stripe.mu.Lock()
	defer r.stripe.mu.Unlock()
	return broker.Position{Epoch: t.epoch, Offset: t.offset}
}

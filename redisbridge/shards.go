package redisbridge

// Sharded pub/sub: which connection carries the internal channels of which
// partitions. There is one connection, with a reader goroutine of its own, to
// each master that owns partitions with rooms of ours. A slot that moves takes
// its subscriptions with it: the old owner says so, or answers MOVED, and the
// router goroutine finds the new one.

import (
	"context"
	"fmt"
	"sync"
	"time"

	"barrage/internal/broker"
)

// routeInterval is the time between two looks at who owns what, beside those
// that something gives cause for.
const routeInterval = time.Second

// shards is what the router has of each master.
type shards struct {
	wake chan struct{}

	mu    sync.Mutex
	lanes map[string]*shardLane // by address
}

type shardLane struct {
	lane    *lane         // nil: no connection now
	link    *link         // of lane
	attempt int           // connections in a row that carried nothing
	next    time.Duration // not to be tried before
}

// cut ends all connections.
func (s *shards) cut(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sl := range s.lanes {
		if sl.link != nil {
			sl.link.cut(cause)
		}
	}
}

// open gives the lanes that have a connection.
func (s *shards) open() (lanes []*lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sl := range s.lanes {
		if sl.lane != nil {
			lanes = append(lanes, sl.lane)
		}
	}
	return lanes
}

// route is the router goroutine. Close ends it and the readers it starts.
func (b *Bridge) route() {
	tick := time.NewTicker(routeInterval)
	defer tick.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-tick.C:
		case <-b.shards.wake:
		}
		b.assign()
		for _, room := range b.rooms.releaseOrphans(b.now()) {
			b.ready(room)
		}
	}
}

// assign gives every partition in use to the connection to its owner.
func (b *Bridge) assign() {
	ctx, cancel := context.WithTimeout(b.ctx, b.cfg.Timeout)
	defer cancel()
	for _, p := range b.rooms.partitionsInUse() {
		owner, err := b.client.masterOf(ctx, p)
		if err != nil {
			b.health.blame(err)
			return
		}
		if ln := b.laneTo(owner.Options().Addr); ln != nil && b.rooms.routeTo(p, ln) {
			signal(b.write)
		}
	}
}

// laneTo gives the lane to a master, and starts its reader if need be; nil while
// it is too early for another try.
func (b *Bridge) laneTo(addr string) *lane {
	s := &b.shards
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lanes == nil {
		s.lanes = make(map[string]*shardLane)
	}
	sl := s.lanes[addr]
	if sl == nil {
		sl = &shardLane{}
		s.lanes[addr] = sl
	}
	if sl.lane != nil || b.now() < sl.next || b.ctx.Err() != nil {
		return sl.lane
	}
	ln := &lane{carries: gotInternal, addr: addr, links: &b.count.shardLinks}
	opt := b.address.options()
	opt.Addr = addr
	sl.lane = ln
	sl.link = newLink(b.ctx, opt, func(l *link) {
		b.rooms.linked(ln, l)
		signal(b.write)
	})
	link := sl.link
	b.goroutines.Go(func() { b.readLane(sl, ln, link) })
	return ln
}

// readLane receives on one connection. When it is lost, its partitions are
// nobody's until the router has found their owners.
func (b *Bridge) readLane(sl *shardLane, ln *lane, l *link) {
	err := b.drain(l, ln)
	l.close()
	b.rooms.unroute(ln, b.now())
	s := &b.shards
	s.mu.Lock()
	if sl.attempt++; l.ponged.Load() != 0 {
		sl.attempt = 0
	}
	pause := backoff(sl.attempt)
	sl.lane, sl.link, sl.next = nil, nil, b.now()+pause
	s.mu.Unlock()
	if b.ctx.Err() != nil {
		return
	}
	b.health.blame(err)
	b.log.Warn("no redis connection for sharded pub/sub, building a new one", "address", ln.addr, "error", err)
	b.client.reload()
	sleep(b.ctx, pause)
	signal(b.shards.wake)
}

// unsubscribed is called for every SUNSUBSCRIBE that Redis confirms. One that we
// did not ask for means that the slot has moved.
func (b *Bridge) unsubscribed(ln *lane, channel string) {
	name, ok := b.names.roomOfMessage(channel)
	if ok && b.rooms.moved(ln, name, b.now()) {
		b.client.reload()
		signal(b.shards.wake)
	}
}

// orphanErr tells of partitions that have had no connection for too long.
func (b *Bridge) orphanErr() error {
	if n := b.rooms.orphaned(b.now()); n > 0 {
		return fmt.Errorf("redis: %w: %d of %d partitions are not subscribed", broker.ErrUnavailable, n, partitions)
	}
	return nil
}

// writeShards brings the present links of sharded pub/sub up to date.
func (s *subscriber) writeShards() {
	for _, ln := range s.bridge.shards.open() {
		if l := s.bridge.rooms.present(ln); l != nil {
			s.writeRooms(ln, l, "ssubscribe") // or the link is cut
		}
	}
	s.release()
}

// partShards unsubscribes rooms that were dropped, one by one: a command may name
// channels of one slot only.
func (s *subscriber) partShards(gone []parting) {
	for _, p := range gone {
		if p.shard != nil {
			// If that fails, the link is cut, and the next one starts without it.
			p.shard.write("sunsubscribe", []string{s.bridge.names.message(p.room.name)})
		}
	}
}

// ping asks for a sign of life on each link of sharded pub/sub, and cuts those
// that have not answered the last one.
func (s *subscriber) ping() {
	b := s.bridge
	for _, ln := range b.shards.open() {
		l := b.rooms.present(ln)
		if l == nil {
			continue
		}
		now := b.now()
		switch answered := time.Duration(l.ponged.Load()) >= l.pinged; {
		case answered:
			l.pinged = now
			l.write("ping", nil)
		case now-l.pinged > b.cfg.ProbeTimeout:
			l.cut(errDeaf)
		}
	}
}

package redisbridge

// The reader goroutine: builds one subscription connection after the other,
// parses what arrives, delivers it. It never waits for another goroutine.

import (
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker"
)

const (
	backoffFrom = 50 * time.Millisecond
	backoffTo   = 2 * time.Second
)

// read is the reader goroutine.
func (b *Bridge) read() {
	for attempt := 0; b.ctx.Err() == nil; attempt++ {
		l := newLink(b.ctx, b.linkOptions(attempt), b.opened)
		b.link.Store(l)

		err := b.drain(l, &b.rooms.main)

		b.link.Store(nil)
		b.rooms.unlinked(&b.rooms.main)
		l.close()
		if b.ctx.Err() != nil {
			return
		}
		// Only a link that carried a probe all the way shows that things are
		// well; one that merely opens, to be refused something, must not be
		// rebuilt at full speed.
		if l.proven {
			attempt = 0
		}
		b.lost(err, attempt)
		sleep(b.ctx, backoff(attempt))
	}
}

// opened has the rooms subscribed on a new link. What is read from then on must be
// of the same master.
func (b *Bridge) opened(l *link) {
	if b.address.kind == sentinel {
		b.client.follow(b.address.masterView.present())
	}
	b.rooms.linked(&b.rooms.main, l)
	signal(b.write)
}

// backoff draws from the whole range ("full jitter"), so that nodes cut off
// together do not come back together.
func backoff(attempt int) time.Duration {
	limit := backoffTo
	if attempt < 6 {
		limit = min(limit, backoffFrom<<attempt)
	}
	return rand.N(limit) + 1
}

// lost logs the first of a row of failures only.
func (b *Bridge) lost(err error, attempt int) {
	b.health.blame(err)
	if attempt == 0 {
		b.log.Warn("no redis subscription connection, building a new one", "error", err)
	}
}

// drain receives on a lane until its link is lost.
func (b *Bridge) drain(l *link, ln *lane) error {
	for {
		m, err := l.receive()
		if err != nil {
			return err
		}
		b.count.heard.Add(1)
		if !l.answered {
			l.answered = true
			ln.links.Add(1)
		}
		switch m := m.(type) {
		case *redis.Message:
			b.arrived(l, m.Channel, m.Payload)
		case *redis.Pong:
			l.ponged.Store(int64(b.now()))
		case *redis.Subscription:
			switch m.Kind { // an UNSUBSCRIBE is ours: nothing to do
			case "subscribe", "ssubscribe":
				b.confirmed(ln, m.Channel)
			case "sunsubscribe":
				b.unsubscribed(ln, m.Channel)
			}
		}
	}
}

// confirmed handles the reply to one channel of a SUBSCRIBE.
func (b *Bridge) confirmed(ln *lane, channel string) {
	if channel == b.probeChannel {
		signal(b.probeNow) // the last of all channels: healthy is one probe away
		return
	}
	which := uint8(gotInternal)
	name, ok := b.names.roomOfMessage(channel)
	if !ok {
		form, outside := strings.CutPrefix(channel, b.cfg.Prefix)
		if !outside {
			return // one of Config.Channels
		}
		if which, name = gotPlain, broker.Normal(form); name != form {
			which = gotDecomposed
		}
	}
	if which == gotInternal {
		b.subscribedAnew(name)
	}
	r, ready := b.rooms.confirm(ln, name, which)
	if which == gotInternal {
		r = b.rooms.lookup(name) // also if the other is not confirmed yet
	}
	switch {
	case ready:
		b.ready(name)
	case r == nil || r.track.Load() == nil:
	case which == gotInternal || b.unread(r):
		b.catch.add(r) // not before it is confirmed: that would be one reading more, after Ready
	case b.isLive(r) && b.rooms.caughtUp(r):
		b.ready(name) // it had been read already
	}
}

func (b *Bridge) arrived(l *link, channel, payload string) {
	if room, ok := b.names.roomOfMessage(channel); ok {
		b.fromNode(room, payload)
		return
	}
	if channel == b.probeChannel {
		b.probeBack(l, payload)
		return
	}
	if channel == b.helloChannel {
		b.heardHello(payload)
		return
	}
	if room, ok := strings.CutPrefix(channel, b.cfg.Prefix); ok {
		if b.neighbours.others(channel) {
			b.count.foreign.Add(1)
			return
		}
		b.fromOutside(broker.Normal(room), payload)
		return
	}
	if room, ok := b.cfg.Channels[channel]; ok {
		b.fromOutside(room, payload)
	}
}

func (b *Bridge) fromNode(room, payload string) {
	e, ok := parseEnvelope(payload)
	if !ok {
		b.count.foreign.Add(1)
		return
	}
	r := b.rooms.lookup(room)
	if r == nil {
		return // given up meanwhile; nobody is there
	}
	if e.offset == 0 {
		if e.node == b.cfg.Node && !b.inflight.returned(e.number, broker.Position{}) {
			b.count.suppressed.Add(1)
			return
		}
		b.received(e.message(room))
		return
	}
	if b.follow(r, &e) {
		b.catch.add(r)
	}
}

// fromOutside passes on what any program published, bare.
func (b *Bridge) fromOutside(room, payload string) {
	m := &broker.Message{
		Room: room, ID: messageID(b.cfg.Node, b.number.Add(1)), Time: time.Now().UnixMilli(),
		Format: broker.Text, Payload: stringBytes(payload),
	}
	if !utf8.ValidString(payload) {
		m.Format = broker.Binary
	}
	b.received(m)
}

// signal wakes the goroutine that waits on a channel of capacity one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

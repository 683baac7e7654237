package redisbridge

// The reader goroutine: builds one subscription connection after the other,
// parses what arrives, delivers it. It never waits for another goroutine.

import (
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
)

const (
	backoffFrom = 50 * time.Millisecond
	backoffTo   = 2 * time.Second
)

// read is the reader goroutine.
func (b *Bridge) read() {
	for attempt := 0; b.ctx.Err() == nil; attempt++ {
		l := newLink(b.ctx, b.opt, b.opened)
		b.link.Store(l)

		err := b.drain(l)

		b.link.Store(nil)
		b.rooms.unlinked()
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
		b.sleep(backoff(attempt))
	}
}

// opened has the rooms subscribed on a new link.
func (b *Bridge) opened(l *link) {
	b.rooms.linked(l)
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

func (b *Bridge) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-b.ctx.Done():
	}
}

// lost logs the first of a row of failures only.
func (b *Bridge) lost(err error, attempt int) {
	b.health.blame(err)
	if attempt == 0 {
		b.log.Warn("no redis subscription connection, building a new one", "error", err)
	}
}

// drain receives until the link is lost.
func (b *Bridge) drain(l *link) error {
	for {
		e, err := l.receive()
		if err != nil {
			return err
		}
		b.count.heard.Add(1)
		if !l.answered {
			l.answered = true
			b.count.links.Add(1)
		}
		switch e.kind {
		case eventMessage:
			b.arrived(l, e.channel, e.payload)
		case eventSubscribed:
			b.confirmed(e.channel)
		}
	}
}

// confirmed handles the reply to one channel of a SUBSCRIBE.
func (b *Bridge) confirmed(channel string) {
	name, which := "", uint8(0)
	switch {
	case channel == b.probeChannel:
		signal(b.probeNow) // the last of all channels: healthy is one probe away
		return
	case strings.HasPrefix(channel, b.internalPrefix):
		name, which = channel[len(b.internalPrefix):], gotInternal
	case strings.HasPrefix(channel, b.cfg.Prefix):
		name, which = channel[len(b.cfg.Prefix):], gotPlain
	default:
		return // one of Config.Channels
	}
	if b.rooms.confirm(name, which) {
		b.cfg.Ready(name)
	}
}

func (b *Bridge) arrived(l *link, channel, payload string) {
	switch {
	case strings.HasPrefix(channel, b.internalPrefix):
		b.fromNode(channel[len(b.internalPrefix):], payload)
	case channel == b.probeChannel:
		b.probeBack(l, payload)
	case strings.HasPrefix(channel, b.cfg.Prefix):
		b.received(channel[len(b.cfg.Prefix):], !utf8.ValidString(payload), payload)
	default:
		if room, ok := b.cfg.Channels[channel]; ok {
			b.received(room, !utf8.ValidString(payload), payload)
		}
	}
}

func (b *Bridge) fromNode(room, s string) {
	e, ok := parseEnvelope(s)
	if !ok {
		b.count.foreign.Add(1)
		return
	}
	if e.node == b.cfg.Node && !b.ledger.returned(e.number) {
		b.count.suppressed.Add(1)
		return
	}
	b.received(room, e.binary, e.payload)
}

func (b *Bridge) received(room string, binary bool, payload string) {
	b.count.received.Add(1)
	b.count.receivedBytes.Add(uint64(len(payload)))
	// No copy: Deliver promises not to change the bytes.
	b.deliver(room, binary, unsafe.Slice(unsafe.StringData(payload), len(payload)))
}

// deliver serves the reader and, in an outage, those who publish. The lock is
// held during the callback because it is what makes the order of two such calls
// the same for all shards behind Deliver; Deliver never blocks.
func (b *Bridge) deliver(room string, binary bool, payload []byte) {
	b.delivering.Lock()
	defer b.delivering.Unlock()
	b.cfg.Deliver(room, binary, payload)
}

// signal wakes the goroutine that waits on a channel of capacity one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

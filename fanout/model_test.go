//go:build !race

// The shards against a naive oracle, by random operations: all in one goroutine, so the
// race detector would find nothing, and have time for a tenth of them.

package fanout

import (
	"cmp"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	modelShards    = 2
	modelSubs      = 12 // in each shard
	modelRooms     = 3
	modelEncodings = 3 // one of them batched
)

// TestModel drives the shards with random operations and compares every
// subscriber's stream with what the oracle says it should have got.
func TestModel(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("1000") // the defects it has found needed that many
	}
	rapid.Check(t, func(t *rapid.T) {
		o := newOracle(t, Config{
			Shards: modelShards, RoomBytes: segmentSize,
			SliceSends: rapid.IntRange(1, 5).Draw(t, "slice"),
			ShardBytes: rapid.SampledFrom([]int{segmentSize, 1 << 30}).Draw(t, "all logs"),
			BatchBytes: rapid.SampledFrom([]int{1, 500, 1 << 30}).Draw(t, "batch"),
		})
		for sub := range modelSubs {
			o.join(t, memberKey{0, sub, "room0"}, Encoding(sub%modelEncodings), false)
			o.join(t, memberKey{1, sub, fmt.Sprint("room", sub%modelRooms)}, Encoding(sub%2)*batched, sub%4 == 1)
		}
		shard := func(t *rapid.T) int { return rapid.IntRange(0, modelShards-1).Draw(t, "shard") }
		sub := func(t *rapid.T) int { return rapid.IntRange(0, modelSubs-1).Draw(t, "sub") }
		room := func(t *rapid.T) string {
			return fmt.Sprint("room", rapid.IntRange(0, modelRooms-1).Draw(t, "room"))
		}
		at := func(t *rapid.T) memberKey { return memberKey{shard(t), sub(t), room(t)} }
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				enc := Encoding(rapid.IntRange(0, modelEncodings-1).Draw(t, "encoding"))
				o.join(t, at(t), enc, rapid.Bool().Draw(t, "held"))
			},
			"resume": func(t *rapid.T) {
				p := at(t)
				if held := o.held(); len(held) > 0 {
					p = rapid.SampledFrom(held).Draw(t, "held")
				}
				// Around the newest sequence: nothing, old ones, and ones to come.
				newest := int(o.newest[p.room])
				o.resume(t, p, uint64(rapid.IntRange(max(0, newest-30), newest+10).Draw(t, "after")))
			},
			"leave":   func(t *rapid.T) { o.leave(t, at(t)) },
			"gone":    func(t *rapid.T) { o.gone(t, shard(t), sub(t)) },
			"publish": func(t *rapid.T) { o.publishMany(t, room(t)) },
			"flush":   func(t *rapid.T) { o.flush(t) },
			"silence": func(t *rapid.T) { o.silence(room(t)) },
			"work":    func(t *rapid.T) { o.work(t, shard(t)) },
			"freeze": func(t *rapid.T) {
				o.sinks[shard(t)].socks[sub(t)].room = rapid.IntRange(0, 70000).Draw(t, "bytes")
			},
			"thaw": func(t *rapid.T) { o.thaw(shard(t), sub(t), rapid.IntRange(1, 1<<20).Draw(t, "bytes")) },
			"":     func(t *rapid.T) { o.checkAll(t) },
		})
		o.finish(t)
	})
}

// oracle is the naive model: for each membership a list of what must come.
type oracle struct {
	hub     *Hub
	shards  []*Shard
	sinks   []*fakeSink
	members map[memberKey]*membership
	logs    map[logKey]*logModel // of the rooms that have members there
	pubs    []*pub
	batcher batcher
	waiting map[string]*backlogModel // of the rooms that have batched members, once these got something
	due     []*backlogModel          // in which something waits, or did when the last batched member left
	newest  map[string]uint64        // the last sequence given to a room
	t       *rapid.T                 // of the operation at hand
	// What the shards must have counted.
	slow, replayed [modelShards]uint64
	own            [modelShards]uint64 // at most
}

type memberKey struct {
	shard, sub int
	room       string
}

type logKey struct {
	shard int
	room  string
	enc   Encoding
}

// logModel is what the oracle knows of a log.
type logModel struct {
	members int
	next    uint64 // number of the next frame, those in the inbox included
	last    uint64 // the greatest sequence so far
}

// frame is one message for one log.
type frame struct {
	msg int    // the message's number
	num uint64 // the frame's
	seq uint64 // of the message; 0 if it has none
	own bool   // the member sent it, and is spared it
}

type membership struct {
	enc   Encoding
	held  bool
	own   bool    // it was spared messages of its own
	after uint64  // it was given everything up to here by Resume
	want  []frame // what it may still get, in order; the shard's inbox included
}

func newOracle(t *rapid.T, cfg Config) *oracle {
	o := &oracle{
		t: t, members: make(map[memberKey]*membership), logs: make(map[logKey]*logModel),
		waiting: make(map[string]*backlogModel), newest: make(map[string]uint64),
	}
	hub, err := NewHub(o.batcher.config(cfg, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	hub.setBatching(true) // in place of Run there is flush
	o.hub = hub
	for i := range cfg.Shards {
		sink := newFakeSink(modelSubs, 1<<30)
		sink.base = o.origin(memberKey{shard: i})
		sink.onSkip = func(sub uint32, room string, n, from, to uint64) {
			o.skipped(memberKey{i, int(sub), room}, n, from, to)
		}
		o.shards, o.sinks = append(o.shards, hub.Shard(i)), append(o.sinks, sink)
		o.shards[i].Attach(sink, func() {})
	}
	return o
}

// origin is the one of publications of a subscriber.
func (o *oracle) origin(p memberKey) uint64 { return uint64(1 + p.shard*modelSubs + p.sub) }

func (o *oracle) join(t *rapid.T, p memberKey, enc Encoding, held bool) {
	o.work(t, p.shard) // so that nothing published before is in the inbox
	m := o.members[p]
	if joined := o.shards[p.shard].Join(uint32(p.sub), p.room, enc, held); joined != (m == nil) {
		t.Fatalf("Join's answer is %v", joined)
	}
	if m != nil {
		return
	}
	o.members[p] = &membership{enc: enc, held: held}
	lp := logKey{p.shard, p.room, enc}
	if o.logs[lp] == nil {
		o.logs[lp] = new(logModel)
	}
	o.logs[lp].members++
}

func (o *oracle) publishMany(t *rapid.T, room string) {
	for range rapid.IntRange(1, 20).Draw(t, "count") {
		p := newPub(len(o.pubs), rapid.SampledFrom([]int{0, 1, 50, 3000, sharedFrameSize, 30000}).Draw(t, "size"))
		switch step := rapid.IntRange(-2, 3).Draw(t, "sequence"); {
		case step > 0:
			p.seq = o.newest[room] + uint64(step)
			o.newest[room] = p.seq
		case step < 0:
			p.seq = o.newest[room] / uint64(-step) // not greater: counts as none
		}
		if rapid.Bool().Draw(t, "without echo") {
			p.from = rapid.Uint64Range(1, modelShards*modelSubs+1).Draw(t, "from") // the last is nobody's
		}
		o.pubs = append(o.pubs, p)
		o.publish(t, room, p)
	}
}

func (o *oracle) publish(t *rapid.T, room string, p *pub) {
	encodings, members := EncodingSet(0), 0
	for pl, m := range o.members {
		if pl.room == room {
			encodings |= 1 << m.enc
			members++
		}
	}
	if n, err := o.hub.Publish(room, p); err != nil || n != members {
		t.Fatalf("Publish returned %d, %v, want %d members", n, err, members)
	}
	if encodings&(1<<batched) != 0 && o.postponed(room, p) {
		encodings &^= 1 << batched
	}
	if p.encodings() != encodings {
		t.Fatalf("encoded to %b, want %b", p.encodings(), encodings)
	}
	for lp, l := range o.logs {
		if lp.room == room && encodings>>lp.enc&1 != 0 {
			o.deliver(lp, l, p)
		}
	}
}

// deliver puts a message into a log.
func (o *oracle) deliver(lp logKey, l *logModel, p *pub) {
	f := frame{msg: p.num, num: l.next}
	l.next++
	if p.seq > l.last {
		l.last, f.seq = p.seq, p.seq
	}
	for pl, m := range o.members {
		switch {
		case pl.room != lp.room || pl.shard != lp.shard || m.enc != lp.enc:
		case p.from != 0 && p.from == o.origin(pl):
			m.own = true
			o.own[pl.shard]++
			m.want = append(m.want, frame{f.msg, f.num, f.seq, true})
		default:
			m.want = append(m.want, f)
		}
	}
}

// replay takes out of a membership's list what Resume says it was given: all up
// to the last message in the log that has such a sequence.
func (o *oracle) replay(p memberKey, m *membership) {
	if m.after == 0 || m.held {
		return
	}
	head := o.shards[p.shard].byRoom[m.enc].Get(p.room).log.head
	n := 0
	for i, f := range m.want {
		if f.num < head && f.seq != 0 && f.seq <= m.after {
			n = i + 1
		}
	}
	for _, f := range m.want[:n] {
		if !f.own {
			o.replayed[p.shard]++
		}
	}
	m.want = m.want[n:]
}

// passOwn takes messages of its own, which never come, from the beginning of a
// membership's list.
func (m *membership) passOwn() {
	for len(m.want) > 0 && m.want[0].own {
		m.want = m.want[1:]
	}
}

// consume checks what a subscriber received: per room what must come next.
func (o *oracle) consume(t *rapid.T, sh, sub int) {
	for p, m := range o.members {
		if p.shard == sh && p.sub == sub {
			o.replay(p, m)
		}
	}
	for _, g := range o.sinks[sh].socks[sub].receive(t) {
		found := false
		for p, m := range o.members {
			if p.shard != sh || p.sub != sub {
				continue
			}
			if m.passOwn(); len(m.want) == 0 || m.want[0].msg != g.num {
				continue
			}
			if m.held || m.enc != g.enc {
				t.Fatalf("%+v got message %d in encoding %d; it is in %d, held: %v", p, g.num, g.enc, m.enc, m.held)
			}
			m.want, found = m.want[1:], true
		}
		if !found {
			t.Fatalf("sub %d/%d got message %d, which is not its next", sh, sub, g.num)
		}
	}
}

func (o *oracle) consumeAll(t *rapid.T, sh int) {
	for sub := range modelSubs {
		o.consume(t, sh, sub)
	}
}

// skipped is called by the shard.
func (o *oracle) skipped(p memberKey, n, from, to uint64) {
	o.consume(o.t, p.shard, p.sub)
	m := o.members[p]
	var first, last uint64
	for range n {
		m.passOwn()
		f := m.want[0]
		if m.want = m.want[1:]; first == 0 {
			first = f.seq
		}
		last = max(last, f.seq)
	}
	if (from != first || to != last) && !m.own { // what it is told may have its own's
		o.t.Fatalf("%+v was told of %d to %d, lost are %d to %d", p, from, to, first, last)
	}
	o.slow[p.shard] += n
}

func (o *oracle) work(t *rapid.T, sh int) {
	o.t = t
	o.consumeAll(t, sh)
	o.shards[sh].Work()
	o.consumeAll(t, sh)
}

// held returns the held memberships, in an order that a failure can be repeated in.
func (o *oracle) held() (all []memberKey) {
	for p, m := range o.members {
		if m.held {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b memberKey) int {
		return cmp.Or(cmp.Compare(a.shard, b.shard), cmp.Compare(a.sub, b.sub), cmp.Compare(a.room, b.room))
	})
	return all
}

func (o *oracle) resume(t *rapid.T, p memberKey, after uint64) {
	o.consume(t, p.shard, p.sub)
	if m := o.members[p]; m != nil && m.held {
		m.held, m.after = false, after
		o.replay(p, m)
	}
	o.shards[p.shard].Resume(uint32(p.sub), p.room, after)
	o.consume(t, p.shard, p.sub)
}

// forget ends a membership in the model.
func (o *oracle) forget(p memberKey) {
	lp := logKey{p.shard, p.room, o.members[p].enc}
	delete(o.members, p)
	if o.logs[lp].members--; o.logs[lp].members == 0 {
		delete(o.logs, lp)
	}
	for lp := range o.logs {
		if lp.room == p.room && lp.enc == batched {
			return
		}
	}
	delete(o.waiting, p.room)
}

func (o *oracle) leave(t *rapid.T, p memberKey) {
	o.consume(t, p.shard, p.sub)
	left := o.shards[p.shard].Leave(uint32(p.sub), p.room)
	if left != (o.members[p] != nil) {
		t.Fatalf("Leave's answer is %v", left)
	}
	if left {
		o.forget(p)
	}
}

func (o *oracle) gone(t *rapid.T, sh, sub int) {
	o.consume(t, sh, sub)
	for room := range o.shards[sh].Rooms(uint32(sub)) {
		o.forget(memberKey{sh, sub, room})
	}
	o.shards[sh].LeaveAll(uint32(sub))
	for p := range o.members {
		if p.shard == sh && p.sub == sub {
			t.Fatalf("Rooms did not return %s", p.room)
		}
	}
}

func (o *oracle) thaw(sh, sub, bytes int) {
	s := o.sinks[sh].socks[sub]
	s.room = bytes
	if s.blocked {
		s.blocked = false
		o.shards[sh].Drained(uint32(sub))
	}
}

// checkAll holds between all operations.
func (o *oracle) checkAll(t *rapid.T) {
	for sh, s := range o.shards {
		o.consumeAll(t, sh)
		checkAccounts(t, s)
		if st := s.Stats(); st.Skipped[SkipSlow] != o.slow[sh] || st.Skipped[SkipReplayed] != o.replayed[sh] {
			t.Fatalf("shard %d: skipped %v, want %d slow and %d replayed", sh, st.Skipped, o.slow[sh], o.replayed[sh])
		}
		if n := s.Stats().Skipped[SkipEcho]; n > o.own[sh] {
			t.Fatalf("shard %d: %d messages were spared, %d were members' own", sh, n, o.own[sh])
		}
	}
	for p, m := range o.members {
		if !o.shards[p.shard].In(uint32(p.sub), p.room) {
			t.Fatalf("%+v is not in its room", p)
		}
		if m.held && len(o.sinks[p.shard].socks[p.sub].stream) != 0 {
			t.Fatalf("%+v has a stream left", p)
		}
	}
}

// finish lets everybody go on and wants that everything has come.
func (o *oracle) finish(t *rapid.T) {
	for len(o.due) > 0 {
		o.flush(t)
	}
	for sh := range o.shards {
		for sub := range modelSubs {
			o.thaw(sh, sub, 1<<30)
		}
		o.work(t, sh)
		for sub := range modelSubs {
			for room := range modelRooms {
				p := memberKey{sh, sub, fmt.Sprint("room", room)}
				o.resume(t, p, o.newest[p.room]/2)
			}
		}
	}
	workAll(o.shards)
	o.checkAll(t)
	for p, m := range o.members {
		if m.passOwn(); len(m.want) != 0 {
			t.Fatalf("%+v: %d messages never came", p, len(m.want))
		}
	}
	for sh, s := range o.shards {
		if st := s.Stats(); st.Pending != 0 || st.LogBytes != 0 {
			t.Fatalf("shard %d: %d messages pending and %d bytes of log after everybody was drained", sh, st.Pending, st.LogBytes)
		}
		if len(s.own) != 0 {
			t.Fatalf("shard %d remembers own messages of %d members, and nobody needs any", sh, len(s.own))
		}
	}
	for _, p := range o.pubs {
		p.checkReleased(t)
	}
	o.batcher.checkReleased(t)
	if n := o.hub.waitingBytes.Load(); n != 0 {
		t.Fatalf("%d bytes wait, and nothing does", n)
	}
}

package redisbridge

// Following a history, against a model of Redis: whatever is lost, late, trimmed,
// cleared or set back, in any order, the members get every message that Redis
// kept, once, in order, and are told of the others.

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"barrage/internal/broker"
	"barrage/internal/broker/brokertest"
)

// A modelLog is one room in Redis.
type modelLog struct {
	epoch string
	head  uint64
	time  int64 // of the newest
	list  []entry
	keep  int
}

func (l *modelLog) clone() modelLog {
	c := *l
	c.list = slices.Clone(l.list)
	return c
}

// at is the id of the message at a position.
func (l *modelLog) at(epoch string, offset uint64) (id string, ok bool) {
	for _, e := range l.list {
		if epoch == l.epoch && e.offset == offset {
			return messageID(e.body.node, e.body.number), true
		}
	}
	return "", false
}

// answer is what the read script says to a reading.
func (l *modelLog) answer(r *reading, limit int) page {
	p := page{epoch: l.epoch, head: l.head}
	switch {
	case !r.known:
		p.entries = slices.Clone(l.list[max(0, len(l.list)-1):])
		return p
	case l.epoch == "" || (r.epoch != "" && r.epoch != l.epoch):
		return p
	}
	for _, e := range l.list {
		if e.offset < r.stamp.offset {
			continue
		}
		if len(p.entries) == limit {
			p.more = true
			break
		}
		p.entries = append(p.entries, e)
	}
	return p
}

type model struct {
	t         *rapid.T
	b         *Bridge
	room      *room
	got       *brokertest.Receiver
	log       modelLog
	older     []modelLog // earlier states of this epoch
	wire      []envelope // announced, not arrived yet
	linked    bool
	wants     bool     // the room is in the catch-up's queue
	flying    *reading // asked, not answered yet
	clock     int64
	published int
	faults    bool // something was cleared, set back or trimmed
}

// publish is the script. Ours tells what we have seen; another node's may know
// nothing of the room.
func (m *model) publish(ours bool) {
	if seen := m.b.position("a"); ours && m.log.epoch != "" && m.log.epoch == seen.Epoch && m.log.head < seen.Offset {
		m.clear()
	}
	m.older = append(m.older, m.log.clone())
	m.clock += rapid.Int64Range(0, 1).Draw(m.t, "time")
	if m.log.epoch == "" {
		m.log.epoch, m.older = fmt.Sprint("e", m.published), nil
	}
	m.log.head++
	m.published++
	at, before := stamp{m.log.head, m.clock}, m.log.time
	m.log.time = m.clock
	text := string(appendBody(nil, "other", uint64(m.published), message("a", fmt.Sprint(m.published))))
	m.log.list = append(m.log.list, newEntry(at, text))
	if len(m.log.list) > m.log.keep {
		m.log.list = m.log.list[1:]
	}
	parsed, _ := parseBody(text)
	if m.linked {
		m.wire = append(m.wire, envelope{m.log.epoch, at, before, parsed})
	}
}

func (m *model) arrive() {
	if len(m.wire) == 0 {
		return
	}
	e := m.wire[0]
	m.wire = m.wire[1:]
	if m.b.follow(m.room, &e) {
		m.wants = true
	}
}

// lose is a cluster's node that does not pass on what is published on another; the
// connection to it stays.
func (m *model) lose() { m.wire = nil }

func (m *model) cut() { m.linked, m.wire = false, nil }

func (m *model) link() {
	if !m.linked {
		m.linked, m.wants = true, true
	}
}

func (m *model) ask(limit int) {
	if m.flying != nil || !m.wants {
		return
	}
	t := m.room.track.Load()
	m.wants = false
	m.flying = &reading{room: m.room, known: t.known, epoch: t.epoch, stamp: t.stamp, held: len(t.held)}
	m.flying.page = m.log.answer(m.flying, limit)
}

func (m *model) hear() {
	r := m.flying
	if r == nil {
		return
	}
	m.flying = nil
	if r.diverged() {
		if m.log.epoch == r.epoch {
			m.clear()
		}
		m.wants = true
		return
	}
	if m.b.apply(r) {
		m.wants = true
	}
}

func (m *model) clear() {
	m.log = modelLog{keep: m.log.keep}
	m.older, m.faults = nil, true
}

func (m *model) setBack() {
	if n := len(m.older); n > 0 {
		i := rapid.IntRange(0, n-1).Draw(m.t, "to")
		m.log, m.older, m.faults = m.older[i].clone(), m.older[:i], true
		m.clock += 2 // to fail over takes longer than a message
	}
}

// settle has everything come that is on its way, and says whether that ended.
func (m *model) settle() bool {
	m.link()
	for range 1000 {
		switch {
		case m.flying != nil:
			m.hear()
		case m.wants:
			m.ask(messagesPerRead)
		case len(m.wire) > 0:
			m.arrive()
		default:
			return true
		}
	}
	return false
}

// check compares what the members saw with the order of offsets.
func (m *model) check(t *rapid.T) {
	var pos broker.Position
	started := false
	seen := make(map[string]bool)
	for _, e := range m.got.Events("a") {
		if gap := e.Gap; gap != nil {
			if started && (gap.From != pos.Offset+1 || gap.Epoch != pos.Epoch && pos.Epoch != "") {
				t.Fatalf("gap %+v after %+v", *gap, pos)
			}
			pos, started = broker.Position{Epoch: gap.Epoch, Offset: gap.To}, true
			if gap.Reason == broker.GapEpoch {
				pos = broker.Position{}
			}
			continue
		}
		if started && (e.Message.Offset != pos.Offset+1 || e.Message.Epoch != pos.Epoch && pos.Epoch != "") {
			t.Fatalf("message at %s/%d after %+v", e.Message.Epoch, e.Message.Offset, pos)
		}
		if seen[e.Message.ID] {
			t.Fatalf("%s was delivered twice", e.Message.ID)
		}
		seen[e.Message.ID] = true
		if kept, ok := m.log.at(e.Message.Epoch, e.Message.Offset); ok && kept != e.Message.ID {
			t.Fatalf("%s has the position that the history gives to %s", e.Message.ID, kept)
		}
		pos, started = broker.Position{Epoch: e.Message.Epoch, Offset: e.Message.Offset}, true
	}
}

func TestFollowing(t *testing.T) { rapid.Check(t, testFollowing) }

func testFollowing(t *rapid.T) {
	m := &model{t: t, got: brokertest.NewReceiver(), clock: 1}
	b, err := New(kept(Config{URL: "redis://127.0.0.1:1"}, 1), m.got)
	if err != nil {
		t.Fatal(err)
	}
	m.b = b
	b.Want("a")
	m.room = b.rooms.lookup("a")
	m.log.keep = rapid.SampledFrom([]int{2, 5, 1000}).Draw(t, "keep")
	faults := rapid.Bool().Draw(t, "faults")
	m.link()
	m.ask(1)
	m.hear()
	first := m.published
	t.Repeat(map[string]func(*rapid.T){
		"publish": func(t *rapid.T) { m.publish(rapid.Bool().Draw(t, "ours")) },
		"arrive":  func(*rapid.T) { m.arrive() },
		"lose":    func(*rapid.T) { m.lose() },
		"cut":     func(*rapid.T) { m.cut() },
		"link":    func(*rapid.T) { m.link() },
		"ask":     func(t *rapid.T) { m.ask(rapid.IntRange(1, 4).Draw(t, "limit")) },
		"hear":    func(*rapid.T) { m.hear() },
		"clear": func(*rapid.T) {
			if faults {
				m.clear()
			}
		},
		"set back": func(*rapid.T) {
			if faults {
				m.setBack()
			}
		},
	})
	settled := m.settle()
	m.publish(true)
	settled = m.settle() && settled
	if m.log.epoch == "" { // it showed that an offset was given twice, which ends the epoch
		m.publish(true)
		settled = m.settle() && settled
	}
	if !settled {
		t.Fatalf("it never ends: %+v, the log %+v", m.room.track.Load(), m.log)
	}
	m.check(t)
	if m.log.epoch != "" && b.position("a") != (broker.Position{Epoch: m.log.epoch, Offset: m.log.head}) {
		t.Fatalf("%+v is not at the end of the log %+v", m.room.track.Load(), m.log)
	}
	got := m.got.Messages("a")
	if len(got) == 0 || string(got[len(got)-1].Payload) != fmt.Sprint(m.published) {
		t.Fatalf("the last message did not come: %+v, the log %+v", m.room.track.Load(), m.log)
	}
	if m.log.keep == 1000 && !m.faults && len(got) != m.published-first {
		t.Fatalf("%d of %d messages came", len(got), m.published-first)
	}
	if b.held.Load() != 0 {
		t.Fatalf("%d bytes are still held", b.held.Load())
	}
	if wrongs := m.got.Wrongs(); len(wrongs) != 0 {
		t.Fatal(wrongs)
	}
}

// What is held is bounded; the rest is read again.
func TestHeldIsBounded(t *testing.T) {
	got := brokertest.NewReceiver()
	b, err := New(kept(Config{URL: "redis://127.0.0.1:1"}, 1), got)
	if err != nil {
		t.Fatal(err)
	}
	r := b.freshRoom("a")
	list := make([]entry, 3*heldPerRoom)
	for i := range list {
		at := stamp{uint64(i + 1), int64(i + 1)}
		text := string(appendBody(nil, "other", uint64(i), message("a", fmt.Sprint(i))))
		list[i] = newEntry(at, text)
		parsed, _ := parseBody(text)
		b.follow(r, &envelope{"e", at, int64(i), parsed})
	}
	if n := len(r.track.Load().held); n != heldPerRoom || !r.track.Load().spilled {
		t.Fatalf("%d held, spilled %v", n, r.track.Load().spilled)
	}
	// The room was read before its first message.
	first := &reading{room: r, page: page{}}
	if !b.apply(first) {
		t.Error("not to be read again")
	}
	again := &reading{room: r, known: true, epoch: r.track.Load().epoch, stamp: r.track.Load().stamp, held: len(r.track.Load().held),
		page: page{epoch: "e", head: uint64(len(list)), entries: list}}
	if b.apply(again) || !r.track.Load().live || b.held.Load() != 0 {
		t.Errorf("live %v, held %d", r.track.Load().live, b.held.Load())
	}
	if n := got.Count("a"); n != len(list) {
		t.Errorf("%d delivered, want %d", n, len(list))
	}
}

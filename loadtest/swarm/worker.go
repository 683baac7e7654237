// One loop and its viewers: what is expected of each, and the counters.

package swarm

import (
	"net/netip"
	"time"

	"barrage/frame"
	"barrage/internal/paged"
	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
	"barrage/loadtest/tally"
	"barrage/netpoll"
)

// viewer is one connection of the plan, whether or not it is up. It is named by
// its place in worker.viewers.
type viewer struct {
	id    netpoll.ID // while dialing, upgrading or open
	room  uint32
	state viewerState
	reads plan.Behaviour
	flags uint8
}

type viewerState uint8

const (
	stateDown viewerState = iota
	stateDialing
	stateUpgrading
	stateOpen
	stateLeaving // by our own wish; dialled again once it is closed
)

const (
	flagExpects  uint8 = 1 << iota // its tracks count in this window
	flagComeBack                   // dialled again until it is open
	flagDeflate                    // its connection negotiated permessage-deflate
	flagByServer                   // its close has been counted: the close frame said why
)

type laneID struct{ room, lane uint32 }

// worker is one loop and its share of the connections. Owner: the loop's
// goroutine; each field without a word of its own is of that kind.
type worker struct {
	swarm *Swarm // its configuration and layout never change
	index int
	key   string // Sec-WebSocket-Key of all upgrades
	stop  func() // any goroutine
	post  func(func())
	loop  *netpoll.Loop

	viewers []viewer
	owner   paged.Table[netpoll.ID, uint32] // the viewer of a connection
	heads   map[netpoll.ID][]byte
	lines   map[netpoll.ID][]byte // of event streams and plain TCP: one that has not ended
	partial map[netpoll.ID]*frame.Assembler
	scratch *frame.Assembler // of a connection that is at a frame's boundary
	limits  frame.Limits

	dialer dialer
	slow   []slowRead
	churn  pace
	churnK int // the next to leave

	// The window.
	finder *stamp.Finder // nil before the first
	run    stamp.Run
	sched  *plan.Schedule
	tracks []tally.Track
	lanes  []uint32 // of each viewer's room, and where its tracks begin; nil if all have one
	talk   talk

	// What is being read.
	cur   uint32
	now   int64
	wrote []byte

	sum   Snapshot // counters
	tally *tally.Tally
	hist  *tally.Histogram
	late  int64 // nanoseconds
}

const maxMessage = 16 << 20

func newWorker(s *Swarm, index int, key string) *worker {
	n := s.cfg.To - s.cfg.From
	count := (n - index + s.cfg.Threads - 1) / s.cfg.Threads
	w := &worker{
		swarm: s, index: index, key: key,
		viewers: make([]viewer, count),
		heads:   make(map[netpoll.ID][]byte),
		lines:   make(map[netpoll.ID][]byte),
		partial: make(map[netpoll.ID]*frame.Assembler),
		scratch: &frame.Assembler{Client: true},
		limits:  frame.Limits{MaxMessage: maxMessage, MaxFragments: 1 << 20},
		tally:   tally.New(),
		hist:    tally.NewHistogram(),
		late:    s.cfg.Plan.Late.Nanoseconds(),
	}
	w.sum.Failures, w.sum.ClosedBy = map[string]uint64{}, map[string]uint64{}
	for k := range w.viewers {
		room, _ := s.layout.Place(w.number(uint32(k)))
		w.viewers[k] = viewer{room: uint32(room), reads: s.layout.Behaviour(w.number(uint32(k)))}
	}
	return w
}

// number is a viewer's number in the plan.
func (w *worker) number(k uint32) int {
	return w.swarm.cfg.From + int(k)*w.swarm.cfg.Threads + w.index
}

func (w *worker) start(loop *netpoll.Loop) {
	w.loop = loop
	w.talk.timer = time.AfterFunc(time.Hour, loop.Wake)
}

// share is this worker's part of a figure that is meant for the whole plan.
func (w *worker) share(whole float64) float64 {
	return whole * float64(len(w.viewers)) / float64(w.swarm.cfg.Plan.Connections)
}

// Work sends what is due. Handler.
func (w *worker) Work() bool {
	w.sendDue()
	return false
}

// Tick paces what is not due at a time of its own. Handler.
func (w *worker) Tick() {
	now := w.swarm.cfg.Now()
	w.comeBack(now)
	w.dial()
	w.readSlowly(now)
	for range w.churn.due(now) {
		w.leaveNext()
	}
}

// begin starts counting.
func (w *worker) begin(win Window, sched *plan.Schedule) {
	w.run, w.sched = win.Run, sched
	w.finder = stamp.NewFinder(win.Run, w.swarm.cfg.Plan.Skip())
	w.tally = tally.New()
	w.hist.Reset()
	w.sum.Counts = tally.Counts{}
	w.sum.Reads, w.sum.Bytes, w.sum.Frames, w.sum.Published, w.sum.Arrived = 0, 0, 0, 0, 0
	w.layTracks()
	for k := range w.viewers {
		v := &w.viewers[k]
		v.flags &^= flagExpects
		if v.state == stateOpen {
			w.expect(uint32(k), 0)
		}
	}
	w.churn = newPace(w.share(w.swarm.cfg.Plan.Churn), win.Start, sched.End())
	w.startTalking()
}

// layTracks makes a Track for each viewer and lane of its room.
func (w *worker) layTracks() {
	w.lanes = nil
	layout, n := w.sched.Layout, uint32(0)
	lanes := make([]uint32, 1, len(w.viewers)+1)
	for k := range w.viewers {
		n += uint32(layout.Lanes(int(w.viewers[k].room)))
		lanes = append(lanes, n)
	}
	w.tracks = make([]tally.Track, n)
	if n != uint32(len(w.viewers)) {
		w.lanes = lanes
	}
}

// tracksOf is where a viewer's tracks are: one after another, by lane.
func (w *worker) tracksOf(k uint32) (first, end uint32) {
	if w.lanes == nil {
		return k, k + 1
	}
	return w.lanes[k], w.lanes[k+1]
}

// expect has a viewer's messages counted from here on. settled is the time from
// which on everything due must come; 0 is the window's beginning.
func (w *worker) expect(k uint32, settled int64) {
	v := &w.viewers[k]
	if w.sched == nil || v.reads != plan.Reads || v.flags&flagExpects != 0 {
		return
	}
	v.flags |= flagExpects
	first, end := w.tracksOf(k)
	for t := first; t < end; t++ {
		base := uint32(0)
		if settled != 0 {
			base = w.sched.Due(int(v.room), int(t-first), settled)
		}
		w.tracks[t] = tally.Expect(base)
	}
}

// leave settles a viewer that drops on purpose.
func (w *worker) leave(k uint32) {
	v := &w.viewers[k]
	if v.flags&flagExpects == 0 {
		return
	}
	v.flags &^= flagExpects
	first, end := w.tracksOf(k)
	for t := first; t < end; t++ {
		w.tally.Leave(uint64(t), &w.tracks[t])
	}
}

func (w *worker) finish(failed map[laneID][]tally.Span) {
	if w.sched == nil {
		return
	}
	for k := range w.viewers {
		v := &w.viewers[k]
		first, end := w.tracksOf(uint32(k))
		for t := first; t < end; t++ {
			lane := t - first
			unpublished := failed[laneID{v.room, lane}]
			if v.flags&flagExpects != 0 {
				w.tally.Settle(uint64(t), &w.tracks[t], w.sched.Count(int(v.room), int(lane)), unpublished)
			} else { // left, and not back: it is not to blame for what was not published
				w.tally.Excuse(uint64(t), unpublished)
			}
		}
		v.flags &^= flagExpects
	}
	w.finder = nil // what comes now is nobody's
}

// snapshot copies the counters and takes the latencies.
func (w *worker) snapshot() Snapshot {
	s := w.sum
	s.Failures, s.ClosedBy = nil, nil
	addAll(&s.Failures, w.sum.Failures)
	addAll(&s.ClosedBy, w.sum.ClosedBy)
	s.Connecting = w.dialer.pending
	s.Counts, s.Gaps, s.Owed = w.tally.Counts, w.tally.Gaps(), w.owed()
	s.Unsent = w.talk.unsent()
	s.Latency = tally.NewHistogram()
	s.Latency.Merge(w.hist)
	w.hist.Reset()
	return s
}

// owed is how many messages are still to come. It is 0 before all are due.
func (w *worker) owed() uint64 {
	if w.sched == nil || w.swarm.cfg.Now() < w.sched.End() {
		return 0
	}
	n := w.tally.Gaps()
	for k := range w.viewers {
		v := &w.viewers[k]
		if v.flags&flagExpects == 0 {
			continue
		}
		first, end := w.tracksOf(uint32(k))
		for t := first; t < end; t++ {
			n += w.tracks[t].Owed(w.sched.Count(int(v.room), int(t-first)))
		}
	}
	return n
}

// maxKinds bounds the kinds of failures that are told apart.
const maxKinds = 50

func count(kinds map[string]uint64, kind string) {
	if _, known := kinds[kind]; !known && len(kinds) >= maxKinds {
		kind = "other"
	}
	kinds[kind]++
}

// source is the address that a connection to remote comes from. One address has
// ports for some 28,000 connections to one target; loopback has many addresses.
func source(number, all int, remote netip.Addr) netip.Addr {
	if !remote.Is4() || !remote.IsLoopback() {
		return netip.Addr{}
	}
	const perAddress = 20000
	g := number % max(20, (all+perAddress-1)/perAddress)
	return netip.AddrFrom4([4]byte{127, 1, byte(g / 250), byte(g%250 + 1)})
}

// The hub: the directory of rooms.

package fanout

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/bytebufferpool"

	"barrage/internal/shrinkmap"
	"barrage/internal/striped"
)

// MaxShards is the most shards a hub can have.
const MaxShards = 64

// Config holds a hub's settings. The zero value of a field means its default.
type Config struct {
	Shards     int // 1 to MaxShards (default 1)
	Encodings  int // 1 to MaxEncodings (default 1)
	RoomBytes  int // bound of a room's log in one shard and encoding (default 4 MiB)
	ShardBytes int // bound of all logs of one shard; past it members that are too slow lose what they have not read (default 256 MiB)
	InboxBytes int // bound of a shard's input not yet in a log (default 64 MiB)
	SliceSends int // sends in a row before the loop serves its sockets, a long one counting as several (default 256)

	// Batches: see the package comment. The default is none.
	Batched    EncodingSet   // the encodings of members that take batches
	BatchWait  time.Duration // how long a message waits for company
	BatchBytes int           // bound of the publications in one batch, unless one alone is larger (default 64 KiB)
	// Batch returns a new reference to two or more publications as one message, made
	// of the part of each (Publication.AppendPart). It is called as Publication.Encode
	// is, for batched encodings.
	Batch func(e Encoding, ps []Publication) Message
}

func (c Config) withDefaults() (Config, error) {
	c.Shards = cmp.Or(c.Shards, 1)
	c.Encodings = cmp.Or(c.Encodings, 1)
	c.RoomBytes = cmp.Or(c.RoomBytes, 4<<20)
	c.ShardBytes = cmp.Or(c.ShardBytes, 256<<20)
	c.InboxBytes = cmp.Or(c.InboxBytes, 64<<20)
	c.SliceSends = cmp.Or(c.SliceSends, 256)
	c.BatchBytes = cmp.Or(c.BatchBytes, 64<<10)
	if c.Shards < 1 || c.Shards > MaxShards {
		return c, fmt.Errorf("fanout: Shards is %d, want 1 to %d", c.Shards, MaxShards)
	}
	if c.Encodings < 1 || c.Encodings > MaxEncodings {
		return c, fmt.Errorf("fanout: Encodings is %d, want 1 to %d", c.Encodings, MaxEncodings)
	}
	if c.RoomBytes < segmentSize || c.ShardBytes < segmentSize || c.InboxBytes < segmentSize {
		return c, fmt.Errorf("fanout: RoomBytes, ShardBytes and InboxBytes are %d, %d and %d, want at least %d",
			c.RoomBytes, c.ShardBytes, c.InboxBytes, segmentSize)
	}
	if c.SliceSends < 1 {
		return c, fmt.Errorf("fanout: SliceSends is %d, want at least 1", c.SliceSends)
	}
	if c.BatchBytes < 1 {
		return c, fmt.Errorf("fanout: BatchBytes is %d, want at least 1", c.BatchBytes)
	}
	if c.Batched != 0 && (!c.Batched.below(c.Encodings) || c.BatchWait <= 0 || c.Batch == nil) {
		return c, fmt.Errorf("fanout: Batched is %b, want encodings below %d, with BatchWait and Batch", c.Batched, c.Encodings)
	}
	return c, nil
}

// Hub is the directory of rooms over its shards. Its methods may be called from
// any goroutine.
type Hub struct {
	cfg     Config
	shards  []*Shard
	start   time.Time
	stripes *striped.Set[directory]
	due     dueQueue

	waitingBytes           atomic.Int64 // of all backlogs
	madeBatches, inBatches atomic.Uint64

	// Buffers of log segments, one pool per size so that the pools' calibration
	// sees one size each.
	small, large bytebufferpool.Pool
}

// directory is one stripe of the directory.
type directory struct {
	mu       sync.Mutex // guards what follows
	rooms    shrinkmap.Map[string, *entry]
	batching bool // Run is at work
}

// entry is what the hub knows of a room that has members.
type entry struct {
	uses    []use    // the encodings that have members
	backlog *backlog // nil before the first message to members in batched encodings
	members int32    // in all encodings
	rate    meter
}

// use says where a room has members in one encoding.
type use struct {
	shards uint64 // bit i: shard i has members
	enc    Encoding
}

// encodings returns the set of encodings that have members.
func (e *entry) encodings() (set EncodingSet) {
	for _, u := range e.uses {
		set |= 1 << u.enc
	}
	return set
}

// shards returns the set of shards that have members.
func (e *entry) shards() (set uint64) {
	for _, u := range e.uses {
		set |= u.shards
	}
	return set
}

func (e *entry) indexOf(enc Encoding) int {
	return slices.IndexFunc(e.uses, func(u use) bool { return u.enc == enc })
}

func (e *entry) add(enc Encoding, shard int) {
	i := e.indexOf(enc)
	if i < 0 {
		i = len(e.uses)
		e.uses = append(e.uses, use{enc: enc})
	}
	e.uses[i].shards |= 1 << shard
}

func (e *entry) del(enc Encoding, shard int) {
	i := e.indexOf(enc)
	e.uses[i].shards &^= 1 << shard
	if e.uses[i].shards == 0 {
		e.uses = slices.Delete(e.uses, i, i+1)
	}
}

// NewHub returns a hub; sinks must be given to its shards before use.
func NewHub(cfg Config) (*Hub, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &Hub{cfg: cfg, start: time.Now(), stripes: striped.New[directory]()}
	h.due.added = make(chan struct{}, 1)
	for i := range cfg.Shards {
		h.shards = append(h.shards, newShard(h, i))
	}
	return h, nil
}

// Shard returns the i-th shard.
func (h *Hub) Shard(i int) *Shard { return h.shards[i] }

// clock is the time since the hub's start, which the wall clock's steps do not
// move. It is kept where a time.Time would be three times as large.
func (h *Hub) clock() time.Duration { return time.Since(h.start) }

// seconds is the meters' clock.
func (h *Hub) seconds() int64 { return int64(h.clock() / time.Second) }

// Members returns how many members a room has, in all encodings, held ones
// included.
func (h *Hub) Members(room string) int {
	dir := h.stripes.Of(room)
	dir.mu.Lock()
	defer dir.mu.Unlock()
	if e := dir.rooms.Get(room); e != nil {
		return int(e.members)
	}
	return 0
}

// Room returns how many members a room has and how many messages a second it
// had lately (over about ten seconds). ok is false when it has no members.
func (h *Hub) Room(room string) (members int, rate float64, ok bool) {
	dir := h.stripes.Of(room)
	now := h.seconds()
	dir.mu.Lock()
	defer dir.mu.Unlock()
	e := dir.rooms.Get(room)
	if e == nil {
		return 0, 0, false
	}
	return int(e.members), e.rate.perSecond(now), true
}

// EachRoom calls f for every room that has members, in no order, until it
// returns false. No lock is held during f.
func (h *Hub) EachRoom(f func(room string, members int, rate float64) bool) {
	type row struct {
		name    string
		members int
		rate    float64
	}
	now := h.seconds()
	for dir := range h.stripes.All() {
		dir.mu.Lock()
		rows := make([]row, 0, dir.rooms.Len())
		for name, e := range dir.rooms.All() {
			rows = append(rows, row{name, int(e.members), e.rate.perSecond(now)})
		}
		dir.mu.Unlock()
		for _, r := range rows {
			if !f(r.name, r.members, r.rate) {
				return
			}
		}
	}
}

// Rooms returns how many rooms have members.
func (h *Hub) Rooms() int {
	n := 0
	for dir := range h.stripes.All() {
		dir.mu.Lock()
		n += dir.rooms.Len()
		dir.mu.Unlock()
	}
	return n
}

// join notes one more member in a shard. first: it is the shard's first in this
// room and encoding. A message published after it returns will reach the shard's
// inbox.
func (h *Hub) join(room string, enc Encoding, shard int, first bool) {
	dir := h.stripes.Of(room)
	dir.mu.Lock()
	defer dir.mu.Unlock()
	e := dir.rooms.Get(room)
	if e == nil {
		e = new(entry)
		dir.rooms.Put(room, e)
	}
	e.members++
	if first {
		e.add(enc, shard)
	}
}

// leave undoes join. last: the shard has no members in this room and encoding any
// more.
func (h *Hub) leave(room string, enc Encoding, shard int, last bool) {
	dir := h.stripes.Of(room)
	dir.mu.Lock()
	defer dir.mu.Unlock()
	e := dir.rooms.Get(room)
	e.members--
	if last {
		e.del(enc, shard)
		if e.encodings()&h.cfg.Batched == 0 {
			e.backlog = nil
		}
	}
	if e.members == 0 {
		dir.rooms.Delete(room)
	}
}

// meterSpan is the length in seconds of a meter's window.
const meterSpan = 10

// meter counts events in the current and the previous window.
type meter struct {
	window    uint32 // number of the current window
	cur, prev uint32
}

func (m *meter) roll(now int64) {
	switch w := uint32(now / meterSpan); {
	case w == m.window+1:
		m.prev, m.cur, m.window = m.cur, 0, w
	case w > m.window:
		m.prev, m.cur, m.window = 0, 0, w
	}
}

func (m *meter) add(now int64) { m.roll(now); m.cur++ }

// perSecond weighs the previous window by the part of it that lies within the
// last meterSpan seconds.
func (m *meter) perSecond(now int64) float64 {
	m.roll(now)
	part := float64(now%meterSpan) / meterSpan
	return (float64(m.prev)*(1-part) + float64(m.cur)) / meterSpan
}

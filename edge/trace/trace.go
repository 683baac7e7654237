// Traces as a node has them: which hold, and where their lines go.

package trace

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"barrage/edge/conn"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/random"
	"barrage/internal/refusal"
)

const (
	// KindOrder is the kind of the orders, in moderation's room, and KindLines that of the
	// lines.
	KindOrder = "\x00trace"
	KindLines = "\x00traced"

	// roomPrefix begins the rooms of nodes that lines are sent to. No name rule allows it.
	roomPrefix = "@trace:"

	flushEvery = 100 * time.Millisecond
	renewEvery = 5 * time.Second
	lease      = 3 * renewEvery // of an order
	pieceBytes = 48 << 10       // of lines in a message between nodes; no line is as long
)

// Query says what is wanted. One of the first three is given.
type Query struct {
	User     string       `json:"user,omitempty"`
	Conn     string       `json:"conn,omitempty"`
	Network  netip.Prefix `json:"network,omitzero"`
	Payloads bool         `json:"payloads,omitempty"`

	For   time.Duration `json:"-"`
	Bytes int           `json:"bytes"` // of lines, of each node and of all together
}

// Config is what New needs.
type Config struct {
	Node     string
	Loops    *conn.Loops
	Protocol func(kind int) string // the name of a kind's protocol
	Control  string                // the room that orders go to
}

// Tracing is a node's part. Its methods may be called from any goroutine.
type Tracing struct {
	cfg    Config
	broker broker.Broker
	lost   atomic.Uint64
	wake   chan struct{} // a trace has begun

	mu    sync.Mutex        // guards what follows
	holds map[string]*trace // by id
	asked map[string]*asked // likewise
}

// New returns a node's part, which is to be started.
func New(cfg Config) *Tracing {
	return &Tracing{cfg: cfg, wake: make(chan struct{}, 1), holds: make(map[string]*trace), asked: make(map[string]*asked)}
}

// Room is where lines for this node are sent.
func (t *Tracing) Room() string { return RoomOf(t.cfg.Node) }

// RoomOf is where lines for a node are sent.
func RoomOf(node string) string { return roomPrefix + node }

// Start begins to obey orders. Before the first connection.
func (t *Tracing) Start(b broker.Broker) {
	t.broker = b
	b.Want(t.Room())
}

// Stats are how many traces hold here, and the lines that were lost.
func (t *Tracing) Stats() (traces int, lost uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.holds), t.lost.Load()
}

// trace is one that holds on this node.
type trace struct {
	Query
	id    string
	asker string // the node that ordered it

	looking atomic.Int64 // loops that do not look yet
	conns   atomic.Int64 // that are traced
	ended   atomic.Bool

	mu      sync.Mutex // guards what follows
	until   time.Time
	lines   []byte
	left    int    // bytes of further lines
	lost    uint64 // lines, of which nobody was told yet
	leftOut int    // connections, likewise
}

// add takes a line, if there is room for it.
func (x *trace) add(l Line) (ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.left <= 0 || len(x.lines) > bounds.TraceBuffer {
		x.lost++
		return false
	}
	before := len(x.lines)
	x.lines = l.append(x.lines)
	x.left -= len(x.lines) - before
	return true
}

// take returns what there is, with what was lost before.
func (x *trace) take(node string) (lines []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	lines, x.lines = x.lines, nil
	if x.lost > 0 || x.leftOut > 0 {
		lines = Line{Node: node, Event: eventLost, Count: x.lost, Connections: x.leftOut}.append(lines)
		x.lost, x.leftOut = 0, 0
	}
	return lines
}

// hold has a trace hold here for a while, from now on or further on. There may be so many
// of them.
func (t *Tracing) hold(id, asker string, q Query) bool {
	t.mu.Lock()
	x := t.holds[id]
	known := x != nil
	if !known && len(t.holds) >= bounds.Traces {
		t.mu.Unlock()
		return false
	}
	if !known {
		x = &trace{Query: q, id: id, asker: asker, left: min(q.Bytes, bounds.TraceBytes)}
		t.holds[id] = x
	}
	t.mu.Unlock()
	x.mu.Lock()
	x.until = time.Now().Add(lease)
	x.mu.Unlock()
	if !known {
		t.look(x)
	}
	return true
}

// look has all loops look.
func (t *Tracing) look(x *trace) {
	all := t.cfg.Loops.All()
	x.looking.Store(int64(len(all)))
	for _, l := range all {
		l.Do(func() {
			watchOf(t, l).begin(x)
			if x.looking.Add(-1) == 0 {
				x.add(Line{Node: t.cfg.Node, Event: eventBegin, Connections: int(x.conns.Load())})
			}
		})
	}
	t.awaken()
}

func (t *Tracing) awaken() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// drop ends a trace here.
func (t *Tracing) drop(id string) {
	t.mu.Lock()
	x := t.holds[id]
	delete(t.holds, id)
	t.mu.Unlock()
	if x == nil {
		return
	}
	x.ended.Store(true)
	for _, l := range t.cfg.Loops.All() {
		l.Do(func() { watchOf(t, l).end(x) })
	}
}

// Run sends lines on their way until ctx ends.
func (t *Tracing) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		}
		for tick := time.NewTicker(flushEvery); t.flush(time.Now()); {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}
}

// flush sends what there is, and tells whether there may be more.
func (t *Tracing) flush(now time.Time) (more bool) {
	t.mu.Lock()
	var holds []*trace
	for _, x := range t.holds {
		holds = append(holds, x)
	}
	var asked []*asked
	for _, a := range t.asked {
		asked = append(asked, a)
	}
	t.mu.Unlock()
	for _, a := range asked {
		t.goOn(a, now)
	}
	for _, x := range holds {
		t.send(x, x.take(t.cfg.Node))
		x.mu.Lock()
		over := now.After(x.until)
		x.mu.Unlock()
		if over {
			t.drop(x.id)
		}
	}
	return len(holds) > 0 || len(asked) > 0
}

// begin asks all nodes for a trace.
func (t *Tracing) begin(q Query) (*asked, error) {
	a := &asked{Query: q, id: random.Name(), more: make(chan struct{}, 1)}
	t.mu.Lock()
	t.asked[a.id] = a
	t.mu.Unlock()
	if !t.hold(a.id, t.cfg.Node, q) {
		t.finish(a)
		return nil, refusal.TooMany("too_many_traces", "there are as many traces as may be at a time", 10*time.Second)
	}
	return a, nil
}

// finish has Run end a trace that was asked for, on all nodes.
func (t *Tracing) finish(a *asked) {
	a.over.Store(true)
	t.awaken()
}

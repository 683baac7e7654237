// Package direct brings messages to single connections, and to single devices of users,
// whichever nodes they are on: at once or never, as nothing of them is kept.
//
// The node that is asked gives the message to its own connections, and has the others do so:
// a message between nodes in moderation's room, or for one connection in the room of its
// node. Each answers, in the room of the one that asked, how many of its connections it gave
// it to. Who asked is told their sum once all have answered that are known, or after
// bounds.DirectWait. Nodes know of each other by what they say: a word now and then, if it is
// nothing else. One that does not answer is not waited for again until it says something, and
// the connections of one of which nobody has heard are nobody's.
//
// The same words tell whether a connection there wants copies of what its user writes to others
// (package publish): where none does, none are made.
package direct

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"barrage/edge/conn"
	"barrage/fanout"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/fair"
	"barrage/internal/random"
)

// Config is what New needs.
type Config struct {
	Node      string
	Clustered bool // there are other nodes
	Loops     *conn.Loops
	Control   string // the room that all nodes are in
}

// Courier is a node's part. Its methods may be called from any goroutine.
type Courier struct {
	cfg     Config
	broker  broker.Broker                         // from Start on
	slots   *fair.Slots[struct{}]                 // of messages whose answers are not all there
	queues  [fanout.MaxShards]conn.Errands[*gift] // by loop
	results [numResults]atomic.Uint64
	wake    chan struct{} // Run has somebody to greet

	mu     sync.Mutex // guards what follows, and all that it leads to; nothing is called under it
	number uint64     // of the last message
	asked  map[uint64]*asked
	peers  map[string]*peer // other nodes
	greet  []string         // of them, those that are to hear of us
	since  time.Time        // from when on words of all nodes could be heard
}

// peer is another node.
type peer struct {
	heard  time.Time // last
	silent bool      // it has not answered since
	noOwn  bool      // no connection there wants copies
}

// result is what became of a message.
type result uint8

const (
	given      result = iota // to one connection at least
	nobody                   // there is none
	unanswered               // likewise, as far as nodes have answered
	overloaded               // too many are on their way

	numResults
)

var resultNames = [numResults]string{"given", "nobody", "unanswered", "overloaded"}

// New returns a node's part, which is to be started.
func New(cfg Config) *Courier {
	return &Courier{
		cfg: cfg, slots: fair.NewSlots[struct{}](bounds.Directs, 1), wake: make(chan struct{}, 1),
		asked: make(map[uint64]*asked), peers: make(map[string]*peer), since: time.Now(),
	}
}

// Start begins to hear of other nodes. Before the first connection.
func (c *Courier) Start(b broker.Broker) {
	c.broker = b
	if c.cfg.Clustered {
		b.Want(c.Room())
	}
}

// Results counts messages by what became of them.
func (c *Courier) Results() map[string]uint64 {
	all := make(map[string]uint64, numResults)
	for r, name := range resultNames {
		all[name] = c.results[r].Load()
	}
	return all
}

// Peers is how many other nodes are waited for.
func (c *Courier) Peers() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.peers {
		if !p.silent {
			n++
		}
	}
	return n
}

// asked is a message of this node's whose answers are not all there.
type asked struct {
	waits     map[string]bool // nodes, this one too
	given     int
	id        string
	localOnly bool
	timer     *time.Timer
	user      string // whom the slot is counted for
	address   netip.Addr
	done      func(broker.Receipt, error)
}

// Send gives a publication to the connection or the device that it names. done is called
// once, by any goroutine, when it is known how many got it: Receipt.Members, of all nodes. It
// returns false if too many are on their way. p is the caller's again when it returns.
func (c *Courier) Send(p *broker.Publication, done func(broker.Receipt, error)) bool {
	a := &asked{waits: make(map[string]bool), id: c.cfg.Node + "." + random.Name(), done: done, address: p.From}
	if p.FromClient() {
		a.user = p.Sender.User
	}
	if !c.slots.Take(1, struct{}{}, a.user, a.address) {
		c.results[overloaded].Add(1)
		return false
	}
	m := &broker.Message{
		Room: p.Room, ID: a.id, Time: time.Now().UnixMilli(), Sender: p.Sender, Kind: p.Kind, Format: p.Format, TTL: p.TTL,
		Payload: slices.Clone(p.Payload),
	}
	room, number := c.begin(a, p)
	if room != "" {
		c.post(room, letter{Ask: askOf(number, p, m)}, m.Payload, func() { c.alone(number) })
	}
	switch {
	case room == "" && p.Conn != "" && c.cfg.Loops.Serial(p.Conn) == 0: // no name of here, either
		c.answered(number, c.cfg.Node, 0)
	case room == "" || p.Conn == "":
		c.give(m, p.Conn, p.Device, func(n int) { c.answered(number, c.cfg.Node, n) })
	}
	return true
}

// begin notes a message, with the nodes to wait for, and returns the room in which others are
// to hear of it, "" if it is for this node alone.
func (c *Courier) begin(a *asked, p *broker.Publication) (room string, number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch node := nodeOf(p.Conn); {
	case p.Conn == "" && c.cfg.Clustered:
		room = c.cfg.Control
		for name, p := range c.peers {
			if !p.silent {
				a.waits[name] = true
			}
		}
		a.waits[c.cfg.Node] = true
	case p.Conn != "" && c.cfg.Clustered && node != c.cfg.Node && (c.peers[node] != nil || c.newLocked()):
		room = RoomOf(node)
		a.waits[node] = true
	default:
		a.waits[c.cfg.Node] = true
	}
	c.number++
	number = c.number
	c.asked[number] = a
	a.timer = time.AfterFunc(bounds.DirectWait, func() { c.late(number) })
	return room, number
}

// nodeOf is the node that a connection's name begins with.
func nodeOf(name string) string {
	i := strings.LastIndexByte(name, '-')
	return name[:max(i, 0)]
}

// answered notes how many connections of a node got a message.
func (c *Courier) answered(number uint64, from string, n int) {
	c.end(number, func(a *asked) (over bool) {
		a.given += n
		delete(a.waits, from)
		return len(a.waits) == 0
	})
}

// alone is for a message that the other nodes do not hear of.
func (c *Courier) alone(number uint64) {
	c.end(number, func(a *asked) (over bool) {
		a.localOnly = true
		here := a.waits[c.cfg.Node]
		clear(a.waits)
		if here {
			a.waits[c.cfg.Node] = true
		}
		return !here
	})
}

// late ends a message whose time is over, and the wait for nodes that have not answered.
func (c *Courier) late(number uint64) {
	c.end(number, func(a *asked) bool {
		for node := range a.waits {
			if p := c.peers[node]; p != nil {
				p.silent = true
			}
		}
		return true
	})
}

// end changes a message that is on its way, and answers if it is over.
func (c *Courier) end(number uint64, change func(*asked) (over bool)) {
	c.mu.Lock()
	a := c.asked[number]
	if a == nil || !change(a) {
		c.mu.Unlock()
		return
	}
	delete(c.asked, number)
	c.mu.Unlock()
	a.timer.Stop()
	c.slots.Give(1, struct{}{}, a.user, a.address)
	switch {
	case a.given > 0:
		c.results[given].Add(1)
	case len(a.waits) > 0 || a.localOnly:
		c.results[unanswered].Add(1)
	default:
		c.results[nobody].Add(1)
	}
	if a.done != nil {
		a.done(broker.Receipt{ID: a.id, Members: a.given, LocalOnly: a.localOnly}, nil)
	}
}

// Run says now and then that this node is there, until ctx ends.
func (c *Courier) Run(ctx context.Context) {
	if !c.cfg.Clustered {
		return
	}
	tick := time.NewTicker(helloEvery)
	defer tick.Stop()
	c.hello(c.cfg.Control)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
			for _, node := range c.strangers() {
				c.hello(RoomOf(node))
			}
		case <-c.cfg.Loops.OwnBegins():
			c.hello(c.cfg.Control)
		case <-tick.C:
			c.forget(time.Now(), c.broker.Err() == nil)
			c.hello(c.cfg.Control)
		}
	}
}

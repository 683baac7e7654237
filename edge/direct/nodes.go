// Other nodes: what they are told, and what they say.

package direct

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/broker"
)

const (
	// Kind is the kind of messages between couriers, in the control room and in those of
	// single nodes.
	Kind = "\x00direct"

	roomPrefix = "@direct:" // no name rule allows it
	helloEvery = 5 * time.Second
	peerLease  = 3 * helloEvery                 // without a word from a node
	settleTime = helloEvery + bounds.DirectWait // until all nodes there are have said something
)

// Room is where this node hears what is for it alone.
func (c *Courier) Room() string { return RoomOf(c.cfg.Node) }

// RoomOf is Room of a node.
func RoomOf(node string) string { return roomPrefix + node }

// letter is what one node says to others: a line of JSON, behind which a message's payload
// stands. It has one of its parts, or is a word that the node is there.
type letter struct {
	From   string        `json:"from"`
	NoOwn  bool          `json:"no_own,omitempty"` // none of its connections wants copies; nodes of before say nothing of it
	Leaves bool          `json:"leaves,omitempty"` // it has no connections any more
	Ask    *askLetter    `json:"ask,omitempty"`
	Answer *answerLetter `json:"answer,omitempty"`
}

// askLetter is a message to be given.
type askLetter struct {
	Number uint64        `json:"number"`
	Conn   string        `json:"conn,omitempty"`
	Device string        `json:"device,omitempty"`
	Room   string        `json:"room,omitempty"`
	ID     string        `json:"id"`
	Time   int64         `json:"time"`
	Sender broker.Sender `json:"sender,omitzero"`
	Kind   string        `json:"kind,omitempty"`
	Format broker.Format `json:"format"`
	TTL    uint32        `json:"ttl,omitempty"`
}

// answerLetter says how many connections were given one.
type answerLetter struct {
	Number uint64 `json:"number"`
	Given  int    `json:"given"`
}

func askOf(number uint64, p *broker.Publication, m *broker.Message) *askLetter {
	return &askLetter{
		Number: number, Conn: p.Conn, Device: p.Device, Room: m.Room, ID: m.ID, Time: m.Time, Sender: m.Sender,
		Kind: m.Kind, Format: m.Format, TTL: m.TTL,
	}
}

func (l *askLetter) message(payload []byte) *broker.Message {
	return &broker.Message{Room: l.Room, ID: l.ID, Time: l.Time, Sender: l.Sender, Kind: l.Kind, Format: l.Format, TTL: l.TTL, Payload: payload}
}

// post publishes a letter. failed, if there is one, is called if nobody else hears of it.
func (c *Courier) post(room string, l letter, payload []byte, failed func()) {
	l.From, l.NoOwn = c.cfg.Node, c.cfg.Loops.TakeOwn() == 0
	head, err := json.Marshal(&l)
	if err == nil {
		// Kept or refused: what only this node gets is for nobody.
		p := &broker.Publication{Room: room, Kind: Kind, Format: broker.Binary, Payload: slices.Concat(head, []byte("\n"), payload), Forget: true, Keep: true}
		if c.broker.TryPublish(p, func(_ broker.Receipt, err error) {
			if err != nil && failed != nil {
				failed()
			}
		}) {
			return
		}
	}
	if failed != nil {
		failed()
	}
}

// Hear takes a letter. It is called by the broker.
func (c *Courier) Hear(m *broker.Message) {
	var l letter
	head, payload, ok := bytes.Cut(m.Payload, []byte("\n"))
	if !ok || m.Room != c.cfg.Control && m.Room != c.Room() || json.Unmarshal(head, &l) != nil || l.From == "" || l.From == c.cfg.Node {
		return
	}
	c.note(&l)
	switch {
	case l.Ask != nil:
		c.give(l.Ask.message(payload), l.Ask.Conn, l.Ask.Device, func(n int) {
			c.post(RoomOf(l.From), letter{Answer: &answerLetter{l.Ask.Number, n}}, nil, nil)
		})
	case l.Answer != nil:
		c.answered(l.Answer.Number, l.From, max(0, l.Answer.Given))
	}
}

// note takes that a node is there, or is leaving. One that was not known is told of this one.
func (c *Courier) note(l *letter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.Leaves {
		delete(c.peers, l.From)
		return
	}
	p := c.peers[l.From]
	if p == nil {
		p = new(peer)
		c.peers[l.From] = p
		c.greet = append(c.greet, l.From)
		select {
		case c.wake <- struct{}{}:
		default: // it will
		}
	}
	p.heard, p.silent, p.noOwn = time.Now(), false, l.NoOwn
}

// strangers are those to be greeted.
func (c *Courier) strangers() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.greet
	c.greet = nil
	return all
}

// forget forgets nodes that have said nothing for long, and if they could not be heard, that
// any were known.
func (c *Courier) forget(now time.Time, heard bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !heard {
		c.since = now
	}
	for name, p := range c.peers {
		if now.Sub(p.heard) > peerLease {
			delete(c.peers, name)
		}
	}
}

// newLocked tells whether there may be nodes that have not been heard yet.
func (c *Courier) newLocked() bool { return time.Since(c.since) < settleTime }

// Own tells whether a connection of any node may want copies of what its user writes to others.
func (c *Courier) Own() bool {
	if c.cfg.Loops.TakeOwn() > 0 || !c.cfg.Clustered {
		return c.cfg.Loops.TakeOwn() > 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.peers {
		if !p.noOwn {
			return true
		}
	}
	return c.newLocked()
}

func (c *Courier) hello(room string) { c.post(room, letter{}, nil, nil) }

// Leave tells the others that this node has no connections any more.
func (c *Courier) Leave() {
	if c.cfg.Clustered {
		c.post(c.cfg.Control, letter{Leaves: true}, nil, nil)
	}
}

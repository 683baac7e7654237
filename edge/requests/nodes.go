// Other nodes: what they are told, and what they say.

package requests

import (
	"encoding/json"
	"net/netip"
	"time"

	"barrage/edge/events"
	"barrage/internal/broker"
)

const (
	// Kind is the kind of messages between exchanges.
	Kind = "\x00requests"

	allRoom    = "@workers"      // what workers serve, for all nodes
	nodeRooms  = "@requests:"    // and a node: what is for it alone
	tellEvery  = time.Second     // what is served, if nothing changes
	loadEvery  = lookEvery       // how busy workers are, while that changes
	peerLease  = 5 * tellEvery   // without a word from a node
	strayGrace = 2 * time.Second // beyond a job's deadline, for its node's own word
)

// Room tells whether a room is one of those in which this node hears others.
func (x *Exchange) Room(name string) bool {
	return x.cfg.Clustered && (name == allRoom || name == nodeRooms+x.cfg.Node)
}

// peer is another node.
type peer struct {
	node  string
	heard time.Time
}

// telling is what was told to all nodes.
type telling struct {
	at     time.Time // the last time
	served bool      // it had something
	now    bool      // it is to be told at once
	busy   bool      // how busy workers are has changed since
}

// letter is a message between exchanges. It has one of its parts.
type letter struct {
	to string // a node; "": all

	From    string         `json:"from"`
	Ask     *askLetter     `json:"ask,omitempty"`
	Outcome *outcomeLetter `json:"outcome,omitempty"`
	Cancel  *cancelLetter  `json:"cancel,omitempty"`
	Offers  []offerLetter  `json:"offers,omitempty"` // all that the node's workers serve
	Offer   bool           `json:"offer,omitempty"`  // Offers is there, if only empty
	Hello   bool           `json:"hello,omitempty"`  // a node that has just come wants to be told all offers
}

type askLetter struct {
	Number  uint64          `json:"number"`
	Pattern string          `json:"pattern"`
	Method  string          `json:"method"`
	Left    int64           `json:"left"` // milliseconds until the deadline
	Again   bool            `json:"again,omitempty"`
	ID      string          `json:"id,omitempty"`
	Room    string          `json:"room,omitempty"`
	User    string          `json:"user,omitempty"`
	Conn    string          `json:"conn,omitempty"`
	Address netip.Addr      `json:"address,omitzero"`
	Data    json.RawMessage `json:"data,omitempty"`
}

type outcomeLetter struct {
	Number uint64             `json:"number"`
	What   what               `json:"what"`
	Data   json.RawMessage    `json:"data,omitempty"`
	Error  *events.ReplyError `json:"error,omitempty"`
}

type cancelLetter struct {
	Number uint64 `json:"number"`
	Reason reason `json:"reason"`
}

type offerLetter struct {
	Pattern string `json:"pattern"`
	Busy    int    `json:"busy"`
	Limit   int    `json:"limit"`
}

func (a *asking) letter(pattern string) *askLetter {
	return &askLetter{
		Number: a.number, Pattern: pattern, Method: a.Method, Left: max(1, time.Until(a.until).Milliseconds()), Again: a.given > 0,
		ID: a.ID, Room: a.Room, User: a.User, Conn: a.Conn, Address: a.Address, Data: a.Data,
	}
}

func (l *askLetter) job(from string) *job {
	return &job{
		Request: Request{Request: events.Request{Method: l.Method, ID: l.ID, Room: l.Room, User: l.User, Conn: l.Conn, Data: l.Data, Address: l.Address}},
		origin:  origin{from, l.Number}, pattern: l.Pattern, until: time.Now().Add(time.Duration(l.Left) * time.Millisecond), again: l.Again,
	}
}

func (o outcome) letter() *outcomeLetter {
	return &outcomeLetter{o.Number, o.What, o.Reply.Data, o.Reply.Error}
}

// Start tells through which broker nodes speak. Before Run.
func (x *Exchange) Start(b broker.Broker) {
	x.broker = b
	if x.cfg.Clustered {
		b.Want(allRoom)
		b.Want(nodeRooms + x.cfg.Node)
	}
}

// enter asks the others what their workers serve.
func (x *Exchange) enter() {
	x.do(func() { x.sendLocked(letter{Hello: true}) })
}

func (x *Exchange) sendLocked(l letter) {
	if !x.cfg.Clustered {
		return
	}
	l.From = x.cfg.Node
	x.outbox = append(x.outbox, l)
	x.runLocked()
}

// post publishes what is in the outbox. Run's goroutine, so that it stays in order.
func (x *Exchange) post() {
	var letters []letter
	x.do(func() { letters, x.outbox = x.outbox, nil })
	for i := range letters {
		l := &letters[i]
		room := allRoom
		if l.to != "" {
			room = nodeRooms + l.to
		}
		body, err := json.Marshal(l)
		if err != nil { // of parts that came as JSON
			x.lost(l)
			continue
		}
		// Kept or refused: what only this node gets is for nobody.
		p := &broker.Publication{Room: room, Kind: Kind, Format: broker.JSON, Payload: body, Forget: true, Keep: true}
		if !x.broker.TryPublish(p, func(_ broker.Receipt, err error) {
			if err != nil {
				x.lost(l)
			}
		}) {
			x.lost(l)
		}
	}
}

// lost is for what did not go out: of a request nobody will hear. Of others the deadlines
// take care.
func (x *Exchange) lost(l *letter) {
	if l.Ask == nil {
		return
	}
	x.do(func() {
		if a := x.asked[l.Ask.Number]; a != nil {
			x.finishLocked(a, resultUnavailable, events.Reply{}, errNobody)
		}
	})
}

// Hear takes a message of one of the rooms.
func (x *Exchange) Hear(m *broker.Message) {
	var l letter
	if !x.Room(m.Room) || json.Unmarshal(m.Payload, &l) != nil || l.From == "" || l.From == x.cfg.Node {
		return
	}
	x.do(func() {
		switch {
		case l.Ask != nil:
			x.hearAskLocked(l.Ask.job(l.From))
		case l.Outcome != nil:
			x.hearOutcomeLocked(l.From, l.Outcome)
		case l.Cancel != nil:
			if j := x.foreign[origin{l.From, l.Cancel.Number}]; j != nil {
				x.giveUpLocked(j, l.Cancel.Reason)
			}
		case l.Hello:
			if x.told.served {
				x.offersLocked()
			}
		case l.Offer:
			x.hearOffersLocked(l.From, l.Offers)
		}
	})
}

func (x *Exchange) hearAskLocked(j *job) {
	if x.foreign[j.origin] != nil {
		return // it has come before
	}
	if !x.bytes.Take(j.size(), j.pattern, j.User, j.Address) {
		x.endLocked(j, outcome{What: overloaded})
		return
	}
	x.foreign[j.origin] = j
	x.takeLocked(j)
}

// hearOutcomeLocked takes only what the node says that was asked.
func (x *Exchange) hearOutcomeLocked(from string, l *outcomeLetter) {
	if a := x.asked[l.Number]; a == nil || a.at != nil && a.at.node == from {
		x.outcomeLocked(outcome{l.Number, l.What, events.Reply{Data: l.Data, Error: l.Error}})
	}
}

func (x *Exchange) hearOffersLocked(from string, offers []offerLetter) {
	p := x.peers[from]
	if p == nil {
		p = &peer{node: from}
		x.peers[from] = p
	}
	p.heard = time.Now()
	offered := make(map[string]bool)
	for _, o := range offers {
		if o.Limit < 1 {
			continue
		}
		offered[o.Pattern] = true
		x.methodLocked(o.Pattern).offers[p] = &offer{busy: o.Busy, limit: o.Limit}
	}
	for pattern, m := range x.methods {
		if m.offers[p] != nil && !offered[pattern] {
			delete(m.offers, p)
			x.emptyLocked(m)
		}
	}
	if len(offers) == 0 && !x.askedOfLocked(p) {
		delete(x.peers, from)
	}
}

func (x *Exchange) askedOfLocked(p *peer) bool {
	for _, a := range x.asked {
		if a.at == p {
			return true
		}
	}
	return false
}

// partLocked forgets a node that has not been heard of for long, with all that it was asked.
func (x *Exchange) partLocked(p *peer) {
	x.hearOffersLocked(p.node, nil)
	delete(x.peers, p.node)
	for _, a := range x.asked {
		if a.at == p {
			x.outcomeLocked(outcome{Number: a.number, What: died})
		}
	}
}

// changedLocked notes that workers are more or less busy, and offersLocked that they serve
// something else.
func (x *Exchange) changedLocked() { x.told.busy = true }

func (x *Exchange) offersLocked() {
	x.told.now = true
	x.runLocked()
}

// tellLocked tells all nodes what is served here, if it is time to.
func (x *Exchange) tellLocked(now time.Time) {
	if !x.cfg.Clustered {
		return
	}
	t, since := &x.told, now.Sub(x.told.at)
	if !t.now && !(t.served && (t.busy && since >= loadEvery || since >= tellEvery)) {
		return
	}
	var offers []offerLetter
	for pattern, m := range x.methods {
		if busy, limit := m.load(); limit > 0 {
			offers = append(offers, offerLetter{pattern, busy, limit})
		}
	}
	if len(offers) > 0 || t.served {
		x.sendLocked(letter{Offer: true, Offers: offers})
	}
	*t = telling{at: now, served: len(offers) > 0}
}

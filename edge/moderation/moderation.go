// Package moderation is what operators order, on all nodes: who must leave, who stays
// out until when, what is set for single rooms, and closing a room.
//
// # Orders between nodes
//
// An order is a message of the room [ControlRoom], which every node wants and no name
// rule allows from outside. Each node obeys it, the one that gave it too, and goes
// through its own connections.
//
// Bans and room settings are persistent: they are put into a store first, of which each
// node has a replica (package replica), so they hold on nodes that start later, and on
// those that were cut off.
//
// # Closing a room
//
// Everybody is ordered out; then the history is read and handed to backends part by
// part, and forgotten if its head is still what was read. If it is not, what is new goes
// the same way. The part that was read last waits in a reserved place of the queue of
// events until that is known, so that only one can say it is the last.
//
// # Ownership
//
//	state                   owner                    everyone else
//	entries                 the replica              read
//	settings                their mutex              read, for every message
//	banned addresses        their mutex              read, for every handshake
//	orders not yet obeyed   a mutex for each loop    added by the replica, or the broker
package moderation

import (
	"context"
	"log/slog"
	"time"

	"barrage/edge/conn"
	"barrage/edge/events"
	"barrage/edge/moderation/replica"
	"barrage/fanout"
	"barrage/internal/broker"
)

const (
	// ControlRoom carries orders. It is no name that broker.RoomName allows.
	ControlRoom = "@control"
	// KindControl is the kind of its messages; no kind of the outside begins so.
	KindControl = "\x00control"

	firstRead = 2 * time.Second // for the first reading of the store, before a client is let in
)

// Config is what New needs.
type Config struct {
	Store   replica.Store   // of what is persistent; nil: this node has none
	Targets broker.Targets  // how many comments a second viewers get, likewise
	Rules   broker.Rules    // what rooms remember, unless their settings say otherwise
	Events  *events.Emitter // tells backends; may be nil
	Loops   *conn.Loops
	Logger  *slog.Logger
}

// Moderation is a node's part. Its methods may be called from any goroutine.
type Moderation struct {
	cfg       Config
	replica   *replica.Replica
	settings  settings
	addresses addresses
	queues    [fanout.MaxShards]conn.Errands[*order] // by loop
	broker    broker.Broker
}

// New returns a node's moderation, which orders nothing before Start.
func New(cfg Config) (*Moderation, error) {
	m := &Moderation{cfg: cfg}
	var err error
	m.replica, err = replica.New(replica.Config{Store: cfg.Store, Changed: m.changed, Logger: cfg.Logger})
	return m, err
}

// Start begins to give and obey orders, and reads the store, once, before a client is
// let in. Without an answer the server starts all the same, and Run goes on asking.
func (m *Moderation) Start(ctx context.Context, b broker.Broker) {
	m.broker = b
	b.Want(ControlRoom)
	ctx, cancel := context.WithTimeout(ctx, firstRead)
	defer cancel()
	_ = m.replica.Sync(ctx) // it has been logged, and Known tells
}

// Run keeps what is persistent up to date until ctx ends.
func (m *Moderation) Run(ctx context.Context) { m.replica.Run(ctx) }

// Sync reads what is persistent now, if it has changed.
func (m *Moderation) Sync(ctx context.Context) error { return m.replica.Sync(ctx) }

// Known tells whether the store has been read: before, bans and settings hold that this
// node does not know.
func (m *Moderation) Known() bool { return m.replica.Read() }

// Retention is what a room remembers of what is published from now on.
func (m *Moderation) Retention(room string) broker.Retention {
	if own := m.settings.of(room).History; own != nil {
		return *own
	}
	return m.cfg.Rules.For(room)
}

// Target is how many comments a second a room's viewers get; 0 is all.
func (m *Moderation) Target(room string) float64 {
	if own := m.settings.of(room).Rate; own != 0 {
		return own
	}
	return m.cfg.Targets.For(room)
}

// Muted tells whether only backends may publish to a room.
func (m *Moderation) Muted(room string) bool { return m.settings.of(room).Muted }

// Quiet tells whether nobody is told who comes into a room and goes.
func (m *Moderation) Quiet(room string) bool { return m.settings.of(room).Quiet }

// Package replica is the memory that nodes share of what operators ordered
// until further notice: the settings of rooms, and who must stay out. It knows
// names and values only; what they mean is the server's.
//
// # How nodes agree
//
// The truth is a [Store], whose version grows with every change. A [Replica] is a
// node's copy of all of it. Who changes something puts it into the store first
// and then tells the nodes, with the version before and after ([Change]): a Replica
// that is at the one goes to the other, any other Replica reads the store. So it
// does not matter whether notices come late, in another order, twice or never:
// each Replica compares its version with the store's every few seconds, and has all
// that was ordered while it was not there or was cut off.
//
// A store that has come back empty is filled again by the first Replica that finds
// it so. Without a store ([Config].Store nil) a Replica forgets all with its
// process.
//
// # Ownership
//
// A Replica may be used by any goroutine. [Replica.Run] is the caller's goroutine and
// ends with its context.
package replica

import (
	"context"
	"time"
)

// Entry is one thing that holds until it is taken back or its time is over. The
// same Value means the same Until.
type Entry struct {
	Name  string    // not empty
	Value string    // "": it was taken back
	Until time.Time // zero: for good
}

// Change is a step of the store. The zero Change says that no store has it.
type Change struct{ Previous, Version uint64 }

// Store keeps entries. Implementations bound the time of each call by themselves
// too. An error of Put or Fill leaves open whether it was done.
type Store interface {
	// Put keeps an entry, or forgets one that was taken back.
	Put(ctx context.Context, e Entry) (Change, error)
	// Fill puts entries into a store in which nothing was ever put, and does
	// nothing to any other.
	Fill(ctx context.Context, entries []Entry) error
	// Load returns all entries as they were at one version. Those whose time is
	// over may be among them.
	Load(ctx context.Context) (entries []Entry, version uint64, err error)
	// Version returns the present one, 0 if nothing was ever put. No version comes
	// twice, even if the store loses its newest changes or all.
	Version(ctx context.Context) (uint64, error)
}

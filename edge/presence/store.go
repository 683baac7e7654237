// What a registry needs of the memory that nodes share.

package presence

import (
	"context"
	"errors"
	"time"
)

// ErrNoStore says that this is known with a Store only.
var ErrNoStore = errors.New("presence: no store that nodes share")

// A Store holds each node's users per room for as long as the node renews its
// lease on the room, and adds them up over the nodes whose lease is not over.
// Implementations bound the time of each call by themselves too.
type Store interface {
	// Sync applies the updates in order, at most one per room, and answers each.
	// An error means that it is not known which of them were applied; a Store
	// must then refuse the late ones by their versions.
	Sync(ctx context.Context, updates []Update, exact int) ([]Figure, error)
	// List adds up the room's lists of all nodes, without names if none are
	// wanted: complete, each user once, while their numbers of users add up to
	// exact at most.
	List(ctx context.Context, room string, exact int, names bool) (List, error)
	// Viewers estimates how many users were in the room in the buckets from to
	// to (Update.Bucket), both included.
	Viewers(ctx context.Context, room string, from, to int64) (int, error)
	// Saw notes when users were here, no two of them the same, and keeps it for a time;
	// LastSeen is the latest of a user, zero if there is none.
	Saw(ctx context.Context, seen []Seen, keep time.Duration) error
	LastSeen(ctx context.Context, user string) (time.Time, error)
	// Rooms calls found for the rooms that nodes have connections in and whose
	// names match a pattern, in which * stands for any bytes, until it returns
	// false: in no order, perhaps twice, and also for rooms that were left lately.
	// Calls never overlap.
	Rooms(ctx context.Context, pattern string, found func(room string) bool) error
}

// An Update brings one room of this node in the store up to date, and renews the
// lease on it. It applies to Previous, or if Full to anything older than
// Version.
type Update struct {
	Room              string
	Version, Previous uint32
	Full              bool     // forget what was there of this node, Set is all
	Partial           bool     // Set is the newest users only
	Gone              bool     // the room is empty here: forget the node, once Removed is answered
	Over              bool     // the node ends: its lease is over now
	Ask               bool     // answer Figure.Elsewhere and Figure.Departed
	Users             int      // of this node
	Connections       int      // of this node
	Set               []Entry  // users to add or change
	Removed           []string // users to remove
	Bucket            int64    // of time, for the unique viewers
	Viewers           []string // users to add to these
	Begin             string   // one of them, if these may begin to be kept; "": add only where some are
}

// A Figure answers an Update.
type Figure struct {
	Resync      bool     // the update did not apply and changed nothing: a Full one is wanted
	Fresh       bool     // the lease was over, or there was none, and other nodes were there, which may have told that this node's users left
	Kept        bool     // viewers are kept of Update.Bucket
	Began       bool     // since now
	Users       int      // in the cluster, this node included
	Connections int      // in the cluster, this node included
	Elsewhere   []string // of Update.Set and Update.Removed: users that another node has too
	Departed    []*User  // users of nodes whose lease is over, on no other node; told to one node only
}

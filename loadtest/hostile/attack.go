// What an attack is, and the list of them.

package hostile

import (
	"context"
	"time"

	"barrage/loadtest/probe"
)

// Attack is one way to take more than one's share.
type Attack struct {
	Name  string // in the table and on the command line
	Who   string // must be able to: "anyone", "a user", "a back end", "a node", "an operator"
	About string // what it does, for the table

	Sizes []int         // of connections, unless About says otherwise
	Short int           // size in tests
	Flags []string      // further ones of barrage serve
	Redis bool          // on a server with Redis
	Far   time.Duration // that Redis is away, there and back
	Mute  bool          // nobody reads what the server logs
	Plain bool          // on a server that listens for plain TCP
	Time  time.Duration // how long it lasts at least: shorter, it does not show

	// Memory is how many MiB the server may grow beyond what it has with honest
	// viewers alone, by the bounds of docs/limits.md that the attack fills.
	Memory int64

	// Trusted attackers have rights that nobody should have who cannot be trusted: what they
	// do is measured, and no share is asserted.
	Trusted bool

	// Prepare has the backend say what the attack needs, before all. It may be nil.
	Prepare func(context.Context, *Backend) error
	// Run attacks until ctx ends.
	Run func(ctx context.Context, f *Field)
	// Check returns what does not hold, in words. It may be nil. It must not judge times.
	Check func(f *Facts) []string
}

// Attacks is all of them.
func Attacks() []*Attack {
	return []*Attack{
		&asksHistories, &asksFarHistories, &asksUnknownEpochs, &asksPresence,
		&neverReads, &neverReadsRoom, &halfMessages, &halfRequests,
		&fillsHistories, &fillsHistoriesOnRedis, &fillsMailboxes, &usesUpKeys,
		&looksAtNothing, &joinsNothing, &shouts, &slowRequests,
		&deafStreams, &floodsOverHTTP, &guessesKeys, &slowHooks,
		&halfLines, &longLines, &silentLines, &stuckWorkers, &servesAll,
		&bursts, &storms, &frozen, &badTokens, &knocksOnAdmin, &muteLog,
		&floodsOverAPI, &floodsOverRedis, &floodsQueues,
	}
}

// Find returns the attack of a name; nil if there is none.
func Find(name string) *Attack {
	for _, a := range Attacks() {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Facts is what Check judges by.
type Facts struct {
	Size          int
	Before, After probe.Metrics // of the server
	Out           Outcome       // of the attackers
	Seconds       float64       // that they have attacked for
	Redis         [2]Redis      // before and after
}

// Grown is how much a metric has grown over the attack.
func (f *Facts) Grown(name string, value ...string) float64 {
	return f.After.Sum("barrage_"+name, value...) - f.Before.Sum("barrage_"+name, value...)
}

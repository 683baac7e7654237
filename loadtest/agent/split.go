// How many connections a process may hold, and how they are spread
// over several.

package agent

import (
	"cmp"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Range is the connections From <= n < To.
type Range struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Split spreads connections over agents that may hold so many each, as evenly as
// that allows, in contiguous ranges in the agents' order. Some may be empty.
func Split(connections int, capacities []int) ([]Range, error) {
	total := 0
	order := make([]int, len(capacities))
	for i, c := range capacities {
		order[i] = i
		total += max(0, c)
	}
	if connections > total {
		return nil, fmt.Errorf("agent: %d connections are wanted, but %d agents can hold %d: %d too few",
			connections, len(capacities), total, connections-total)
	}
	// From the smallest on: what one cannot hold is shared by those after it.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(capacities[a], capacities[b]) })
	sizes := make([]int, len(capacities))
	left := max(0, connections)
	for i, a := range order {
		sizes[a] = min(max(0, capacities[a]), left/(len(order)-i))
		left -= sizes[a]
	}
	ranges := make([]Range, len(capacities))
	at := 0
	for i, n := range sizes {
		ranges[i] = Range{at, at + n}
		at += n
	}
	return ranges, nil
}

// Capacity raises this process's limit of open files as far as it may and
// returns how many connections that allows. Other limits, such as ports and
// memory, are not in it.
func Capacity() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0 // cannot happen: the arguments are right
	}
	if raised := (unix.Rlimit{Cur: limit.Max, Max: limit.Max}); limit.Cur < limit.Max &&
		unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
		limit = raised
	}
	return capacity(limit.Cur)
}

// capacity leaves a twentieth of the descriptors, and no less than 200, to all
// else that a process opens.
func capacity(descriptors uint64) int {
	const most = 1 << 30 // unlimited is 1<<64-1
	n := int(min(descriptors, most))
	return max(0, n-max(200, n/20))
}

package main

// How much is published to how many, on the command line.

import (
	"fmt"
	"strconv"
	"strings"
)

// maxConnections is what fits into one process with the hard limit of open files
// that containers often have, 20,000.
const maxConnections = 19000

// load is what is published to how many.
type load struct {
	rate        int // messages a second
	connections int
}

func (l load) String() string {
	return thousands(float64(l.rate)) + "/s to " + thousands(float64(l.connections))
}

// parseRates reads a list of RATE and RATE@N, the latter for N connections instead
// of the usual number.
func parseRates(list string, connections int) ([]load, error) {
	var loads []load
	for _, item := range strings.Split(list, ",") {
		rate, members, own := strings.Cut(strings.TrimSpace(item), "@")
		l := load{connections: connections}
		var err error
		if l.rate, err = strconv.Atoi(rate); err != nil || l.rate < 1 {
			return nil, fmt.Errorf("-rates: %q is no number of messages a second", item)
		}
		if own {
			if l.connections, err = strconv.Atoi(members); err != nil {
				return nil, fmt.Errorf("-rates: %q has no number of connections", item)
			}
		}
		if l.connections < 1 || l.connections > maxConnections {
			return nil, fmt.Errorf("-connections: %d is not from 1 to %d", l.connections, maxConnections)
		}
		loads = append(loads, l)
	}
	return loads, nil
}

// Package random makes names that nobody else makes: of nodes, of epochs, of runs of
// a load test. They are short, as they travel with every message, and no secrets.
package random

import (
	"math/rand/v2"
	"strconv"
)

// Name returns up to 10 lower-case letters and digits, another one each time but for
// 1 in 2^48.
func Name() string { return strconv.FormatUint(rand.Uint64()>>16, 36) }

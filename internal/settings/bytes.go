// Sizes.

package settings

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size.
//
// dustin/go-humanize would take 1.5MiB and 1K, and writes the nearest number of
// two digits: what is read back from that is another size.
type Bytes int64

// Binary units.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

// units begins with the binary ones, the largest first.
var units = []struct {
	suffix string
	size   Bytes
}{
	{"TiB", 1 << 40}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

// ParseBytes reads a whole number with or without a unit, in any case.
func ParseBytes(text string) (Bytes, error) {
	digits, size := strings.TrimSpace(text), Bytes(1)
	for _, u := range units {
		if n := len(digits) - len(u.suffix); n > 0 && strings.EqualFold(digits[n:], u.suffix) {
			digits, size = strings.TrimSpace(digits[:n]), u.size
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/int64(size) || n < math.MinInt64/int64(size) {
		return 0, errors.New("not a size")
	}
	return Bytes(n) * size, nil
}

// String writes the size in the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range units[:4] {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

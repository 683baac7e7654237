// Levels: what everybody keeps when there is not enough.

package fair

import "slices"

// Level is the max-min fair share of a total: who wants less gets that, and all others
// the level. It sorts wants. If there is enough for all it is the largest of them.
func Level(wants []int64, total int64) int64 {
	slices.Sort(wants)
	for i, w := range wants {
		share := max(total, 0) / int64(len(wants)-i)
		if w > share {
			return share
		}
		total -= w
	}
	if len(wants) == 0 {
		return 0
	}
	return wants[len(wants)-1]
}

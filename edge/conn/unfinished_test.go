package conn

import (
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestUnfinished compares who goes first with a slow and obvious list.
func TestUnfinished(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const bound = 10_000
		type entry struct {
			id    ID
			bytes int
		}
		u := unfinished{bound: bound, holders: make(map[ID]*holder)}
		var all []entry // in the order in which they came into their classes
		set := func(id ID, n int) {
			i := slices.IndexFunc(all, func(e entry) bool { return e.id == id })
			before := 0
			if i >= 0 {
				before = all[i].bytes
			}
			switch {
			case n > 0 && bits.Len(uint(n)) == bits.Len(uint(before)):
				all[i].bytes = n
			default:
				if i >= 0 {
					all = slices.Delete(all, i, i+1)
				}
				if n > 0 {
					all = append(all, entry{id, n})
				}
			}
			if more := u.set(id, n); more != n-before {
				t.Fatalf("%d more, want %d", more, n-before)
			}
		}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			set(ID(rapid.IntRange(0, 30).Draw(t, "id")), rapid.SampledFrom([]int{0, 1, 2, 3, 500, 512, 1000, 1024, 5000, bound, 2 * bound}).Draw(t, "bytes"))
			for {
				total, most := 0, 0
				for _, e := range all {
					total, most = total+e.bytes, max(most, bits.Len(uint(e.bytes)))
				}
				if u.total != total {
					t.Fatalf("total %d, want %d", u.total, total)
				}
				id, must := u.largest()
				if must != (total > bound) {
					t.Fatalf("somebody must go: %v, with %d bytes", must, total)
				}
				if !must {
					break
				}
				if want := all[slices.IndexFunc(all, func(e entry) bool { return bits.Len(uint(e.bytes)) == most })]; want.id != id {
					t.Fatalf("%d goes first, want %d, of %v", id, want.id, all)
				}
				set(id, 0)
			}
		}
	})
}

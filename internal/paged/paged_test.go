package paged

import "testing"

type id uint32

// TestTable: a table is a map whose entries stay where they are.
func TestTable(t *testing.T) {
	var table Table[id, uint16]
	if table.Get(0) != 0 || table.Get(1<<30) != 0 {
		t.Error("an empty table has something")
	}
	want, places := map[id]uint16{}, map[id]*uint16{}
	for n, i := range []id{5, 0, Page - 1, Page, 7*Page + 3, 3 * Page, 5} {
		p := table.Make(i)
		if before := places[i]; before != nil && before != p {
			t.Errorf("entry %d has moved", i)
		}
		*p = uint16(n + 1)
		want[i], places[i] = uint16(n+1), p
	}
	for i, v := range want {
		if table.At(i) != places[i] || *table.At(i) != v || table.Get(i) != v {
			t.Errorf("entry %d: %d, want %d", i, table.Get(i), v)
		}
	}
	if table.Get(2*Page) != 0 || table.Get(8*Page) != 0 {
		t.Error("there is something where nothing was made")
	}
	seen, last := 0, id(0)
	for i, p := range table.All() {
		if i < last || *p != want[i] {
			t.Errorf("entry %d, after %d: %d, want %d", i, last, *p, want[i])
		}
		seen, last = seen+1, i
	}
	if seen != 4*Page { // of pages 0, 1, 3 and 7
		t.Errorf("%d entries", seen)
	}
	for range table.All() {
		break
	}
}

func BenchmarkAt(b *testing.B) {
	var table Table[id, [16]byte]
	for i := range id(1 << 14) {
		table.Make(i)[0] = byte(i)
	}
	sum, i := 0, id(0)
	for b.Loop() {
		i = (i + 7919) % (1 << 14)
		sum += int(table.At(i)[0])
	}
}

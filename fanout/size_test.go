// What a subscriber costs here, as doc.go says it.

package fanout

import (
	"testing"
	"unsafe"
)

func TestSize(t *testing.T) {
	var links linkTable
	if m, l, f := unsafe.Sizeof(member{}), unsafe.Sizeof(link{}), unsafe.Sizeof(*links.firsts.At(0)); m != 8 || l != 16 || f != 4 {
		t.Errorf("a member has %d bytes, a link %d, a subscriber's first link %d, want 8, 16 and 4", m, l, f)
	}
}

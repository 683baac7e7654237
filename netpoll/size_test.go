// What a connection costs here, as doc.go says it.

package netpoll

import (
	"testing"
	"unsafe"
)

func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n != 16 {
		t.Errorf("a connection's record has %d bytes, want 16", n)
	}
}

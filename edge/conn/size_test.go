package conn

import (
	"testing"
	"unsafe"
)

// TestSizes: what every parked connection has is no larger than the package's and
// ARCHITECTURE's words on memory say.
func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(session{}); n != 16 {
		t.Errorf("a session has %d bytes, want 16", n)
	}
	if n := unsafe.Sizeof(source{}); n != 20 {
		t.Errorf("a source has %d bytes, want 20", n)
	}
	if n := unsafe.Sizeof(Client{}); n != 48 {
		t.Errorf("a client has %d bytes, want 48", n)
	}
}

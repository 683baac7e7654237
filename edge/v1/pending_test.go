package v1

import (
	"testing"
	"unsafe"

	"barrage/edge/delivery"
)

// TestSize: a client's size class is the one that memory was measured with.
func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(client{}); n != 64 {
		t.Errorf("a client has %d bytes, want 64", n)
	}
}

// TestOneGapForEachRoom: a client that is stuck for long is owed one gap for each room,
// and nothing is kept once it has been told.
func TestOneGapForEachRoom(t *testing.T) {
	c := new(client)
	for i := range uint64(100) {
		c.noteGap("a", delivery.Skips{N: 2, From: 10 + i, To: 11 + i})
		c.noteGap("b", delivery.Skips{N: 1})
	}
	if n := len(c.pending.gaps); n != 2 {
		t.Fatalf("%d gaps are owed for 2 rooms", n)
	}
	if g := c.pending.gaps[c.gapIn("a")]; g.N != 200 || g.From != 10 || g.To != 110 {
		t.Errorf("the gap in a is %+v", g)
	}
	c.forgetGap("a")
	c.forgetGap("b")
	if c.pending != nil {
		t.Errorf("%+v is kept", c.pending)
	}
}

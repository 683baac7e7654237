//go:build !race

// Rooms that come and go, so many that a few bytes of each would be seen.

package edge_test

import (
	"fmt"
	"testing"

	"barrage/edge/edgetest"
	"barrage/frame"
)

// TestRoomChurn: a hundred thousand rooms joined and left through sockets leave
// no memory behind.
func TestRoomChurn(t *testing.T) {
	if testing.Short() {
		t.Skip("opens thousands of connections")
	}
	const conns, perConn = 200, 16
	s := edgetest.Start(t, nil)
	round := func(n int) {
		cs := make([]*edgetest.Viewer, conns)
		for i := range cs {
			target := fmt.Sprintf("/ws?room=r-%d-%d-0", n, i)
			for j := 1; j < perConn; j++ {
				target += fmt.Sprintf("&room=r-%d-%d-%d", n, i, j)
			}
			cs[i], _ = edgetest.ShakeOn(t, edgetest.DialLoose(t, s), edgetest.UpgradeRequest(target))
		}
		if got := s.Stats().Rooms; got != conns*perConn {
			t.Fatalf("%d rooms, want %d", got, conns*perConn)
		}
		edgetest.PublishTo(t, s, fmt.Sprintf("r-%d-0-0", n), "x")
		cs[0].Want(frame.Text, "x")
		for _, c := range cs {
			_ = c.Conn.SetLinger(0)
			_ = c.Conn.Close()
		}
		edgetest.WaitFor(t, "all rooms to go", func() bool { return s.Stats().Rooms == 0 && openSocketsNow(s) == 0 })
	}
	round(0)
	before := heapInUse()
	for n := 1; n <= 100000/(conns*perConn); n++ {
		round(n)
	}
	if grown := heapInUse() - before; grown > 1<<20 {
		t.Errorf("heap grew by %d bytes over 100,000 rooms that are gone", grown)
	}
}

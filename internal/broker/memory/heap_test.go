//go:build !race

// What memory holds when much has been forgotten.

package memory_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

// TestMemoryGoesBack: 100,000 rooms that spoke once are gone after their age.
func TestMemoryGoesBack(t *testing.T) {
	const rooms = 100_000
	clock := &clock{}
	m := newMemory(t, memory.Config{Rules: broker.DefaultRules(), Now: clock.Now}, nobody{})
	before := heap()
	for i := range rooms {
		send(t, m, broker.Publication{Room: fmt.Sprint("room", i), Key: "k", Payload: []byte("hello")})
	}
	full := heap() - before
	if got := m.Stats(); got.Rooms != rooms || got.Messages != rooms || got.Keys != rooms {
		t.Fatalf("stats %+v, want %d rooms", got, rooms)
	}
	clock.Advance(10 * time.Minute)
	m.SweepAll()
	wantHistories(t, m, "")
	left := heap() - before
	t.Logf("%d bytes a room, %d left of %d", full/rooms, left, full)
	if left > full/20 {
		t.Errorf("%d bytes of %d are left after all rooms are gone", left, full)
	}
}

func heap() int64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

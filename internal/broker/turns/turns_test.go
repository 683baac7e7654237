package turns

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"barrage/internal/bounds"
)

// TestOrder: what goroutines do in a few rooms never overlaps within one, keeps the
// order in which it was put, and nothing is left.
func TestOrder(t *testing.T) {
	const goroutines, each, rooms = 4, 2000, 3
	type done struct{ by, number int }
	var mu sync.Mutex
	var all Rooms[done]
	var lists [rooms][]done // each touched by whoever has the room's turn
	var put [rooms][]done   // guarded by mu
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				room := (g + i) % rooms
				name, v := fmt.Sprint(room), done{g, i}
				mu.Lock()
				put[room] = append(put[room], v)
				turn := all.Of(name)
				if turn != nil {
					turn.Put(v, 1)
					mu.Unlock()
					continue
				}
				turn = all.Begin(name)
				mu.Unlock()
				for ok := true; ok; {
					lists[room] = append(lists[room], v)
					mu.Lock()
					v, ok = all.Next(turn)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for room := range lists {
		if !slices.Equal(lists[room], put[room]) {
			t.Errorf("room %d: what was done is not what was put, in that order", room)
		}
	}
	if !all.Idle() {
		t.Error("a turn is left")
	}
}

func TestFull(t *testing.T) {
	var all Rooms[int]
	if all.Of("a").Full() {
		t.Error("a room in which nothing is done is full")
	}
	turn := all.Begin("a")
	for i := range bounds.TurnMessages {
		if turn.Full() {
			t.Fatalf("full with %d", i)
		}
		turn.Put(i, 0)
	}
	if !turn.Full() || all.Of("b").Full() {
		t.Error("a room with all it may have waiting is not full, or another is")
	}
	for i := range bounds.TurnMessages {
		if v, ok := all.Next(turn); v != i || !ok {
			t.Fatalf("next is %d, %v, want %d", v, ok, i)
		}
	}
	turn.Put(1, bounds.TurnBytes)
	if !turn.Full() {
		t.Error("a room with as many bytes as it may have is not full")
	}
	for range 2 {
		if _, ok := all.Next(turn); ok == all.Idle() {
			t.Error("a turn is over before all is done, or goes on")
		}
	}
}

func TestAlloc(t *testing.T) {
	var all Rooms[int]
	run := func() {
		turn := all.Begin("a")
		turn.Put(1, 1)
		for ok := true; ok; {
			_, ok = all.Next(turn)
		}
	}
	run()
	if got := testing.AllocsPerRun(100, run); got != 0 {
		t.Errorf("%v allocations for a turn, want none", got)
	}
}

// Tests how connections are spread.

package agent

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		connections int
		capacities  []int
		want        string
	}{
		{10, []int{100}, "[{0 10}]"},
		{10, []int{10, 10}, "[{0 5} {5 10}]"},
		{11, []int{10, 10, 10}, "[{0 3} {3 7} {7 11}]"},
		{100, []int{10, 1000, 1000}, "[{0 10} {10 55} {55 100}]"},
		{100, []int{1000, 10, 30}, "[{0 60} {60 70} {70 100}]"},
		{40, []int{1000, 10, 30}, "[{0 15} {15 25} {25 40}]"},
		{5, []int{0, 5, -7}, "[{0 0} {0 5} {5 5}]"},
		{0, []int{3, 3}, "[{0 0} {0 0}]"},
		{2, []int{9, 9, 9}, "[{0 0} {0 1} {1 2}]"},
		{0, nil, "[]"},
		{12, []int{5, 6}, "agent: 12 connections are wanted, but 2 agents can hold 11: 1 too few"},
		{1, nil, "agent: 1 connections are wanted, but 0 agents can hold 0: 1 too few"},
	} {
		t.Run(fmt.Sprint(test.connections, test.capacities), func(t *testing.T) {
			got, err := Split(test.connections, test.capacities)
			text := fmt.Sprint(got)
			if err != nil {
				text = err.Error()
			}
			if text != test.want {
				t.Errorf("got  %s\nwant %s", text, test.want)
			}
		})
	}
}

// TestSplitIsEven: whoever has room to spare has as many as the one with most,
// or one less.
func TestSplitIsEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacities := rapid.SliceOfN(rapid.IntRange(-1, 50), 1, 20).Draw(t, "capacities")
		total := 0
		for _, c := range capacities {
			total += max(0, c)
		}
		connections := rapid.IntRange(0, total).Draw(t, "connections")
		ranges, err := Split(connections, capacities)
		if err != nil {
			t.Fatal(err)
		}
		at, most := 0, 0
		for i, r := range ranges {
			if r.From != at || r.Len() < 0 || r.Len() > max(0, capacities[i]) {
				t.Fatalf("range %d of %v", i, ranges)
			}
			at, most = r.To, max(most, r.Len())
		}
		if at != connections {
			t.Fatalf("%v are not %d", ranges, connections)
		}
		for i, r := range ranges {
			if r.Len() < capacities[i] && r.Len() < most-1 {
				t.Fatalf("range %d of %v is uneven", i, ranges)
			}
		}
	})
}

func TestCapacity(t *testing.T) {
	for _, test := range []struct {
		descriptors uint64
		want        int
	}{{0, 0}, {200, 0}, {201, 1}, {1024, 824}, {20_000, 19_000}, {1_048_576, 996_148}, {math.MaxUint64, 1<<30 - 1<<30/20}} {
		if got := capacity(test.descriptors); got != test.want {
			t.Errorf("capacity(%d) = %d, want %d", test.descriptors, got, test.want)
		}
	}
	if got := Capacity(); got <= 0 {
		t.Errorf("Capacity() = %d", got)
	}
}

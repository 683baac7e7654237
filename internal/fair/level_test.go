package fair

import "testing"

func TestLevel(t *testing.T) {
	for _, test := range []struct {
		wants       []int64
		total, want int64
	}{
		{nil, 5, 0},
		{[]int64{7}, 5, 5},
		{[]int64{7}, 9, 7},
		{[]int64{10, 1, 10}, 11, 5},
		{[]int64{10, 1, 10}, 21, 10},
		{[]int64{10, 1, 10}, 0, 0},
		{[]int64{10, 1, 10}, -4, 0},
		{[]int64{100, 1, 2, 3}, 50, 44},
	} {
		if got := Level(test.wants, test.total); got != test.want {
			t.Errorf("of %d for %v everybody gets %d, want %d", test.total, test.wants, got, test.want)
		}
	}
}

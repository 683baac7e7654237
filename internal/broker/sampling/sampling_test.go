package sampling_test

import (
	"fmt"
	"testing"

	"barrage/internal/broker/sampling"
)

// crowd has senders speak at their rates, spread over each second, and counts what of each
// goes through after the first seconds.
func crowd(target float64, rates []float64, seconds, from int) (got []int, all []int) {
	got, all = make([]int, len(rates)), make([]int, seconds)
	var r sampling.Room
	due := make([]float64, len(rates))
	for i := range due { // not all at once
		due[i] = 1000 / rates[i] * float64(i*7919%len(rates)) / float64(len(rates))
	}
	for now := range int64(seconds * 1000) {
		for i := range rates {
			for due[i] <= float64(now) {
				due[i] += 1000 / rates[i]
				if ok, _ := r.Admit(now+1_000_000, fmt.Sprint(i), target); ok {
					all[now/1000]++
					if int(now/1000) >= from {
						got[i]++
					}
				}
			}
		}
	}
	return got, all
}

func same(n int, rate float64) []float64 {
	rates := make([]float64, n)
	for i := range rates {
		rates[i] = rate
	}
	return rates
}

// TestTarget: a hot room gets its target, each second; one that is not gets all.
func TestTarget(t *testing.T) {
	for _, rates := range [][]float64{
		same(5000, 1), same(50, 100), same(1, 1000), same(26, 1), append(same(500, 1), 1000), append(same(300, .05), same(3, 200)...),
	} {
		_, all := crowd(25, rates, 60, 0)
		for second, n := range all[10:] {
			if n < 23 || n > 27 {
				t.Errorf("%d senders: %d messages in second %d, %v", len(rates), n, second+10, all)
				break
			}
		}
	}
	for _, rates := range [][]float64{same(20, 1), same(1, 24), {24, .5}} {
		sent := 0.0
		for _, rate := range rates {
			sent += rate * 60
		}
		_, all := crowd(25, rates, 60, 0)
		sum := 0
		for _, n := range all {
			sum += n
		}
		if float64(sum) < sent {
			t.Errorf("%v: %d of %v messages, want all", rates, sum, sent)
		}
	}
}

// TestFair: who sends a thousand a second has not more of it than who sends one.
func TestFair(t *testing.T) {
	const honest = 500
	got, _ := crowd(25, append(same(honest, 1), 1000), 200, 20)
	sum := 0
	for _, n := range got {
		sum += n
	}
	fair := float64(sum) / (honest + 1)
	if loud := float64(got[honest]); loud > 2*fair+1 {
		t.Errorf("the flooder got %v of %d, want %v", loud, sum, fair)
	}
	if others := float64(sum - got[honest]); others < .8*float64(sum)*honest/(honest+1) {
		t.Errorf("the others got %v of %d", others, sum)
	}
}

package redisbridge

// Which of the sentinels' answers is believed.

import (
	"testing"
	"time"
)

func TestReign(t *testing.T) {
	now := time.Now()
	var r masterView
	for _, step := range []struct {
		name string
		got  answer
		at   time.Time
		want string
	}{
		{"the first", answer{addr: "a", number: 3}, now, "a"},
		{"a failover", answer{addr: "b", number: 4}, now, "b"},
		{"a sentinel that has not heard of it", answer{addr: "a", number: 3}, now.Add(masterMemory), "b"},
		{"again the new one", answer{addr: "b", number: 4}, now.Add(masterMemory), "b"},
		{"sentinels that were set up anew, too early", answer{addr: "c"}, now.Add(masterMemory + time.Second), "b"},
		{"later", answer{addr: "c"}, now.Add(3 * masterMemory), "c"},
	} {
		if got := r.believe(step.got, step.at); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
}

package redisbridge

// Publishes under way and failed, without Redis.

import (
	"testing"
	"time"

	"barrage/internal/broker"
)

func TestInflight(t *testing.T) {
	tests := []struct {
		name string
		run  func(*inflight) bool
		want bool
	}{
		{"not known: deliver", func(l *inflight) bool { return l.returned(1, broker.Position{}) }, true},
		{"acknowledged, then back: deliver", func(l *inflight) bool {
			l.begin(batchOf(1))
			l.end(batchOf(1))
			return l.returned(1, broker.Position{})
		}, true},
		{"back before the acknowledgement: deliver", func(l *inflight) bool {
			l.begin(batchOf(1))
			return l.returned(1, broker.Position{})
		}, true},
		{"failed: deliver locally", func(l *inflight) bool {
			l.begin(batchOf(1))
			_, back := l.failed(1)
			return !back
		}, true},
		{"back, then failed: not locally", func(l *inflight) bool {
			l.begin(batchOf(1))
			here := broker.Position{Epoch: "e", Offset: 3}
			l.returned(1, here)
			pos, back := l.failed(1)
			return !back || pos != here
		}, false},
		{"failed, then back: not again", func(l *inflight) bool {
			l.begin(batchOf(1))
			l.failed(1)
			return l.returned(1, broker.Position{})
		}, false},
		{"two that share a slot, both back: deliver", func(l *inflight) bool {
			l.begin(batchOf(1, 1+numSlots))
			here := broker.Position{Epoch: "e", Offset: 3}
			both := l.returned(1+numSlots, here) && l.returned(1, broker.Position{})
			pos, back := l.failed(1 + numSlots)
			return both && back && pos == here
		}, true},
		{"two that share a slot, one failed, then back: not again", func(l *inflight) bool {
			l.begin(batchOf(1, 1+numSlots))
			l.failed(1)
			l.end(batchOf(1))
			return !l.returned(1+numSlots, broker.Position{}) || l.returned(1, broker.Position{})
		}, false},
		{"failed, half forgotten, then back: not again", func(l *inflight) bool {
			l.begin(batchOf(1))
			l.failed(1)
			l.age(failedAge, true)
			return l.returned(1, broker.Position{})
		}, false},
		{"failed, a long freeze, then back: not again", func(l *inflight) bool {
			l.begin(batchOf(1))
			l.failed(1)
			for i := range time.Duration(100) {
				l.age(i*failedAge, false)
			}
			return l.returned(1, broker.Position{})
		}, false},
		{"failed, long ago: forgotten", func(l *inflight) bool {
			l.begin(batchOf(1))
			l.failed(1)
			l.age(failedAge, true)
			l.age(2*failedAge, true)
			return l.returned(1, broker.Position{})
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newInflight()
			if got := tt.run(l); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			l.end(batchOf(1, 1+numSlots))
			if n := l.underWay(); n > 0 {
				t.Errorf("%d publishes under way are left over", n)
			}
		})
	}
}

func TestInflightIsBounded(t *testing.T) {
	l := newInflight()
	const n = 5 * failedLimit
	for i := range uint64(n) {
		l.begin(batchOf(i))
		l.failed(i)
	}
	if held := len(l.young) + len(l.old); held > 2*failedLimit || held < failedLimit {
		t.Errorf("%d numbers held", held)
	}
	if l.returned(n-1, broker.Position{}) {
		t.Error("the newest number was forgotten")
	}
	if n := l.underWay(); n != 0 {
		t.Errorf("%d publishes under way", n)
	}
}

func batchOf(numbers ...uint64) (batch []*outgoing) {
	for _, number := range numbers {
		batch = append(batch, &outgoing{number: number})
	}
	return batch
}

func (l *inflight) underWay() int {
	n := len(l.overflow)
	for i := range l.slots {
		if l.slots[i].taken {
			n++
		}
	}
	return n
}

package redisbridge

// The ledger of unsettled publishes, without Redis.

import (
	"testing"
	"time"

	"barrage/edge/broker"
)

func TestLedger(t *testing.T) {
	tests := []struct {
		name string
		run  func(*ledger) bool
		want bool
	}{
		{"foreign to the ledger: deliver", func(l *ledger) bool { return l.returned(1, broker.Position{}) }, true},
		{"acknowledged, then back: deliver", func(l *ledger) bool {
			l.begin(1)
			l.settled(1)
			return l.returned(1, broker.Position{})
		}, true},
		{"back before the acknowledgement: deliver", func(l *ledger) bool {
			l.begin(1)
			return l.returned(1, broker.Position{})
		}, true},
		{"failed: deliver locally", func(l *ledger) bool {
			l.begin(1)
			_, back := l.failed(1)
			return !back
		}, true},
		{"back, then failed: not locally", func(l *ledger) bool {
			l.begin(1)
			here := broker.Position{Epoch: "e", Offset: 3}
			l.returned(1, here)
			pos, back := l.failed(1)
			return !back || pos != here
		}, false},
		{"failed, then back: not again", func(l *ledger) bool {
			l.begin(1)
			l.failed(1)
			return l.returned(1, broker.Position{})
		}, false},
		{"failed, half forgotten, then back: not again", func(l *ledger) bool {
			l.begin(1)
			l.failed(1)
			l.age(ledgerAge, true)
			return l.returned(1, broker.Position{})
		}, false},
		{"failed, a long freeze, then back: not again", func(l *ledger) bool {
			l.begin(1)
			l.failed(1)
			for i := range time.Duration(100) {
				l.age(i*ledgerAge, false)
			}
			return l.returned(1, broker.Position{})
		}, false},
		{"failed, long ago: forgotten", func(l *ledger) bool {
			l.begin(1)
			l.failed(1)
			l.age(ledgerAge, true)
			l.age(2*ledgerAge, true)
			return l.returned(1, broker.Position{})
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLedger()
			if got := tt.run(l); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if len(l.flying) > 1 {
				t.Error("publishes under way are left over")
			}
		})
	}
}

func TestLedgerIsBounded(t *testing.T) {
	l := newLedger()
	const n = 5 * ledgerLimit
	for i := range uint64(n) {
		l.begin(i)
		l.failed(i)
	}
	if held := len(l.young) + len(l.old); held > 2*ledgerLimit || held < ledgerLimit {
		t.Errorf("%d numbers held", held)
	}
	if l.returned(n-1, broker.Position{}) {
		t.Error("the newest number was forgotten")
	}
	if len(l.flying) != 0 {
		t.Errorf("%d publishes under way", len(l.flying))
	}
}

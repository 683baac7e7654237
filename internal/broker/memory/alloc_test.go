//go:build !race

// Under the race detector there are more allocations.

package memory_test

import (
	"testing"
	"time"

	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

func TestAllocPublish(t *testing.T) {
	p := broker.Publication{
		Room: "room", Kind: "gift", Format: broker.Text, Payload: make([]byte, 64),
		Sender: broker.Sender{User: "ada", Name: "Ada", Avatar: "https://example.org/a.png", Conn: "c-1"},
	}
	for _, test := range []struct {
		name  string
		rules broker.Rules
		want  float64 // the message, its texts, its payload
	}{{"history", all(100, time.Hour), 3}, {"no history", nil, 3}} {
		t.Run(test.name, func(t *testing.T) {
			m := newMemory(t, memory.Config{Rules: test.rules}, nobody{})
			run := func() { m.TryPublish(&p, nil) }
			for range 200 {
				run()
			}
			if got := testing.AllocsPerRun(1000, run); got != test.want {
				t.Errorf("%v allocations for a publish, want %v", got, test.want)
			}
		})
	}
}

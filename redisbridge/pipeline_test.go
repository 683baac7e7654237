package redisbridge

// Batches of which Redis executes only a part.

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

func TestInOrder(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rooms string // of the messages, a letter each
		rest  []int  // those to be tried again
		want  []int
	}{
		{"all", "aba", []int{0, 1, 2}, []int{0, 1, 2}},
		{"the end of a room", "aaa", []int{1, 2}, []int{1, 2}},
		{"overtaken", "aaa", []int{0, 1}, nil},
		{"overtaken in one room", "abab", []int{0, 1, 3}, []int{1, 3}},
		{"overtaken at the beginning only", "aaa", []int{0, 2}, []int{2}},
		{"another room went", "ab", []int{0}, []int{0}},
		{"a single one", "a", []int{0}, []int{0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var batch, rest []*outgoing
			for i := range tt.rooms {
				batch = append(batch, &outgoing{number: uint64(i), room: tt.rooms[i : i+1]})
			}
			for _, i := range tt.rest {
				rest = append(rest, batch[i])
			}
			var got []int
			for _, m := range inOrder(rest, batch) {
				got = append(got, int(m.number))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// TestScriptForgotten: what goes without the script does not overtake what Redis
// refuses because it has lost the script, which could not be repeated then.
func TestScriptForgotten(t *testing.T) {
	s := startRedis(t)
	n := healthyNode(t, kept(calmConfig(s.URL()), plenty), "a")
	if err := s.ScriptFlush(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	var batch []*outgoing
	var want []string
	for i := range 6 {
		p := message("a", fmt.Sprint(i))
		p.Forget = i%2 == 1
		m, err := n.prepare(p, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		batch, want = append(batch, m), append(want, string(p.Payload))
	}
	n.publishBatch(batch) // nothing is in the queue, so the publisher is at rest
	for i, m := range batch {
		if m.err != nil {
			t.Errorf("message %d: %v", i, m.err)
		}
	}
	n.waitFor(want[len(want)-1])
	var got []string
	for _, d := range n.deliveries() {
		got = append(got, d.payload)
	}
	if !slices.Equal(got, want) {
		t.Errorf("delivered %q, want %q", got, want)
	}
}

// TestPooledBuffers: a message that waits must not hold much more than is counted.
func TestPooledBuffers(t *testing.T) {
	var pool outgoingPool
	for range 100 {
		pool.put(pool.get(32 << 10))
		if m := pool.get(100); cap(m.buf) > 4<<10 {
			t.Fatalf("a buffer of %d bytes for a message of 100", cap(m.buf))
		}
	}
}

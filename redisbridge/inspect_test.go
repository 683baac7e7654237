package redisbridge

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestEviction: a Redis that may forget keys is told of, from the start on, and what it has
// forgotten is counted.
func TestEviction(t *testing.T) {
	ctx := context.Background()
	s := startRedis(t, "--maxmemory-policy", "allkeys-lru")
	n := newNode(t, calmConfig(s.URL()))
	n.waitUp()
	eventually(t, "the policy is told", func() bool {
		list := n.Concerns()
		return len(list) == 1 && strings.Contains(list[0], "maxmemory-policy of redis is allkeys-lru")
	})
	took, concern, err := Ping(ctx, calmConfig(s.URL()))
	if took <= 0 || err != nil || !slices.Equal(n.Concerns(), []string{concern}) {
		t.Errorf("Ping: %v, %q, %v", took, concern, err)
	}
	for i := range 100 {
		if err := s.Set(ctx, fmt.Sprint(i), strings.Repeat("x", 1000), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "keys are evicted", func() bool {
		m, err := readMemory(ctx, s.Client)
		return err == nil && m.evicted >= 100
	})
	calm := startRedis(t)
	if _, concern, err := Ping(ctx, calmConfig(calm.URL())); concern != "" || err != nil {
		t.Errorf("Ping of one that does not: %q, %v", concern, err)
	}
}

// TestInspection: what is new is said once; a Redis that has started anew counts from 0.
func TestInspection(t *testing.T) {
	var i inspection
	for step, test := range []struct {
		found   memory
		news    int
		evicted uint64
	}{
		{memory{"volatile-lru", 7}, 1, 0}, // before we looked
		{memory{"volatile-lru", 7}, 0, 0},
		{memory{"volatile-lru", 10}, 1, 3},
		{memory{"noeviction", 10}, 0, 3},
		{memory{"noeviction", 2}, 1, 5},
		{memory{"", 2}, 0, 5},
		{memory{"allkeys-random", 3}, 2, 6},
	} {
		if news := i.note(test.found); len(news) != test.news || i.evictedKeys() != test.evicted {
			t.Errorf("step %d: %q, %d evicted, want %d and %d", step, news, i.evictedKeys(), test.news, test.evicted)
		}
	}
	b := &Bridge{}
	b.inspection.note(memory{"allkeys-lru", 1})
	b.inspection.note(memory{"allkeys-lru", 3})
	if list := b.Concerns(); len(list) != 2 || !strings.Contains(list[1], "evicted 2 keys") {
		t.Errorf("%q", list)
	}
}

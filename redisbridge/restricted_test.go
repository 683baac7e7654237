package redisbridge

// A Redis, or a proxy before it, that lacks commands.

import (
	"context"
	"errors"
	"strings"
	"testing"

	"barrage/internal/broker"
)

// TestRestricted: what can be done without is; and what cannot is told, though probes come
// back.
func TestRestricted(t *testing.T) {
	for _, tt := range []struct {
		missing string
		wanted  string // in Err; "": it works
	}{
		{"CLIENT", ""},
		{"INFO", ""},
		{"EVALSHA", "EVALSHA"},
		{"TIME", "TIME"},
		{"EVAL", "EVAL"},
		{"SUBSCRIBE", "subscribe"},
		{"PUBLISH", "publish"},
	} {
		t.Run(tt.missing, func(t *testing.T) {
			s := startRedis(t, "--rename-command", tt.missing, "")
			n := newNode(t, kept(calmConfig(s.URL()), plenty))
			if tt.wanted == "" {
				n.waitUp()
				n.join("a")
				if r, err := n.publish("a", "x"); err != nil || r.Position.Offset != 1 {
					t.Errorf("Publish: %+v, %v", r, err)
				}
				n.waitFor("x")
				return
			}
			eventually(t, "Err names "+tt.wanted, func() bool {
				err := n.Err()
				return errors.Is(err, broker.ErrUnavailable) && strings.Contains(strings.ToLower(err.Error()), strings.ToLower(tt.wanted))
			})
			t.Log(n.Err())
			r, err := n.Publish(context.Background(), message("a", "x"))
			if tt.missing != "SUBSCRIBE" && (err != nil || !r.LocalOnly) {
				t.Errorf("Publish: %+v, %v", r, err)
			}
		})
	}
}

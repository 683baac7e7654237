package redistest

import (
	"context"
	"testing"
	"time"
)

// TestLife: what tests rely on when they have a server suffer.
func TestLife(t *testing.T) {
	s := New(t)
	s.Kill() // nothing yet
	s.Start("--appendonly", "yes", "--appendfsync", "always")
	if err := s.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Ping(ctx).Err(); err == nil {
		t.Error("answers while it is frozen")
	}
	s.Thaw()
	s.Kill()
	s.Restart("--maxclients", "77")
	if v := s.Get(t.Context(), "k").Val(); v != "v" {
		t.Errorf("started again it has %q, want v", v)
	}
	if v := s.ConfigGet(t.Context(), "maxclients").Val(); v["maxclients"] != "77" {
		t.Errorf("its setting is %v, want 77", v)
	}
}

func TestStartWithPassword(t *testing.T) {
	s := Start(t, "--requirepass", "secret")
	if err := s.Ping(t.Context()).Err(); err == nil {
		t.Error("wants no password")
	}
}

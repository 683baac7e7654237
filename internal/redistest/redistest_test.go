package redistest

import (
	"context"
	"fmt"
	"net"
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

// TestFreePort: a port is one test's, and free again after it.
func TestFreePort(t *testing.T) {
	var port int
	t.Run("claims", func(t *testing.T) {
		port = FreePort(t)
		if _, ok := claimPort(port); ok {
			t.Errorf("port %d is claimed twice", port)
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatalf("who claims the port cannot use it: %v", err)
		}
		_ = l.Close()
	})
	claim, ok := claimPort(port)
	if !ok {
		t.Fatalf("port %d is still claimed after the test", port)
	}
	_ = claim.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, ok := claimPort(l.Addr().(*net.TCPAddr).Port); ok {
		t.Error("a port that somebody listens on is claimed")
	}
}

package main

// The attacks of loadtest/hostile in small, on the real program: what is asserted are
// bytes, refusals and what honest viewers lose. Times and sizes are for `make hostile`.

import (
	"context"
	"strings"
	"testing"
	"time"

	"barrage/internal/redistest"
	"barrage/loadtest"
	"barrage/loadtest/hostile"
)

func TestHostile(t *testing.T) {
	t.Parallel()
	bin := buildBinary(t)
	for _, a := range hostile.Attacks() {
		if a.Mute { // unreadLog is about that
			continue
		}
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			attack(t, bin, a)
		})
	}
}

func attack(t *testing.T, bin binary, a *hostile.Attack) {
	backend, err := hostile.NewBackend()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Close)
	sign, err := loadtest.Signer([]byte(v1Secret), "*")
	if err != nil {
		t.Fatal(err)
	}
	flags, redis := append(backend.Flags(), "--anonymous"), ""
	if a.Redis {
		r := startedRedis(t)
		far, err := hostile.NewFar(r.Addr, a.Far)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(far.Close)
		redis = r.URL()
		flags = append(flags, "--redis=redis://"+far.Addr(), "--redis-timeout=20s")
	}
	plain := ""
	if a.Plain {
		plain = redistest.FreeAddr(t)
		flags = append(flags, "--listen-tcp="+plain)
	}
	cmd := bin.command(context.Background(), []string{"BARRAGE_AUTH_SECRET=" + v1Secret, "BARRAGE_WEBHOOK_SECRET=" + hookSecret},
		append(append([]string{"serve", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--shards=2"}, flags...), a.Flags...)...)
	n := start(t, cmd)
	n.waitReady()
	trial := &hostile.Trial{
		Attack: a, Size: a.Short, Public: n.ws, Admin: n.admin, Plain: plain, PID: n.cmd.Process.Pid, Redis: redis, Secret: v1Secret, Sign: sign,
		Backend: backend, Force: hostile.Inside, Viewers: 20, Guests: 4, Quiet: 200 * time.Millisecond, Under: 800 * time.Millisecond,
	}
	r, err := trial.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("attackers sent %d and got %d bytes in %d replies; told %v", r.Facts.Out.Out, r.Facts.Out.In, r.Facts.Out.Replies, r.Facts.Out.Told)
	if wrong := r.Harm(); len(wrong) > 0 {
		t.Error(strings.Join(wrong, "\n"))
	}
}

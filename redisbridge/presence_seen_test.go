package redisbridge

import (
	"context"
	"testing"
	"time"

	"barrage/edge/presence"
	"barrage/internal/bounds"
)

// TestPresenceLastSeen: what one node saw another knows, the latest of it; Redis keeps it
// for a time, and of a bounded number of users.
func TestPresenceLastSeen(t *testing.T) {
	s := startRedis(t)
	a, b := newHere(t, s.URL(), PresenceConfig{}), newHere(t, s.URL(), PresenceConfig{})
	ctx, now := context.Background(), time.Now()
	saw := func(p *Presence, user string, at time.Time) {
		t.Helper()
		if err := p.Saw(ctx, []presence.Seen{{User: user, At: at}, {User: user + "2", At: at}}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	saw(a, "ann", now.Add(-time.Minute))
	saw(b, "ann", now.Add(-2*time.Minute)) // told later
	for _, user := range []string{"ann", "ann2"} {
		at, err := b.LastSeen(ctx, user)
		if d := now.Add(-time.Minute).Sub(at).Abs(); err != nil || d > 30*time.Second {
			t.Errorf("%s was here at %v, %v, want %v", user, at, err, now.Add(-time.Minute))
		}
	}
	saw(a, "old", now.Add(-2*time.Hour))
	for _, user := range []string{"old", "nobody"} {
		if at, err := a.LastSeen(ctx, user); !at.IsZero() || err != nil {
			t.Errorf("%s was here at %v, %v", user, at, err)
		}
	}
	// One part, filled beyond its bound.
	key, fill := a.lastKey("ann"), "for i = 1, ARGV[1] do redis.call('ZADD', KEYS[1], i + 1e12 * 3, 'f' .. i) end"
	const most = bounds.LastSeenInRedis / seenParts
	if err := s.Eval(ctx, fill, []string{key}, most).Err(); err != nil && err.Error() != "redis: nil" {
		t.Fatal(err)
	}
	saw(a, "ann", now)
	if n := s.ZCard(ctx, key).Val(); n != most {
		t.Errorf("%d users in one part, want %d", n, most)
	}
	for _, key := range s.Keys(ctx, "*:last").Val() {
		if ttl := s.PTTL(ctx, key).Val(); ttl <= 0 || ttl > time.Hour {
			t.Errorf("key %s: time to live %v", key, ttl)
		}
	}
}

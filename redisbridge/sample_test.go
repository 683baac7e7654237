package redisbridge

// The script that samples, beside package sampling.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker/sampling"
)

// TestSampledAlike: of quiet times, floods of many and of one, and clocks that go back, the
// script lets the same messages through as the package does, and tells the same.
func TestSampledAlike(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	ctx := context.Background()
	// The same with the time as its last argument, the stream's own clock apart.
	clock := "{string.format('%.0f', math.floor(ARGV[16] / 1000)), ARGV[16] % 1000 * 1000}"
	script := redis.NewScript(strings.ReplaceAll(hotLua, "redis.call('TIME')", clock))
	told := s.Subscribe(ctx, "told")
	defer told.Close()
	if _, err := told.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	names := newLayout("room:")
	for round, target := range []float64{1, 5, 25, 100} {
		room := fmt.Sprint("r", round)
		var room2 sampling.Room
		now := int64(1_700_000_000_000)
		let := 0
		for i := range 3000 {
			speakers := []int{2, 20, 500}[i/300%3]
			switch n := r.IntN(1000); {
			case n == 0:
				now -= 5000
			case n < 5:
				now += 3000
			default:
				now += int64(r.IntN([]int{3, 30, 300}[i/1000]))
			}
			who := fmt.Sprint("u", r.IntN(speakers))
			if r.IntN(3) == 0 {
				who = "loud"
			}
			ok, tell := room2.Admit(now, who, target)
			keys := append([]string{names.meta(room), names.log(room), names.result(room, "", "", fmt.Sprint(round, " ", i))}, names.heat(room)...)
			answer, err := script.Run(ctx, s, keys, "epoch", 0, 0, 0, 1000, fmt.Sprint(i), "body", "told", "PUBLISH", "", 0, 1<<20,
				target, who, "left:", now).Slice()
			if err != nil {
				t.Fatal(err)
			}
			left := strings.HasSuffix(answer[1].(string), leftOutMark)
			if left == ok {
				t.Fatalf("message %d of %s at %d, target %v: left out: %v, %v by the script", i, who, now, target, !ok, left)
			}
			if !ok {
				continue
			}
			let++
			want := []string{"body"}
			if tell > 0 {
				want = append(want, fmt.Sprint("left:", tell))
			}
			for _, w := range want {
				m, err := told.ReceiveMessage(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.HasSuffix(m.Payload, w) {
					t.Fatalf("message %d: told %q, want %q", i, m.Payload, w)
				}
			}
		}
		if let == 0 || let == 3000 {
			t.Errorf("target %v: %d of 3000 were let through", target, let)
		}
	}
}

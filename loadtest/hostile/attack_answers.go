// Attacks that ask for large answers.

package hostile

import (
	"context"
	"fmt"
	"time"
)

// bigRoom remembers as much as one answer takes, and more.
const bigRoom = "hall"

func fillBigRoom(ctx context.Context, b *Backend) error { return b.fill(ctx, bigRoom, 100, 6000) }

// Of a connection's 50 pings a second a history and a presence list take 5 each.
const askEvery = time.Second / 10

// unknownEpoch asks for a history with a position that nobody else has.
func unknownEpoch(i, k int) string {
	return fmt.Sprintf(`"cmd":"history","room":%q,"limit":1000,"since":{"epoch":"x%d-%d","offset":%d}`, bigRoom, i, k, k)
}

var asksHistories = Attack{
	Name: "histories", Who: "anyone", About: "histories of 512 KiB with another bogus `since` each time",
	Sizes: []int{1, 20, 40, 1000}, Short: 5, Prepare: fillBigRoom, Memory: 256,
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			return f.ask(ctx, i, "/ws", askEvery, func(k int) string { return unknownEpoch(i, k) })
		})
	},
	Check: answersHaveRates,
}

// answersHaveRates: no connection gets more than 4 MiB at once and 1 MiB a second of large
// answers, beyond those that it asked for before it had any (100 pings, 20 histories), and
// all together get no more than 64 MiB a second.
func answersHaveRates(f *Facts) (wrong []string) {
	if got := float64(f.Out.In); got > mayGet(f) {
		wrong = append(wrong, fmt.Sprintf("attackers got %.0f MiB in %.1f s", got/(1<<20), f.Seconds))
	}
	if f.Size >= 5 && f.Out.Replies == 0 {
		wrong = append(wrong, "attackers got nothing at all")
	}
	return wrong
}

// mayGet is how many bytes that is.
func mayGet(f *Facts) float64 {
	each := float64(f.Size) * (4 + 10 + f.Seconds) * (1 << 20)
	return min(each, (f.Seconds+2)*(64<<20))
}

var asksFarHistories = Attack{
	Name: "far-histories", Who: "anyone", About: "ordinary histories, with Redis 100 ms away",
	Sizes: []int{30, 1000}, Short: 5, Redis: true, Far: 100 * time.Millisecond, Memory: 64,
	Prepare: func(ctx context.Context, b *Backend) error { return b.fill(ctx, "talk", 100, 100) },
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			return f.ask(ctx, i, "/ws", askEvery, func(k int) string {
				return fmt.Sprintf(`"cmd":"history","room":"talk","limit":%d`, 20+k%50)
			})
		})
	},
	Check: answersHaveRates,
}

var asksUnknownEpochs = Attack{
	Name: "unknown-epochs", Who: "anyone", About: "histories of unknown epochs, of a room with 100 messages of 60 KB in Redis",
	Sizes: []int{2, 1000}, Short: 2, Redis: true, Memory: 256,
	Flags:   []string{"--history=*=100/10m/16MiB"},
	Prepare: func(ctx context.Context, b *Backend) error { return b.fill(ctx, bigRoom, 100, 60000) },
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			return f.ask(ctx, i, "/ws", askEvery, func(k int) string { return unknownEpoch(i, k) })
		})
	},
	Check: func(f *Facts) []string {
		wrong := answersHaveRates(f)
		// What is read is what may be answered, and what was under way; beside it the honest's.
		if sent, bound := float64(f.Redis[1].Sent-f.Redis[0].Sent), 1.25*mayGet(f)+64<<20; sent > bound {
			wrong = append(wrong, fmt.Sprintf("Redis sent %.0f MiB, more than %.0f", sent/(1<<20), bound/(1<<20)))
		}
		return wrong
	},
}

var asksPresence = Attack{
	Name: "presence", Who: "anyone", About: "presence lists, and joins with histories",
	Sizes: []int{40, 1000}, Short: 5, Prepare: fillBigRoom, Memory: 256,
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			return f.ask(ctx, i, "/ws", askEvery, func(k int) string {
				switch k % 3 {
				case 0:
					return fmt.Sprintf(`"cmd":"leave","room":%q`, bigRoom)
				case 1:
					return fmt.Sprintf(`"cmd":"join","room":%q,"history":%d`, bigRoom, 50+(i+k)%50)
				}
				return fmt.Sprintf(`"cmd":"presence","room":%q,"limit":%d`, crowdRoom(k), 1+k%500)
			})
		})
	},
	Check: answersHaveRates,
}

// Attacks on rooms: those that do not exist, and those that speak much; and by coming and
// going.

package hostile

import (
	"context"
	"fmt"
	"strings"
	"time"

	v1 "barrage/edge/v1"
	"barrage/frame"
)

var looksAtNothing = Attack{
	Name: "looks", Who: "anyone", About: "histories, presence and counts of rooms that do not exist, with Redis",
	Sizes: []int{1, 49, 1000}, Short: 5, Redis: true, Memory: 64,
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			return f.ask(ctx, i, "/ws", askEvery, func(k int) string {
				command := []string{"history", "presence"}[k%2]
				return fmt.Sprintf(`"cmd":%q,"room":"`+attackersRoom+`nothing-%d-%d"`, command, i, k)
			})
		})
	},
	Check: func(f *Facts) []string { return keysAreBounded(f, 0) },
}

const (
	joinsAtOnce    = 100 // positions of silent rooms that an address may have made
	keysOfPresence = 4   // of a room that somebody is in
)

var joinsNothing = Attack{
	Name: "empty-rooms", Who: "anyone", About: "joins of rooms where nothing was said, with Redis",
	Sizes: []int{1, 50}, Short: 3, Redis: true, Memory: 64,
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			round := time.Now().UnixNano()
			return f.ask(ctx, i, "/ws", time.Second/30, func(k int) string {
				command := []string{"leave", "join"}[k%2]
				return fmt.Sprintf(`"cmd":%q,"room":"`+attackersRoom+`silent-%d-%d-%d"`, command, i, round, (k+1)/2)
			})
		})
	},
	Check: func(f *Facts) []string { return keysAreBounded(f, f.Size*(joinsAtOnce+1+keysOfPresence)) },
}

// attackersRoom begins the names of rooms whose keys are counted in Redis.
const attackersRoom = "attackers-"

// keysAreBounded: those of attackers in Redis.
func keysAreBounded(f *Facts, bound int) (wrong []string) {
	if n := f.Redis[1].Keys; n > bound {
		wrong = append(wrong, fmt.Sprintf("%d keys of attackers in Redis, more than %d", n, bound))
	}
	return wrong
}

var shouts = Attack{
	Name: "shouts", Who: "anyone", About: "members of one room, one of whom publishes 64 KiB as often as it may, without `publish_bytes`",
	Sizes: []int{1000}, Short: 20, Flags: []string{"--publish-bytes=0"}, Memory: 256, // log_bytes
	Run: func(ctx context.Context, f *Field) {
		loud := strings.Repeat("x", 64<<10)
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			c, err := f.open(ctx, i, "/ws?room=arena", "")
			if err != nil {
				return err
			}
			defer c.Close()
			if i == 0 {
				go func() { // ends with the connection
					for {
						if _, err := c.Write(frame.AppendMasked(nil, frame.Text, [4]byte{}, []byte(loud))); err != nil {
							return
						}
						pause(ctx, time.Second/10)
					}
				}()
			}
			return f.swallow(c)
		})
	},
}

// burst is as many pings as are not a flood yet: 100 at once, and five times that over.
const burst = 590

var bursts = Attack{
	Name: "bursts", Who: "anyone", About: "590 pings in one piece, of which 490 are refused, every two seconds",
	Sizes: []int{1, 1000}, Short: 10, Memory: 64,
	Run: func(ctx context.Context, f *Field) {
		var all []byte
		for k := range burst {
			all = frame.AppendMasked(all, frame.Text, [4]byte{}, fmt.Appendf(nil, `{"id":%d,"cmd":"ping"}`, k+1))
		}
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			defer pause(ctx, 2*time.Second)
			c, err := f.open(ctx, i, "/ws", v1.Subprotocol)
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := c.Write(all); err != nil {
				return err
			}
			ended := time.AfterFunc(time.Second, func() { c.Close() }) // by then all is answered
			defer ended.Stop()
			return f.listen(c)
		})
	},
}

var storms = Attack{
	Name: "comings", Who: "anyone", About: "connects, joins, hangs up, at once again",
	Sizes: []int{100}, Short: 10, Memory: 64,
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			for ctx.Err() == nil {
				c, err := f.open(ctx, i, "/ws?room="+rawRoom(i), "")
				if err != nil {
					return err
				}
				c.Close()
			}
			return nil
		})
	},
}

// Attacks that have the server keep things.

package hostile

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	v1 "barrage/edge/v1"
	"barrage/frame"
)

// hold keeps a connection open until the server or ctx ends it.
func hold(ctx context.Context, c net.Conn) error {
	stopped := context.AfterFunc(ctx, func() { c.Close() })
	defer stopped()
	<-ctx.Done()
	return nil
}

var neverReads = Attack{
	Name: "unread", Who: "anyone", About: "asks for histories of 512 KiB and reads none",
	Sizes: []int{1, 1000}, Short: 20, Prepare: fillBigRoom,
	Memory: 2 * 256, // unread_bytes, and as much garbage
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			c, err := f.open(ctx, i, "/ws", v1.Subprotocol)
			if err != nil {
				return err
			}
			defer c.Close()
			f.say(ctx, c, askEvery, func(k int) string { return unknownEpoch(i, k) })
			return nil
		})
	},
	Check: func(f *Facts) (wrong []string) {
		if n := f.After.Sum("barrage_unread_bytes"); n > 256<<20 {
			wrong = append(wrong, fmt.Sprintf("%.0f MiB are unread, the bound is 256", n/(1<<20)))
		}
		return wrong
	},
}

var neverReadsRoom = Attack{
	Name: "deaf-members", Who: "anyone", About: "members of the honest viewers' rooms who read nothing; one for each room says all it may",
	Sizes: []int{1, 1000}, Short: 20, Memory: 256, // log_bytes
	Run: func(ctx context.Context, f *Field) {
		said := frame.AppendMasked(nil, frame.Text, [4]byte{}, []byte(strings.Repeat("x", 1600)))
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			c, err := f.open(ctx, i, "/ws?room="+rawRoom(i), "")
			if err != nil {
				return err
			}
			defer c.Close()
			for i < crowdRooms && ctx.Err() == nil {
				if _, err := c.Write(said); err != nil {
					return err
				}
				pause(ctx, time.Second/10)
			}
			return hold(ctx, c)
		})
	},
}

// Attackers who hold something come at this pace, and when they are thrown out they are
// back after a while: what takes a network's whole width no server can help.
const (
	comeEvery = time.Second / 500
	backAfter = 10 * time.Second
)

// half is a message or request without its end, sent again whenever the server hangs up.
func (f *Field) half(ctx context.Context, text []byte, first func(ctx context.Context, i int) (net.Conn, error)) {
	f.each(ctx, f.Size, func(ctx context.Context, i int) error {
		pause(ctx, time.Duration(i)*comeEvery)
		defer pause(ctx, backAfter)
		c, err := first(ctx, i)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Write(text); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, c) // until the server has had enough
		return err
	})
}

// unfinishedIsBounded: by its setting.
func unfinishedIsBounded(f *Facts) (wrong []string) {
	if n := f.After.Sum("barrage_unfinished_bytes"); n > 64<<20 {
		wrong = append(wrong, fmt.Sprintf("%.0f MiB are unfinished, the bound is 64", n/(1<<20)))
	}
	return wrong
}

var halfMessages = Attack{
	Name: "half-messages", Who: "anyone", About: "messages of 64 KiB without their end",
	Sizes: []int{1, 5000}, Short: 50, Memory: 2 * 64, Check: unfinishedIsBounded, Time: 20 * time.Second,
	Run: func(ctx context.Context, f *Field) {
		whole := frame.AppendMasked(nil, frame.Text, [4]byte{}, []byte(strings.Repeat("x", 64<<10)))
		f.half(ctx, whole[:60<<10], func(ctx context.Context, i int) (net.Conn, error) {
			return f.open(ctx, i, "/ws?room=half", "")
		})
	},
}

var halfRequests = Attack{
	Name: "half-requests", Who: "anyone", About: "requests of 8 KB without their end",
	Sizes: []int{1, 5000}, Short: 50, Memory: 2 * 64, Check: unfinishedIsBounded, Time: 20 * time.Second,
	Run: func(ctx context.Context, f *Field) {
		head := []byte("GET /ws?room=half HTTP/1.1\r\nHost: " + f.Public + "\r\nX-Filling: " + strings.Repeat("x", 8000))
		f.half(ctx, head, func(ctx context.Context, i int) (net.Conn, error) {
			return dial(ctx, &f.Meter, attacker(i), f.Public)
		})
	},
}

// speak has each attacker publish messages of so many bytes as often as they may.
func (f *Field) speak(ctx context.Context, size int, room func(i, k int) string) {
	filling := strings.Repeat("x", size)
	f.each(ctx, f.Size, func(ctx context.Context, i int) error {
		return f.ask(ctx, i, "/ws", time.Second/10, func(k int) string {
			return fmt.Sprintf(`"cmd":"publish","room":%q,"data":"%s"`, room(i, k), filling)
		})
	})
}

// longMessage is as much as fits a command.
const longMessage = 60 << 10

var fillsHistories = Attack{
	Name: "histories-full", Who: "anyone", About: "long messages to new rooms, without `publish_bytes`, so that histories have no more memory",
	Sizes: []int{50}, Short: 5, Flags: []string{"--publish-bytes=0"}, Time: 20 * time.Second,
	Memory: 2 * 256, // histories, and as much garbage
	Run: func(ctx context.Context, f *Field) {
		f.speak(ctx, longMessage, func(i, k int) string { return fmt.Sprintf("flood-%d-%d", i, k/10) })
	},
	Check: func(f *Facts) (wrong []string) {
		if n := f.After.Sum("barrage_history_bytes"); n > 256<<20 {
			wrong = append(wrong, fmt.Sprintf("histories have %.0f MiB, the bound is 256", n/(1<<20)))
		}
		return wrong
	},
}

var fillsHistoriesOnRedis = Attack{
	Name: "redis-full", Who: "anyone", About: "long messages to few rooms, without `publish_bytes`, with Redis",
	Sizes: []int{20}, Short: 5, Redis: true, Flags: []string{"--publish-bytes=0"}, Memory: 256,
	Run: func(ctx context.Context, f *Field) {
		f.speak(ctx, longMessage, func(i, _ int) string { return fmt.Sprint("flood-", i) })
	},
	Check: func(f *Facts) (wrong []string) {
		// 4 MiB of history for each room, an eighth more before it is cut, and some MiB beside.
		if grown, bound := f.Redis[1].Memory-f.Redis[0].Memory, int64(f.Size)*5<<20+64<<20; grown > bound {
			wrong = append(wrong, fmt.Sprintf("Redis has grown by %d MiB, more than %d", grown>>20, bound>>20))
		}
		return wrong
	},
}

var usesUpKeys = Attack{
	Name: "keys", Who: "anyone", About: "publishes with another idempotency key each time",
	Sizes: []int{1, 500}, Short: 20, Time: 30 * time.Second, Memory: 128,
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			return f.ask(ctx, i, "/ws", time.Second/10, func(k int) string {
				return fmt.Sprintf(`"cmd":"publish","room":"keys-%d","data":1,"key":"%[1]d-%d-%d"`, i, k, time.Now().UnixNano())
			})
		})
	},
}

// Attacks on the doors beside WebSocket: event streams, publishing by HTTP, keys, and
// backends that are asked before somebody joins.

package hostile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"barrage/edge/auth/keyring"
)

// get sends a request of attacker i and returns its connection and the answer's head.
func (f *Field) get(ctx context.Context, i int, target string) (c io.ReadWriteCloser, status string, err error) {
	nc, err := dial(ctx, &f.Meter, attacker(i), f.Public)
	if err != nil {
		return nil, "", err
	}
	if _, err = fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, f.Public); err == nil {
		status, err = bufio.NewReaderSize(nc, 512).ReadString('\n')
	}
	if err != nil {
		nc.Close()
		return nil, "", err
	}
	_, status, _ = strings.Cut(strings.TrimSpace(status), " ")
	return nc, status, nil
}

var deafStreams = Attack{
	Name: "deaf-streams", Who: "anyone", About: "event streams of all of the honest viewers' rooms that read nothing",
	Sizes: []int{1000}, Short: 20, Memory: 256, // log_bytes
	Run: func(ctx context.Context, f *Field) {
		rooms := ""
		for k := range crowdRooms {
			rooms += "&room=" + rawRoom(k) + "&room=" + crowdRoom(k)
		}
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			pause(ctx, time.Duration(i)*comeEvery)
			c, status, err := f.get(ctx, i, "/sse?"+rooms[1:])
			if err != nil {
				return err
			}
			defer c.Close()
			if status != "200 OK" {
				return errors.New(status)
			}
			f.replies.Add(1)
			<-ctx.Done()
			return nil
		})
	},
	Check: func(f *Facts) (wrong []string) {
		if f.Out.Replies == 0 || len(f.Out.Told) > 0 {
			wrong = append(wrong, fmt.Sprintf("%d event streams began, and %v", f.Out.Replies, f.Out.Told))
		}
		return wrong
	},
}

// The publish rate, which those who publish by HTTP have for an address without a user.
const (
	publishRate  = 10
	publishBurst = 20
)

// late is how many seconds attackers may go on after the figures were looked at.
const late = 10

var floodsOverHTTP = Attack{
	Name: "post-publish", Who: "anyone", About: "connections of one address that POST to `/publish`, one after the other",
	Sizes: []int{8, 100}, Short: 4, Memory: 64,
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, _ int) error {
			nc, err := dial(ctx, &f.Meter, attacker(0), f.Public)
			if err != nil {
				return err
			}
			defer nc.Close()
			r := bufio.NewReader(nc)
			const body = `{"room":"posted","data":"noise"}`
			for ctx.Err() == nil {
				if _, err := fmt.Fprintf(nc, "POST /publish HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", f.Public, len(body), body); err != nil {
					return err
				}
				w, err := http.ReadResponse(r, nil)
				if err != nil {
					return err
				}
				_, _ = io.Copy(io.Discard, w.Body) // its status tells
				f.note(w.Status)
				f.replies.Add(1)
			}
			return nil
		})
	},
	Check: func(f *Facts) (wrong []string) {
		if n, bound := float64(f.Out.Told["200 OK"]), publishBurst+publishRate*(f.Seconds+late); n == 0 || n > bound {
			wrong = append(wrong, fmt.Sprintf("%.0f messages of one address were published, at most %.0f may be", n, bound))
		}
		if n := f.Out.Replies; f.Out.Told["200 OK"] == int(n) && n > 100 {
			wrong = append(wrong, "nobody was refused")
		}
		return wrong
	},
}

// guessesPerMinute is how many wrong keys of an address are looked at.
const guessesPerMinute = 30

var guessesKeys = Attack{
	Name: "key-guesses", Who: "anyone", About: "`GET /push` with another guessed key each time",
	Sizes: []int{1, 200}, Short: 3, Memory: 64,
	Flags: []string{"--keys=[{name: device, hash: '" + keyring.Hash(keyring.Make()) + "', rooms: ['*'], publish: true, get: true}]"},
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			for k := 0; ctx.Err() == nil; k++ {
				c, status, err := f.get(ctx, i, fmt.Sprintf("/push?room=guessed&text=hi&key=bk_guess-%d-%d", i, k))
				if err != nil {
					return err
				}
				c.Close()
				f.note(status)
				f.replies.Add(1)
			}
			return nil
		})
	},
	Check: func(f *Facts) (wrong []string) {
		minutes := 2 + int(f.Seconds+late)/60 // that were begun
		if n, bound := f.Out.Told["401 Unauthorized"], guessesPerMinute*f.Size*minutes; n == 0 || n > bound {
			wrong = append(wrong, fmt.Sprintf("%d guesses were looked at, at most %d may be", n, bound))
		}
		if n := f.Out.Told["200 OK"]; n > 0 {
			wrong = append(wrong, fmt.Sprintf("%d guesses were right", n))
		}
		return wrong
	},
}

var slowHooks = Attack{
	Name: "slow-hooks", Who: "anyone", About: "joins of rooms about which a backend is asked that takes 3 s; honest viewers' rooms are none of its",
	Sizes: []int{1, 33, 1000}, Short: 10, Memory: 64,
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			return f.ask(ctx, i, "/ws", time.Second/10, func(k int) string {
				return fmt.Sprintf(`"cmd":"join","room":"%s:%d-%d"`, slowMethod, i, k)
			})
		})
	},
	Check: func(f *Facts) (wrong []string) {
		if f.Grown("hook_requests_total") == 0 {
			wrong = append(wrong, "the backend was asked about no join")
		}
		return wrong
	},
}

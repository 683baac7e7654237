// Attacks by users: with a token, which anybody may have who can log in somewhere.

package hostile

import (
	"context"
	"fmt"
	"time"

	v1 "barrage/edge/v1"
	"barrage/loadtest"
)

var fillsMailboxes = Attack{
	Name: "mailboxes", Who: "a user", About: "messages with `qos` 1 to one user, and to users that do not exist",
	Sizes: []int{1, 33}, Short: 5, Memory: 128, Flags: []string{"--publish-bytes=0"}, Time: 15 * time.Second,
	Run: func(ctx context.Context, f *Field) {
		sign, err := loadtest.Signer([]byte(f.Secret))
		if err != nil {
			f.note(err.Error())
			return
		}
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			token, err := sign(fmt.Sprint("mallory-", i))
			if err != nil {
				return err
			}
			return f.ask(ctx, i, "/ws?token="+token, time.Second/10, func(k int) string {
				to := keptUser
				if k%2 == 0 {
					to = fmt.Sprintf("nobody-%d-%d", i, k)
				}
				return fmt.Sprintf(`"cmd":"publish","to":%q,"qos":1,"data":"%06000d"`, to, k)
			})
		})
	},
}

var badTokens = Attack{
	Name: "bad-tokens", Who: "anyone", About: "commands `auth` with tokens that are refused",
	Sizes: []int{1, 1000}, Short: 20, Memory: 64,
	Run: func(ctx context.Context, f *Field) {
		sign, err := loadtest.Signer([]byte("not the secret of this server, but as long as it"))
		if err != nil {
			f.note(err.Error())
			return
		}
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			token, err := sign(fmt.Sprint("mallory-", i))
			if err != nil {
				return err
			}
			return f.ask(ctx, i, "/ws", askEvery, func(int) string { return fmt.Sprintf(`"cmd":"auth","token":%q`, token) })
		})
	},
}

var slowRequests = Attack{
	Name: "slow-requests", Who: "anyone", About: "requests of a method whose backend takes 3 s; guests ask for another method",
	Sizes: []int{1, 33, 1000}, Short: 10, Memory: 64,
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			return f.ask(ctx, i, "/ws", time.Second/10, func(int) string { return `"cmd":"request","method":"` + slowMethod + `"` })
		})
	},
	Check: func(f *Facts) (wrong []string) {
		if f.Grown("requests_total") == 0 {
			wrong = append(wrong, "no request was made")
		}
		return wrong
	},
}

var frozen = Attack{
	Name: "frozen", Who: "a user", About: "members of the honest viewers' rooms who answer no ping and never come back",
	Sizes: []int{1000}, Short: 20, Memory: 64, Flags: []string{"--ping-interval=1s", "--ping-timeout=1s"}, Time: 2 * deadAfter,
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			c, err := f.open(ctx, i, "/ws?room="+crowdRoom(i), v1.Subprotocol)
			if err != nil {
				return err
			}
			defer c.Close()
			<-ctx.Done()
			return nil
		})
	},
	Check: theDeadAreFound,
}

func theDeadAreFound(f *Facts) (wrong []string) {
	n := f.Grown("connections_closed_total", "ping_timeout")
	if f.Seconds > deadAfter.Seconds() && n < float64(f.Size) {
		wrong = append(wrong, fmt.Sprintf("%.0f of %d who are dead were found", n, f.Size))
	}
	return wrong
}

// deadAfter is when all of them are there, and have been pinged in vain.
const deadAfter = 7 * time.Second

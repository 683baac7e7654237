// Attacks by workers, and on them: who may serve methods, and those who ask.

package hostile

import (
	"context"
	"fmt"
	"strings"
	"time"

	v1 "barrage/edge/v1"
	"barrage/loadtest"
)

// stuckMethod is served by workers who never answer.
const stuckMethod = "stuck"

var stuckWorkers = Attack{
	Name: "stuck-workers", Who: "a user", About: "half of them workers who take requests and never answer, some of whom read nothing; half of them askers of as many of their requests, and of an honest worker's, as they may",
	Sizes: []int{2, 66, 1000}, Short: 20, Memory: 2 * 32, // of requests
	Run: func(ctx context.Context, f *Field) {
		sign, err := loadtest.Signer([]byte(f.Secret), stuckMethod)
		if err != nil {
			f.note(err.Error())
			return
		}
		data := strings.Repeat("x", 8<<10)
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			token, err := sign(fmt.Sprint("mallory-", i))
			if err != nil {
				return err
			}
			if i%2 == 0 {
				return f.stuck(ctx, i, token)
			}
			return f.ask(ctx, i, "/ws?token="+token, time.Second/50, func(k int) string {
				method := stuckMethod
				if k%4 == 0 {
					method = helpMethod
				}
				return fmt.Sprintf(`"cmd":"request","method":%q,"timeout":500,"data":%q`, method, data)
			})
		})
	},
	Check: func(f *Facts) (wrong []string) {
		if f.Grown("worker_requests_total") == 0 {
			wrong = append(wrong, "no worker was asked")
		}
		if n := f.After.Sum("barrage_worker_request_bytes"); n > 32<<20 {
			wrong = append(wrong, fmt.Sprintf("requests have %.0f MiB, the bound is 32", n/(1<<20)))
		}
		return wrong
	},
}

// stuck is a worker who takes what it is given, or does not even do that.
func (f *Field) stuck(ctx context.Context, i int, token string) error {
	c, err := f.open(ctx, i, "/ws?token="+token, v1.Subprotocol)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.send(fmt.Sprintf(`{"id":1,"cmd":"serve","methods":[%q],"limit":256}`, stuckMethod)); err != nil {
		return err
	}
	if i%4 == 0 {
		return hold(ctx, c)
	}
	return f.listen(c)
}

var servesAll = Attack{
	Name: "many-methods", Who: "a user", About: "workers who serve 32 other methods each time they may, and no requests",
	Sizes: []int{1, 33, 1000}, Short: 20, Memory: 64,
	Run: func(ctx context.Context, f *Field) {
		sign, err := loadtest.Signer([]byte(f.Secret), "*")
		if err != nil {
			f.note(err.Error())
			return
		}
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			token, err := sign(fmt.Sprint("mallory-", i))
			if err != nil {
				return err
			}
			return f.ask(ctx, i, "/ws?token="+token, askEvery, func(k int) string {
				var methods []string
				for m := range 32 {
					methods = append(methods, fmt.Sprintf(`"m-%d-%d-%d-*"`, i, k, m))
				}
				return `"cmd":"serve","methods":[` + strings.Join(methods, ",") + `]`
			})
		})
	},
	Check: func(f *Facts) (wrong []string) {
		if f.After.Sum("barrage_workers") < 2 {
			wrong = append(wrong, "nobody has become a worker")
		}
		if n := f.After.Sum("barrage_worker_methods_known"); n > mostMethods {
			wrong = append(wrong, fmt.Sprintf("%.0f methods are known, at most %d may be", n, mostMethods))
		}
		return wrong
	},
}

// mostMethods are those that a node knows: served here, and served until lately.
const mostMethods = 2 * 512

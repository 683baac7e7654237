// Attacks on what is behind the public address: the admin address, the log, the API with
// its rights, and Redis.

package hostile

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var knocksOnAdmin = Attack{
	Name: "admin", Who: "anyone", About: "connections to the admin address of a program on the server's machine: half of them silent, half with a foreign `Host`",
	Sizes: []int{500}, Short: 50, Memory: 64,
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			c, err := dial(ctx, &f.Meter, attacker(i), f.Admin)
			if err != nil {
				return err
			}
			defer c.Close()
			if i%2 == 0 {
				_, err = c.Read(make([]byte, 1))
				return err
			}
			if _, err := io.WriteString(c, "GET /v1/connections HTTP/1.1\r\nHost: rebound.example\r\n\r\n"); err != nil {
				return err
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				return err
			}
			f.note(resp.Status)
			return hold(ctx, c)
		})
	},
	Check: func(f *Facts) (wrong []string) {
		for what := range f.Out.Told {
			if strings.HasPrefix(what, "200") {
				wrong = append(wrong, "a foreign Host is served")
			}
		}
		if n := f.After.Sum("barrage_http_connections"); n > 130 {
			wrong = append(wrong, fmt.Sprintf("%.0f connections of the admin address, the bound is 128", n))
		}
		return wrong
	},
}

var muteLog = Attack{
	Name: "mute-log", Who: "an operator", About: "nobody reads the log, which says of refused pages once in ten seconds what it would of each",
	Sizes: []int{100}, Short: 10, Mute: true, Memory: 64, Flags: []string{"--log-level=debug"},
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			for ctx.Err() == nil {
				page := fmt.Sprintf("Origin: https://%d.example", time.Now().UnixNano())
				c, err := open(ctx, &f.Meter, attacker(i), f.Public, "/ws?room=a", "", page)
				if err != nil {
					f.note(why(err))
					pause(ctx, again)
					continue
				}
				c.Close()
			}
			return nil
		})
	},
}

var floodsOverAPI = Attack{
	Name: "api-batches", Who: "a back end", About: "connections that publish batches of 1,000 messages, one after the other",
	Sizes: []int{1, 8}, Short: 1, Memory: 512, Trusted: true,
	Run: func(ctx context.Context, f *Field) {
		var b strings.Builder
		for k := range 1000 {
			fmt.Fprintf(&b, `,{"room":"batch-%d","data":"%0100d"}`, k%10, k)
		}
		body := "[" + b.String()[1:] + "]"
		client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: f.Size, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return dial(ctx, &f.Meter, attacker(0), addr)
		}}}
		defer client.CloseIdleConnections()
		f.each(ctx, f.Size, func(ctx context.Context, _ int) error {
			for ctx.Err() == nil {
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+f.Admin+"/v1/rooms/messages", strings.NewReader(body))
				if err != nil {
					return err
				}
				r.Header.Set("Content-Type", "application/json")
				w, err := client.Do(r)
				if err != nil {
					return err
				}
				_, _ = io.Copy(io.Discard, w.Body) // its status tells
				w.Body.Close()
				if w.StatusCode != http.StatusOK {
					f.note(w.Status)
				}
				f.replies.Add(1)
			}
			return nil
		})
	},
	Check: func(f *Facts) (wrong []string) {
		if len(f.Out.Told) > 0 || f.Grown("messages_published_total") == 0 {
			wrong = append(wrong, fmt.Sprintf("batches were refused: %v", f.Out.Told))
		}
		return wrong
	},
}

var floodsOverRedis = Attack{
	Name: "redis-flood", Who: "a node", About: "a client of Redis that publishes to the honest viewers' rooms' like as fast as Redis takes it, half of it no message at all",
	Sizes: []int{1}, Short: 1, Redis: true, Memory: 512, Trusted: true,
	Run: func(ctx context.Context, f *Field) {
		o, err := redis.ParseURL(f.Redis)
		if err != nil {
			f.note(err.Error())
			return
		}
		c := redis.NewClient(o)
		defer c.Close()
		f.each(ctx, f.Size, func(ctx context.Context, _ int) error {
			for ctx.Err() == nil {
				p := c.Pipeline()
				for k := range 100 {
					p.Publish(ctx, fmt.Sprint("room:", rawRoom(k)), "noise")
					p.Publish(ctx, "barrage:{0}:msg:room:"+crowdRoom(k), "garbage")
				}
				if _, err := p.Exec(ctx); err != nil {
					return err
				}
				f.replies.Add(200)
			}
			return nil
		})
	},
}

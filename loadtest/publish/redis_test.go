// Publishing to Redis servers.

package publish

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/redistest"
	"barrage/loadtest/plan"
)

func overRedis(url string) func(p *plan.Plan) {
	return func(p *plan.Plan) {
		p.Publish, p.Redis, p.RedisChannel = plan.PublishRedis, url, "test:{room}"
		p.PublishBody = "{room} {payload}"
	}
}

// subscribe records what is published.
func subscribe(t *testing.T, url string, a *arrivals) {
	t.Helper()
	opt, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opt)
	sub := client.PSubscribe(context.Background(), "test:*")
	if _, err := sub.Receive(context.Background()); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	messages := sub.Channel(redis.WithChannelSize(1 << 16))
	go func() {
		defer close(done)
		for m := range messages {
			if room, _, _ := strings.Cut(m.Payload, " "); m.Channel != "test:"+room {
				t.Errorf("%s in %s", m.Payload, m.Channel)
			}
			a.add(testRun, []byte(m.Payload))
		}
	}()
	t.Cleanup(func() {
		sub.Close()
		client.Close()
		<-done
	})
}

func TestRedis(t *testing.T) {
	url := redistest.Start(t).URL()
	var a arrivals
	subscribe(t, url, &a)
	p := load(t, func(p *plan.Plan) {
		overRedis(url)(p)
		p.Rate = 20_000 // so that there is something to pipeline
	})
	pub, s := newPublisher(t, p), schedule(p)
	if err := pub.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the check's message arrives", func() bool { return a.count() == 1 })
	if a.all[0].Seq != 0 {
		t.Errorf("the check's message is taken for %+v", a.all[0])
	}
	a.all, a.at = nil, nil
	if err := pub.Run(context.Background(), testRun, s, now); err != nil {
		t.Fatal(err)
	}
	checkStats(t, pub, s, 0)
	eventually(t, "all messages arrive", func() bool { return uint64(a.count()) == s.Offered() })
	a.checkComplete(t, s, nil)
}

// TestRedisRefuses: each message of a pipeline has its own outcome.
func TestRedisRefuses(t *testing.T) {
	url := redistest.Start(t, "--requirepass", "secret", "--user", "half", "on", ">pw", "resetchannels", "&test:room-1", "&test:room-2", "+@all").URL()
	t.Run("password", func(t *testing.T) {
		p := load(t, overRedis(strings.Replace(url, "://", "://:wrong@", 1)))
		pub := newPublisher(t, p)
		err := pub.Check(context.Background())
		if err == nil || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), ":wrong@") {
			t.Error(err)
		}
	})
	t.Run("channel", func(t *testing.T) {
		p := load(t, overRedis(strings.Replace(url, "://", "://half:pw@", 1)))
		pub, s := newPublisher(t, p), schedule(p)
		if err := pub.Run(context.Background(), testRun, s, now); err != nil {
			t.Fatal(err)
		}
		got := checkStats(t, pub, s, 20)
		if f := pub.Failures(); len(f) != 2 || f[0].Room != 2 || f[1].Room != 2 || len(got.Errors) != 1 {
			t.Errorf("%+v, %+v", f, got)
		}
	})
}

func TestRedisGone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	p := load(t, overRedis(server.URL()))
	pub, s := newPublisher(t, p), schedule(p)
	if err := pub.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if err := pub.Run(context.Background(), testRun, s, now); err != nil {
		t.Fatal(err)
	}
	if got := checkStats(t, pub, s, 60); got.Errors["connection refused"] == 0 {
		t.Errorf("%+v", got.Errors)
	}
}

// TestRedisStuck: a target that accepts connections and says nothing.
func TestRedisStuck(t *testing.T) {
	l := listen(t)
	p := load(t, overRedis("redis://"+l.Addr().String()))
	pub, s := newPublisher(t, p), schedule(p)
	pub.grace = 100 * time.Millisecond
	if err := pub.Run(context.Background(), testRun, s, now); err != nil {
		t.Fatal(err)
	}
	if got := checkStats(t, pub, s, 60); got.Errors["no answer in time"] == 0 || len(got.Errors) > 2 {
		t.Errorf("%+v", got.Errors)
	}
}

func TestCheckRedisRefused(t *testing.T) {
	port := redistest.FreePort(t)
	p := load(t, overRedis(fmt.Sprintf("redis://me:secret@127.0.0.1:%d", port)))
	err := newPublisher(t, p).Check(context.Background())
	want := fmt.Sprintf("publish: PUBLISH test:room-1 to redis://127.0.0.1:%d: connection refused", port)
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

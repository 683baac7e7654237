package redisbridge

// Asking the sentinels who the master is, and following them to a new one.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// masterInterval is the time between two questions to the sentinels.
	masterInterval = time.Second
	// masterMemory is how long an older answer of the sentinels is not believed
	// after a newer one. One that has not heard of a failover yet would send us
	// back to the old master, which may still think it is one.
	masterMemory = time.Minute
)

var errDeposed = errors.New("redisbridge: the sentinels have named another master")

// A masterView is a master and the number of the failover that made it one.
type masterView struct {
	mu     sync.Mutex
	addr   string
	number uint64
	since  time.Time // when that was last heard
}

// answer is what one sentinel says.
type answer struct {
	addr   string
	number uint64
	err    error
}

// currentMaster asks all sentinels at once and believes the one that knows of
// the newest failover.
func (a *address) currentMaster(ctx context.Context) (string, error) {
	answers := make(chan answer, len(a.hosts))
	for _, host := range a.hosts {
		go func() { answers <- a.askSentinel(ctx, host) }() // ends with the timeouts of a.ask
	}
	best := answer{err: errors.New("redisbridge: no sentinel answers")}
	for range a.hosts {
		got := <-answers
		if got.err == nil && (best.err != nil || got.number > best.number) || best.addr == "" && got.err != nil {
			best = got
		}
	}
	if best.err != nil {
		return "", best.err
	}
	return a.masterView.believe(best, time.Now()), nil
}

// believe gives the address to go to.
func (r *masterView) believe(got answer, now time.Time) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if got.number >= r.number || now.Sub(r.since) > masterMemory {
		r.addr, r.number, r.since = got.addr, got.number, now
	}
	return r.addr
}

// present is the address that was given last.
func (r *masterView) present() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.addr
}

func (a *address) askSentinel(ctx context.Context, host string) answer {
	opt := *a.ask
	opt.Addr = host
	opt.PoolSize = 1
	// The connection that waits for the answer needs time, too.
	opt.DialTimeout, opt.ReadTimeout = a.ask.DialTimeout/3, a.ask.ReadTimeout/3
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	c := redis.NewSentinelClient(&opt)
	defer c.Close()
	m, err := c.Master(ctx, a.master).Result()
	if err != nil {
		return answer{err: fmt.Errorf("redisbridge: sentinel %s: %w", host, err)}
	}
	number, err := strconv.ParseUint(m["config-epoch"], 10, 64)
	if err != nil || m["ip"] == "" {
		return answer{err: fmt.Errorf("redisbridge: sentinel %s: no address of %q", host, a.master)}
	}
	return answer{addr: net.JoinHostPort(m["ip"], m["port"]), number: number}
}

// watchMaster is a goroutine of its own, since sentinels that do not answer must
// not delay the prober. Each dial asks the sentinels by itself; this is for
// connections to an old master that stay open.
func (b *Bridge) watchMaster() {
	present := ""
	for b.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(b.ctx, b.cfg.Timeout)
		master, err := b.address.currentMaster(ctx)
		cancel()
		switch {
		case err != nil || master == present:
		case present == "":
			present = master
		default:
			b.log.Warn("the redis master has changed", "from", present, "to", master)
			present = master
			b.client.follow(master)
			if l := b.link.Load(); l != nil {
				l.cut(errDeposed)
			}
		}
		sleep(b.ctx, masterInterval)
	}
}

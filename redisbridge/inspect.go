package redisbridge

// What Redis does with its memory, as INFO tells: a Redis that evicts keys forgets
// histories, mailboxes and bans without a word.

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// inspectEvery is the time between two looks; until the first it is Config.ProbeInterval.
const inspectEvery = 15 * time.Second

// noEviction is the only maxmemory-policy with which nothing is forgotten.
const noEviction = "noeviction"

// A memory is what INFO tells of one server, or of all masters of a cluster.
type memory struct {
	policy  string // maxmemory-policy, the worst of them; "": not told
	evicted uint64 // keys, since they started
}

// inspection is what the inspector has found.
type inspection struct {
	mu      sync.Mutex // guards what follows
	policy  string
	known   bool
	before  uint64 // what memory.evicted was last
	evicted uint64 // keys, since this node began to look
}

// note takes what was found, and returns what is new and to be said.
func (i *inspection) note(m memory) (news []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if m.policy != i.policy {
		i.policy = m.policy
		if text := policyConcern(m.policy); text != "" {
			news = append(news, text)
		}
	}
	more := m.evicted
	switch {
	case !i.known:
		more = 0
	case more >= i.before: // else it has started anew
		more -= i.before
	}
	if i.known, i.before = true, m.evicted; more > 0 {
		i.evicted += more
		news = append(news, evictedConcern(i.evicted))
	}
	return news
}

func policyConcern(policy string) string {
	if policy == "" || policy == noEviction {
		return ""
	}
	return fmt.Sprintf("maxmemory-policy of redis is %s: it forgets histories, mailboxes and bans when its memory is full; set it to %s", policy, noEviction)
}

func evictedConcern(keys uint64) string {
	return fmt.Sprintf("redis has evicted %d keys since this node started", keys)
}

// Concerns tells what is wrong with Redis, or those who share it, although messages flow.
// Any goroutine may call it.
func (b *Bridge) Concerns() (list []string) {
	i := &b.inspection
	i.mu.Lock()
	defer i.mu.Unlock()
	if text := policyConcern(i.policy); text != "" {
		list = append(list, text)
	}
	if i.evicted > 0 {
		list = append(list, evictedConcern(i.evicted))
	}
	return append(list, b.neighbours.texts(b.now())...)
}

// evictedKeys is a counter.
func (i *inspection) evictedKeys() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.evicted
}

// inspect is the inspector goroutine, which also says hello. A Redis that does not let
// itself be asked, as INFO is @dangerous, is not asked more often.
func (b *Bridge) inspect() {
	for pause := b.cfg.ProbeInterval; ; {
		ctx, cancel := context.WithTimeout(b.ctx, b.cfg.Timeout)
		m, err := readMemory(ctx, b.client.universal())
		cancel()
		switch {
		case err == nil:
			for _, text := range b.inspection.note(m) {
				b.log.Warn(text)
			}
			pause = inspectEvery
		case replyCode(err) != "":
			b.log.Debug("redis does not tell about its memory", "error", err)
			pause = inspectEvery
		}
		b.sayHello()
		select {
		case <-b.ctx.Done():
			return
		case <-b.greet:
		case <-time.After(pause):
		}
	}
}

// readMemory asks one server, or all masters of a cluster.
func readMemory(ctx context.Context, c redis.UniversalClient) (memory, error) {
	all, ok := c.(*redis.ClusterClient)
	if !ok {
		text, err := c.Info(ctx).Result()
		return parseMemory(text), err
	}
	var mu sync.Mutex // they are asked at once
	var sum memory
	err := all.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
		text, err := c.Info(ctx).Result()
		m := parseMemory(text)
		mu.Lock()
		defer mu.Unlock()
		if sum.policy == "" || sum.policy == noEviction {
			sum.policy = m.policy
		}
		sum.evicted += m.evicted
		return err
	})
	return sum, err
}

func parseMemory(info string) (m memory) {
	for line := range strings.Lines(info) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), ":"); key {
		case "maxmemory_policy":
			m.policy = value
		case "evicted_keys":
			m.evicted, _ = strconv.ParseUint(value, 10, 64) // 0 if it is none
		}
	}
	return m
}

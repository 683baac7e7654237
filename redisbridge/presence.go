package redisbridge

// Presence: the memory that nodes share about who is in which room.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/edge/presence"
	"barrage/internal/random"
)

// maxBuckets bounds the keys of one question for unique viewers.
const maxBuckets = 1024

// PresenceConfig is what NewPresence needs. Zero values mean the default, where
// one is given.
type PresenceConfig struct {
	// Client reaches Redis: one server, a Sentinel set or a Cluster. It should
	// not retry, and its contexts' deadlines should bound its sockets (NewClient).
	Client redis.UniversalClient
	// Prefix of all keys. No braces. Default "barrage:here:".
	Prefix string
	// Node names this node, for people who look into Redis: letters, digits,
	// '.', '_' and '-', at most 64. A random part is added, since a node that
	// was restarted is another one. Default: only the random part.
	Node string
	// Lease is how long the users of a node count without a word from it. Three
	// times presence.Config.RenewInterval. Default 15s.
	Lease time.Duration
	// ViewersFor is how long unique viewers are remembered. Default 24h.
	ViewersFor time.Duration
	// Timeout bounds each call. Default 1s.
	Timeout time.Duration
}

// Presence is a presence.Store in Redis, 6.2 or later. Any goroutine may use it.
type Presence struct {
	cfg   PresenceConfig
	redis redis.UniversalClient
}

var _ presence.Store = (*Presence)(nil)

// NewPresence does not wait for Redis. What this node writes ends with its leases.
func NewPresence(cfg PresenceConfig) (*Presence, error) {
	cfg.Prefix = cmp.Or(cfg.Prefix, ownNamespace+"here:")
	cfg.Lease = cmp.Or(cfg.Lease, 15*time.Second)
	cfg.ViewersFor = cmp.Or(cfg.ViewersFor, 24*time.Hour)
	cfg.Timeout = cmp.Or(cfg.Timeout, defaultTimeout)
	wrong := problems{of: "redisbridge: presence"}
	wrong.store(cfg.Client, cfg.Prefix, cfg.Timeout)
	wrong.brief("Lease", cfg.Lease)
	wrong.brief("ViewersFor", cfg.ViewersFor)
	if cfg.Node != "" {
		wrong.node(cfg.Node)
		cfg.Node += "."
	}
	cfg.Node += random.Name()
	return &Presence{cfg: cfg, redis: cfg.Client}, errors.Join(wrong.list...)
}

func (p *Presence) key(room, rest string) string {
	return p.cfg.Prefix + "{" + tagOf(room) + "}:" + rest
}

// tagOf keeps a room's keys on one node of a cluster: Redis takes {} for no tag at all. No
// name has a space.
func tagOf(room string) string {
	if strings.HasPrefix(room, "}") {
		return " " + room
	}
	return room
}

func (p *Presence) seenKey(room string, bucket int64) string {
	return p.key(room, "seen:"+strconv.FormatInt(bucket, 10))
}

// Sync implements presence.Store: one script call per room, in one pipeline.
func (p *Presence) Sync(ctx context.Context, updates []presence.Update, exact int) ([]presence.Figure, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	calls := make([]scriptCall, len(updates))
	for i := range updates {
		calls[i] = p.syncCall(&updates[i], exact)
	}
	figures := make([]presence.Figure, len(calls))
	for i, cmd := range runAll(ctx, p.redis, presenceSync, calls) {
		var err error
		if replyCode(cmd.Err()) == "WRONGTYPE" {
			figures[i].Resync = true // somebody else's key: one room's trouble, not all rooms'
		} else if figures[i], err = parseFigure(cmd); err != nil {
			return nil, fmt.Errorf("redisbridge: presence: sync of %s: %w", updates[i].Room, err)
		}
	}
	return figures, nil
}

// syncCall spells an update out for the script.
func (p *Presence) syncCall(u *presence.Update, exact int) scriptCall {
	mode := "delta"
	switch {
	case u.Over:
		mode = "over"
	case u.Gone:
		mode = "gone"
	case u.Full:
		mode = "full"
	}
	args := []any{
		p.key(u.Room, "at:"), p.cfg.Node, p.cfg.Lease.Milliseconds(), mode, u.Version, u.Previous,
		fmt.Sprintf("%d %d %d", u.Users, u.Connections, bit(u.Partial)), bit(u.Ask), exact, p.cfg.ViewersFor.Milliseconds(),
		bit(u.Begin != ""), 2 * len(u.Set),
	}
	for _, e := range u.Set {
		args = append(args, e.User.ID, encodeEntry(e))
	}
	for _, list := range [][]string{u.Removed, u.Viewers} {
		args = append(args, len(list))
		for _, id := range list {
			args = append(args, id)
		}
	}
	return scriptCall{keys: []string{
		p.key(u.Room, "nodes"), p.key(u.Room, "counts"), p.key(u.Room, "at:"+p.cfg.Node), p.seenKey(u.Room, u.Bucket),
	}, args: args}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// List implements presence.Store.
func (p *Presence) List(ctx context.Context, room string, exact int, names bool) (presence.List, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	keys := []string{p.key(room, "nodes"), p.key(room, "counts")}
	l, err := parseList(presenceList.Run(ctx, p.redis, keys, p.key(room, "at:"), exact, bit(names)))
	if err != nil {
		return presence.List{}, fmt.Errorf("redisbridge: presence: list: %w", err)
	}
	return l, nil
}

// Viewers implements presence.Store.
func (p *Presence) Viewers(ctx context.Context, room string, from, to int64) (int, error) {
	if to < from || to-from >= maxBuckets {
		return 0, fmt.Errorf("redisbridge: presence: viewers: %d buckets, want 1 to %d", to-from+1, maxBuckets)
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	keys := make([]string, 0, to-from+1)
	for b := from; b <= to; b++ {
		keys = append(keys, p.seenKey(room, b))
	}
	n, err := p.redis.PFCount(ctx, keys...).Result()
	if err != nil {
		return 0, fmt.Errorf("redisbridge: presence: viewers: %w", err)
	}
	return int(n), nil
}

// scanCount is how many keys Redis looks at in one go: tens of microseconds.
const scanCount = 1000

// Rooms implements presence.Store. It goes through all keys of Redis, for which it
// has ten times the usual time.
func (p *Presence) Rooms(ctx context.Context, pattern string, found func(room string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*p.cfg.Timeout)
	defer cancel()
	var mu sync.Mutex // a cluster's masters are asked at once
	enough := false   // guarded by mu
	before, after := p.cfg.Prefix+"{", "}:nodes"
	keep := strings.NewReplacer(`\`, `\\`, "?", `\?`, "[", `\[`) // which Redis has a meaning for
	match := strings.ReplaceAll(keep.Replace(before), "*", `\*`) + keep.Replace(tagOf(pattern)) + after
	scan := func(ctx context.Context, c *redis.Client) error {
		keys := c.Scan(ctx, 0, match, scanCount).Iterator()
		for more := true; more && keys.Next(ctx); {
			mu.Lock()
			tag := strings.TrimSuffix(strings.TrimPrefix(keys.Val(), before), after)
			more = !enough && found(strings.TrimPrefix(tag, " "))
			enough = !more
			mu.Unlock()
		}
		return keys.Err()
	}
	var err error
	switch c := p.redis.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, scan)
	case *redis.Client:
		err = scan(ctx, c)
	default:
		err = fmt.Errorf("not with a %T", c)
	}
	if err != nil {
		return fmt.Errorf("redisbridge: presence: rooms: %w", err)
	}
	return nil
}

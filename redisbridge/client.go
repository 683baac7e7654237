package redisbridge

// The client that publishes and reads. Catching up, delivering, the interest in rooms,
// the health and the queue know nothing of go-redis; presence and orders are stores of
// their own.

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker"
)

// A client may be used by any goroutine.
type client struct {
	address  *address
	names    *layout
	announce string          // the command that announces messages
	plain    [batchLen]plain // the publisher goroutine's, one for each message of its batch

	questions questions

	mu     sync.Mutex // guards what follows
	redis  redis.UniversalClient
	closed bool
	master string // that the sentinels named last; "" before
}

func newClient(a *address, names *layout, sharded bool, timeout time.Duration) *client {
	c := &client{address: a, names: names, announce: "PUBLISH", redis: a.connect(), questions: questions{timeout: timeout}}
	if sharded {
		c.announce = "SPUBLISH"
	}
	return c
}

func (c *client) universal() redis.UniversalClient {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.redis
}

// follow drops all connections, once the sentinels have named another master: a
// deposed one that is merely cut off would go on taking what we publish, and its
// history would pass for what the new one has.
func (c *client) follow(master string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.master
	c.master = master
	if c.closed || before == "" || before == master {
		return
	}
	// Whatever was under way fails and is repeated with its key.
	_ = c.redis.Close()
	c.redis = c.address.connect()
}

func (c *client) close() {
	c.mu.Lock()
	c.closed = true
	_ = c.redis.Close() // it may say that Redis has closed some, which over TLS is an error
	c.mu.Unlock()
	c.questions.goroutines.Wait()
}

// probe returns when Redis has acknowledged the message. In a cluster any node
// passes it on; should one be down, another is tried.
func (c *client) probe(ctx context.Context, channel string, payload []byte) (err error) {
	if c.address.kind != cluster {
		return c.universal().Publish(ctx, channel, payload).Err()
	}
	for range 3 {
		var node *redis.Client
		if node, err = c.masterOf(ctx, rand.N(partitions)); err == nil {
			if err = node.Publish(ctx, channel, payload).Err(); err == nil {
				return nil
			}
		}
	}
	return err
}

// masterOf is the one that a partition is on, as far as we know.
func (c *client) masterOf(ctx context.Context, partition int) (*redis.Client, error) {
	all, ok := c.universal().(*redis.ClusterClient)
	if !ok {
		return nil, errors.New("redisbridge: not a cluster")
	}
	return all.MasterForKey(ctx, "{"+c.names.tags[partition]+"}")
}

// someNode is the address of a master of the cluster, or if none is known of the
// i-th node that is configured.
func (c *client) someNode(ctx context.Context, i int) string {
	if node, err := c.masterOf(ctx, rand.N(partitions)); err == nil {
		return node.Options().Addr
	}
	return c.address.hosts[i%len(c.address.hosts)]
}

// reload has a cluster asked for its present layout, soon.
func (c *client) reload() {
	if all, ok := c.universal().(*redis.ClusterClient); ok {
		all.ReloadState(context.Background())
	}
}

// A page is what the read script answers.
type page struct {
	epoch   string // "" if there is no history
	head    uint64
	more    bool // a limit cut off newer ones
	cut     bool // likewise, older ones
	entries []entry
}

type entry struct {
	stamp
	body *body // nil: not one of ours
}

func newEntry(at stamp, text string) entry {
	b, ok := parseBody(text)
	if !ok {
		return entry{stamp: at}
	}
	return entry{at, &b}
}

// A query is what the read script is asked.
type query struct {
	begin string // epoch to begin if there is none
	mode  string
	after uint64
	epoch string // that after belongs to; "" is any
	limit int
	bytes int
	age   time.Duration // beyond which messages are left out
	keep  time.Duration // how long a begun epoch lives
}

func (c *client) read(ctx context.Context, room string, q query) (page, error) {
	call := c.readCall(room, q)
	answer, err := poseScript(ctx, c, readScript, call.keys, call.args...)
	if err != nil {
		return page{}, err
	}
	return parsePage(answer)
}

func (c *client) readCall(room string, q query) scriptCall {
	return scriptCall{
		keys: []string{c.names.meta(room), c.names.log(room)},
		args: []any{q.begin, q.keep.Milliseconds(), q.mode, q.after, q.epoch, q.limit, q.bytes, q.age.Milliseconds()},
	}
}

// readAll does the catch-up's readings in one go.
func (c *client) readAll(ctx context.Context, batch []reading) {
	calls := make([]scriptCall, len(batch))
	for i := range batch {
		r := &batch[i]
		q := query{mode: "newest", limit: 1}
		if r.known {
			// From the newest one we have, to see that it is still the same.
			q = query{mode: "follow", after: max(r.stamp.offset, 1) - 1, epoch: r.epoch, limit: messagesPerRead, bytes: bytesPerRead}
		}
		calls[i] = c.readCall(r.room.name, q)
	}
	for i, cmd := range runAll(ctx, c.universal(), readScript, calls) {
		batch[i].page, batch[i].err = parsePage(cmd)
	}
}

// parsePage trusts neither the types nor the order of what is in the keys.
func parsePage(answer *redis.Cmd) (page, error) {
	parts := partsOf(answer)
	p := page{epoch: take[string](parts)}
	head, more := take[string](parts), take[int64](parts)
	if parts.err != nil {
		return page{}, parts.err
	}
	var err error
	if p.head, err = strconv.ParseUint(head, 10, 64); err != nil || len(parts.rest)%2 != 0 {
		return page{}, errAnswer
	}
	p.more, p.cut = more == 1, more == 2
	for list := parts.rest; len(list) > 0; list = list[2:] {
		id, okID := list[0].(string)
		text, okText := list[1].(string)
		at, okAt := parseStamp(id)
		if !okID || !okText || !okAt || at.offset == 0 {
			continue // somebody else's entry; a hole is noticed by the offsets
		}
		p.entries = append(p.entries, newEntry(at, text))
	}
	return p, nil
}

// clear deletes a room's history, if epoch is "" or its epoch, and offset is "" or its
// newest one.
func (c *client) clear(ctx context.Context, room, epoch, offset string) (cleared bool, err error) {
	answer, err := poseScript(ctx, c, clearScript, c.names.history(room), epoch, offset)
	if err != nil {
		return false, err
	}
	return answer.Bool()
}

func (c *client) acknowledge(ctx context.Context, room string, pos broker.Position) (any, error) {
	return poseScript(ctx, c, acknowledgeScript, []string{c.names.meta(room)}, pos.Epoch, pos.Offset)
}

// A meta is what Redis has of a room beside its messages; zero what it has not.
type meta struct {
	Epoch string `redis:"e"`
	Head  uint64 `redis:"o"`
	Acked uint64 `redis:"a"`
}

func (c *client) meta(ctx context.Context, room string) (m meta, err error) {
	answer, err := pose(ctx, c, func(pipe redis.Pipeliner, _ bool) *redis.SliceCmd {
		return pipe.HMGet(ctx, c.names.meta(room), "e", "o", "a")
	})
	if err != nil {
		return m, err
	}
	return m, answer.Scan(&m)
}

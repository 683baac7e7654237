package queues

// The lease that makes one node at a time the holder of a queue.

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// The scripts run on the Redis that has the queue: all their keys have its hash tag.
var (
	// holdScript takes or renews the lease, unless another has it.
	holdScript = redis.NewScript(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)

	releaseScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`)
)

// hold tells whether this node holds the queue from now on.
func (q *queue) hold() (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), q.set.cfg.Timeout)
	defer cancel()
	asked := time.Now()
	n, err := holdScript.Run(ctx, q.set.cfg.Client, []string{q.beside("holder")}, q.set.me, q.set.cfg.Lease.Milliseconds()).Int()
	if err == nil && n == 1 {
		q.renewed = asked
	}
	return n == 1, err
}

// renew is hold for the holder.
func (q *queue) renew() error {
	held, err := q.hold()
	if err == nil && !held {
		return errNotHolder
	}
	return err
}

// release lets another node have the queue at once, if it was ours.
func (q *queue) release() {
	ctx, cancel := context.WithTimeout(context.Background(), q.set.cfg.Timeout)
	defer cancel()
	// If it fails the lease ends by itself.
	_ = releaseScript.Run(ctx, q.set.cfg.Client, []string{q.beside("holder")}, q.set.me).Err()
}

package redisbridge

// This file asks Redis whether it is there.

import (
	"context"
	"time"
)

// Ping tells how long a new client takes to connect and have a PONG, and what is wrong
// with Redis all the same, as Bridge.Concerns does. It waits two timeouts of the
// configuration at most, of which it needs nothing but that and the URL.
func Ping(ctx context.Context, c Config) (took time.Duration, concern string, err error) {
	client, err := NewClient(c)
	if err != nil {
		return 0, "", err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*c.Timeout)
	defer cancel()
	start := time.Now()
	if err := client.Ping(ctx).Err(); err != nil {
		return 0, "", err
	}
	took = time.Since(start)
	m, _ := readMemory(ctx, client) // it need not tell
	return took, policyConcern(m.policy), nil
}

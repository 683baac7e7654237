package redisbridge

// This file asks Redis whether it is there.

import (
	"context"
	"time"
)

// Ping tells how long a new client takes to connect and have a PONG. It waits two
// timeouts of the configuration at most, of which it needs nothing but that and
// the URL.
func Ping(ctx context.Context, c Config) (time.Duration, error) {
	client, err := NewClient(c)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*c.Timeout)
	defer cancel()
	start := time.Now()
	err = client.Ping(ctx).Err()
	return time.Since(start), err
}

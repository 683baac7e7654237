package redisbridge

// What an error of Redis means.

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker"
)

// reasons explain the replies by which Redis refuses to work, by their first word.
var reasons = map[string]string{
	"READONLY":    "redis is a read-only replica",
	"LOADING":     "redis is loading its data",
	"MASTERDOWN":  "redis has lost its master",
	"NOREPLICAS":  "redis has too few replicas",
	"MISCONF":     "redis cannot save to its disk",
	"OOM":         "redis is out of memory",
	"BUSY":        "redis is busy with another script",
	"NOAUTH":      "redis refuses the login",
	"WRONGPASS":   "redis refuses the login",
	"NOPERM":      "redis denies the permission",
	"CLUSTERDOWN": "the redis cluster is down",
	"TRYAGAIN":    "the redis cluster is moving the room",
	"MOVED":       "the redis cluster is moving the room",
	"ASK":         "the redis cluster is moving the room",
	"WRONGTYPE":   "a key of the room has the wrong type",
	"NOSCRIPT":    "redis forgot the script again",
}

// replyCode is the first word of an error Redis replied with, "" if err is none.
func replyCode(err error) string {
	var reply redis.Error
	if err == nil || !errors.As(err, &reply) {
		return ""
	}
	code, _, _ := strings.Cut(reply.Error(), " ")
	return code
}

// isNetworkError tells a failure to reach Redis from an error Redis replied
// with.
func isNetworkError(err error) bool {
	return err != nil && replyCode(err) == "" && !isOverload(err)
}

// isOverload: all connections of the pool are in use. Nothing was sent.
func isOverload(err error) bool {
	return errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted)
}

// unavailable makes an error of Redis one of the broker's.
func unavailable(err error) error {
	if isOverload(err) {
		return fmt.Errorf("%w: %w", broker.ErrOverloaded, err)
	}
	if reason := reasons[replyCode(err)]; reason != "" {
		return fmt.Errorf("%w: %s: %w", broker.ErrUnavailable, reason, err)
	}
	return fmt.Errorf("%w: %w", broker.ErrUnavailable, err)
}

// failure is the error of a method: the caller's own deadline says nothing about
// Redis.
func failure(ctx context.Context, method string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("redisbridge: %s: %w", method, ctx.Err())
	}
	return unavailable(err)
}

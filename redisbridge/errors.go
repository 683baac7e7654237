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

// reasonOf explains the replies by which Redis refuses to work, by their first
// word.
func reasonOf(code string) string {
	switch code {
	case "READONLY":
		return "redis is a read-only replica"
	case "LOADING":
		return "redis is loading its data"
	case "MASTERDOWN":
		return "redis has lost its master"
	case "NOREPLICAS":
		return "redis has too few replicas"
	case "MISCONF":
		return "redis cannot save to its disk"
	case "OOM":
		return "redis is out of memory"
	case "BUSY":
		return "redis is busy with another script"
	case "NOAUTH", "WRONGPASS":
		return "redis refuses the login"
	case "NOPERM":
		return "redis denies the permission"
	case "CLUSTERDOWN":
		return "the redis cluster is down"
	case "TRYAGAIN", "MOVED", "ASK":
		return "the redis cluster is moving the room"
	case "WRONGTYPE":
		return "a key of the room has the wrong type"
	case "NOSCRIPT":
		return "redis forgot the script again"
	}
	return ""
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
	if reason := reasonOf(replyCode(err)); reason != "" {
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

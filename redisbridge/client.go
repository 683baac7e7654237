package redisbridge

// The client that publishes, and what every go-redis client here is told. Only
// this file, link.go and log.go know go-redis.

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// clientOptions is the template of all clients. A client gets a copy: making
// one changes its options.
type clientOptions redis.Options

// newClientOptions turns the URL into options without the defaults that lose,
// double or delay messages.
func newClientOptions(c *Config) (*clientOptions, error) {
	opt, err := redis.ParseURL(c.URL)
	if err != nil {
		// The error of a URL with credentials in it may quote a part of them.
		if strings.Contains(c.URL, "@") {
			return nil, errors.New("not a valid redis://, rediss:// or unix:// URL (not shown: it holds credentials)")
		}
		return nil, err
	}
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout = c.Timeout, c.Timeout, c.Timeout
	opt.PoolTimeout = c.Timeout
	opt.DialerRetries = 1
	opt.ContextTimeoutEnabled = true // else a context's deadline does not bound socket I/O
	opt.MaxRetries = -1              // a retried PUBLISH is a duplicate
	opt.DisableIdentity = true
	if opt.ClientName == "" {
		opt.ClientName = "barrage:" + c.Node
	}
	if opt.PipelinePoolSize == 0 {
		opt.PipelinePoolSize = 1 // only the publisher goroutine pipelines
	}
	return (*clientOptions)(opt), nil
}

func (o *clientOptions) copy() *redis.Options {
	opt := redis.Options(*o)
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &opt
}

// A client publishes. Any goroutine may use it.
type client struct{ redis *redis.Client }

func newClient(o *clientOptions) *client {
	return &client{redis.NewClient(o.copy())}
}

// publish returns when Redis has acknowledged the message.
func (c *client) publish(ctx context.Context, channel string, payload []byte) error {
	return c.redis.Publish(ctx, channel, payload).Err()
}

// publishAll sends the batch in one go, to prefix and the message's room, and
// leaves each message's own outcome in its err.
func (c *client) publishAll(ctx context.Context, prefix string, batch []queued) {
	pipe := c.redis.Pipeline()
	cmds := make([]*redis.IntCmd, len(batch))
	for i := range batch {
		cmds[i] = pipe.Publish(ctx, prefix+batch[i].room, *batch[i].buf)
	}
	_, failed := pipe.Exec(ctx)
	for i := range batch {
		batch[i].err = cmds[i].Err()
		if batch[i].err != nil {
			failed = nil // the commands tell for themselves
		}
	}
	// A failed login is an error of no command, but none was sent.
	for i := range batch {
		batch[i].err = cmp.Or(batch[i].err, failed)
	}
}

func (c *client) close() error { return c.redis.Close() }

// isNetworkError tells a failure to reach Redis from an error Redis replied
// with.
func isNetworkError(err error) bool {
	var reply redis.Error
	return err != nil && !errors.As(err, &reply)
}

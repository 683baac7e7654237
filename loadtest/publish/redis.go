// Publishing by Redis. Only this file makes go-redis clients.

package publish

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"barrage/internal/outbound"
	"barrage/loadtest/stamp"
)

// redisBurst is the largest pipeline.
const redisBurst = 128

// redisSender sends what is due at the same time in one go.
type redisSender struct {
	composer
	client *redis.Client // of one connection
}

func newRedisSender(c composer) (*redisSender, error) {
	opt, err := redis.ParseURL(c.plan.Redis)
	if err != nil {
		return nil, errors.New("publish: --redis is not a valid redis://, rediss:// or unix:// URL") // it may have a password in it
	}
	opt.PoolSize, opt.MinIdleConns, opt.PipelinePoolSize = 1, 0, 1
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = c.timeout, c.timeout, c.timeout, c.timeout
	opt.DialerRetries = 1
	opt.MaxRetries = -1              // a PUBLISH sent again is a duplicate
	opt.ContextTimeoutEnabled = true // else the context does not bound reads and writes
	opt.DisableIdentity = true
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &redisSender{composer: c, client: redis.NewClient(opt)}, nil
}

func (s *redisSender) burst() int { return redisBurst }

func (s *redisSender) where(room int) string {
	return "PUBLISH " + s.plan.PublishChannel(s.layout.RoomName(room)) + " to " + outbound.Redacted(s.plan.Redis)
}

func (s *redisSender) send(ctx context.Context, run stamp.Run, batch []message) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimeout)
	defer cancel()
	pipe := s.client.Pipeline()
	replies := make([]*redis.IntCmd, len(batch))
	for i := range batch {
		room, body := s.compose(run, &batch[i])
		replies[i] = pipe.Publish(ctx, s.plan.PublishChannel(room), body)
	}
	_, err := pipe.Exec(ctx)
	for i := range batch {
		batch[i].err = replies[i].Err()
		if batch[i].err != nil {
			err = nil // it is the first of these
		}
	}
	if err == nil {
		return
	}
	// go-redis tells the commands nothing when it cannot log in.
	for i := range batch {
		batch[i].err = err
	}
}

func (s *redisSender) close() { _ = s.client.Close() } // nothing is on its way

// Publishing by Redis. Only this file makes go-redis clients.

package publish

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
)

// redisBurst is the largest pipeline.
const redisBurst = 128

// redisSender sends what is due at the same time in one go.
type redisSender struct {
	plan    *plan.Plan
	layout  *plan.Layout
	client  *redis.Client // of one connection
	timeout time.Duration
	payload []byte
}

func newRedisSenders(p *plan.Plan, l *plan.Layout, timeout time.Duration) ([]sender, error) {
	senders := make([]sender, p.Publishers)
	for i := range senders {
		opt, err := redis.ParseURL(p.Redis)
		if err != nil {
			return nil, errors.New("publish: --redis is not a valid redis://, rediss:// or unix:// URL") // it may have a password in it
		}
		opt.PoolSize, opt.MinIdleConns, opt.PipelinePoolSize = 1, 0, 1
		opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = timeout, timeout, timeout, timeout
		opt.DialerRetries = 1
		opt.MaxRetries = -1              // a PUBLISH sent again is a duplicate
		opt.ContextTimeoutEnabled = true // else the context does not bound reads and writes
		opt.DisableIdentity = true
		opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		senders[i] = &redisSender{plan: p, layout: l, client: redis.NewClient(opt), timeout: timeout}
	}
	return senders, nil
}

func (s *redisSender) burst() int { return redisBurst }

func (s *redisSender) where(room int) string {
	u, err := url.Parse(s.plan.Redis)
	if err != nil {
		return "PUBLISH"
	}
	return "PUBLISH " + s.plan.PublishChannel(s.layout.RoomName(room)) + " to " + u.Redacted()
}

func (s *redisSender) send(ctx context.Context, run stamp.Run, batch []message) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimeout)
	defer cancel()
	pipe := s.client.Pipeline()
	replies := make([]*redis.IntCmd, len(batch))
	for i := range batch {
		m := &batch[i]
		room := s.layout.RoomName(m.room)
		s.payload = stamp.AppendMessage(s.payload[:0], run, stamp.Stamp{
			Due: m.due, Seq: m.seq, Lane: uint32(m.lane), Room: uint32(m.room),
		}, s.plan.Size)
		replies[i] = pipe.Publish(ctx, s.plan.PublishChannel(room), s.plan.AppendPublishBody(nil, room, s.payload))
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

package redisbridge

// What Redis is asked for those who wait for an answer: histories, and what of them is
// acknowledged. Those that are asked at the same time go in one pipeline, so that a
// Redis far away answers hundreds in a second, over a few connections.

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	questionsInFlight = 4  // pipelines at a time
	questionsAtOnce   = 16 // in one: an answer may have half a megabyte, and those behind it wait
)

// A question is one command in a pipeline; whole is for a script that Redis does not
// know. answer may be read once done is closed.
type question struct {
	ctx    context.Context // of who waits
	put    func(pipe redis.Pipeliner, whole bool) redis.Cmder
	answer redis.Cmder
	done   chan struct{}
}

// Questions are those that wait. Any goroutine.
type questions struct {
	timeout time.Duration // of one pipeline

	mu       sync.Mutex // guards what follows
	waiting  []*question
	inFlight int

	goroutines sync.WaitGroup // one for each pipeline in flight
}

// pose asks Redis, and waits for the answer until ctx ends.
func pose[T redis.Cmder](ctx context.Context, c *client, put func(pipe redis.Pipeliner, whole bool) T) (answer T, err error) {
	q := &question{ctx: ctx, put: func(p redis.Pipeliner, whole bool) redis.Cmder { return put(p, whole) }, done: make(chan struct{})}
	c.questions.add(c, q)
	select {
	case <-q.done:
		return q.answer.(T), q.answer.Err()
	case <-ctx.Done():
		return answer, ctx.Err()
	}
}

func (s *questions) add(c *client, q *question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, q)
	if s.inFlight < questionsInFlight {
		s.inFlight++
		s.goroutines.Go(func() { s.run(c) }) // until no question waits; each has its time
	}
}

func (s *questions) run(c *client) {
	for {
		batch := s.take()
		if len(batch) == 0 {
			return
		}
		c.answer(batch, s.timeout)
	}
}

// take takes the next questions; without any, the caller is not in flight any more.
func (s *questions) take() (batch []*question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) > 0 && len(batch) < questionsAtOnce {
		q := s.waiting[0]
		if s.waiting = s.waiting[1:]; len(s.waiting) == 0 {
			s.waiting = nil
		}
		if q.ctx.Err() == nil { // else nobody waits any more
			batch = append(batch, q)
		}
	}
	if len(batch) == 0 {
		s.inFlight--
	}
	return batch
}

// answer asks Redis and tells those who wait.
func (c *client) answer(batch []*question, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	askAll(ctx, c.universal(), batch)
	for _, q := range batch {
		close(q.done)
	}
}

// askAll asks Redis in one go, scripts by their hash, and those that it does not know once
// more, with the whole: a Redis that has just started, or a cluster's node that is new here.
func askAll(ctx context.Context, c redis.UniversalClient, batch []*question) {
	for _, whole := range []bool{false, true} {
		pipe := c.Pipeline()
		var asked []*question
		for _, q := range batch {
			if !whole || replyCode(q.answer.Err()) == "NOSCRIPT" {
				q.answer = q.put(pipe, whole)
				asked = append(asked, q)
			}
		}
		if len(asked) > 0 {
			_, err := pipe.Exec(ctx)
			noteFailure(asked, err)
		}
	}
}

// noteFailure is for a failed login, which is an error of no command, but none was sent.
func noteFailure(asked []*question, err error) {
	for _, q := range asked {
		if q.answer.Err() == nil && unanswered(q.answer) {
			q.answer.SetErr(err)
		}
	}
}

func unanswered(c redis.Cmder) bool {
	switch c := c.(type) {
	case *redis.Cmd:
		return c.Val() == nil
	case *redis.SliceCmd:
		return c.Val() == nil
	}
	return false
}

// poseScript is pose for a script.
func poseScript(ctx context.Context, c *client, s *redis.Script, keys []string, args ...any) (*redis.Cmd, error) {
	put := putScript(ctx, s, scriptCall{keys, args})
	return pose(ctx, c, func(pipe redis.Pipeliner, whole bool) *redis.Cmd { return put(pipe, whole).(*redis.Cmd) })
}

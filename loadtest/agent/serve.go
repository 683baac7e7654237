// The agent's side: one session, from the handshake to the end of
// its test.

package agent

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"barrage/loadtest/plan"
	"barrage/loadtest/swarm"
)

// answerTime bounds the sending of an answer to a controller that does not read.
const answerTime = 30 * time.Second

// Serve is one session of an agent without a secret: that of a subprocess. It
// returns when the controller closes the session or rw ends, and when ctx does.
// Then rw and the session's Driver are closed.
func Serve(ctx context.Context, rw io.ReadWriteCloser, newDriver NewDriver) error {
	s := &session{rw: rw, newDriver: newDriver, clock: ProcessClock(), program: thisProgram()}
	enter := func() string { return "" }
	if err := s.serve(ctx, "", enter); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	return nil
}

// session is one controller's use of an agent. One goroutine owns it, but for
// offset.
type session struct {
	rw        io.ReadWriteCloser
	newDriver NewDriver
	clock     Clock
	program   identity

	driver Driver       // nil before prepare
	plan   plan.Plan    // the Driver's
	offset atomic.Int64 // this clock less the controller's; the Driver's goroutines read it
}

func (s *session) serve(ctx context.Context, secret string, enter func() (busy string)) error {
	defer s.rw.Close()
	stop := context.AfterFunc(ctx, func() { s.rw.Close() })
	defer stop()

	late := time.AfterFunc(handshakeTime, func() { s.rw.Close() })
	err := admit(s.rw, secret, s.program, enter)
	late.Stop()
	if err == nil {
		err = s.requests()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// requests answers requests until the controller has no more.
func (s *session) requests() error {
	defer s.drop()
	r := bufio.NewReader(s.rw)
	for {
		body, err := readFrame(r, maxFrame)
		received := s.clock.Now()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read a request: %w", err)
		}
		var req request
		if err := json.Unmarshal(body, &req); err != nil {
			return fmt.Errorf("read a request: %w", err)
		}
		result, err := s.handle(req.Method, req.Params, received)
		if err := s.answer(req.ID, result, err); err != nil {
			return fmt.Errorf("answer %s: %w", req.Method, err)
		}
		if req.Method == methodClose {
			return nil
		}
	}
}

// answer sends a result, or that there is none.
func (s *session) answer(id uint64, result any, err error) error {
	b, wrong := encode(response[any]{ID: id, Result: result}, maxFrame)
	if err = cmp.Or(err, wrong); err != nil {
		b, err = encode(response[any]{ID: id, Error: err.Error()}, maxFrame)
	}
	if err != nil {
		return err
	}
	late := time.AfterFunc(answerTime, func() { s.rw.Close() })
	defer late.Stop()
	_, err = s.rw.Write(b)
	return err
}

// handle does what a request asks for. A result of nil is nothing.
func (s *session) handle(m method, params json.RawMessage, received int64) (result any, err error) {
	switch m {
	case methodTime:
		return timeResult{Received: received, Answered: s.clock.Now()}, nil
	case methodOffset:
		return nil, with(params, func(offset int64) error {
			s.offset.Store(offset)
			return nil
		})
	case methodPrepare:
		return nil, with(params, s.prepare)
	case methodClose:
		s.drop()
		return nil, nil
	}
	if s.driver == nil {
		return nil, fmt.Errorf("%q before a test was prepared", m)
	}
	switch m {
	case methodConnect:
		return nil, with(params, s.connect)
	case methodBegin:
		return nil, with(params, s.begin)
	case methodStorm:
		s.driver.Storm()
		return nil, nil
	case methodSnapshot:
		return s.driver.Snapshot(), nil
	case methodFinish:
		err := with(params, func(failed []swarm.Failure) error {
			result = s.driver.Finish(failed)
			return nil
		})
		return result, err
	}
	return nil, fmt.Errorf("unknown method %q", m)
}

// with calls f with the parameters that a request has.
func with[P any](params json.RawMessage, f func(P) error) error {
	var p P
	if err := json.Unmarshal(params, &p); err != nil {
		return fmt.Errorf("malformed parameters: %w", err)
	}
	return f(p)
}

// prepare ends the test before, if any, and makes ready for another.
func (s *session) prepare(job Job) error {
	s.drop()
	if err := job.Plan.Validate(); err != nil {
		return err
	}
	if err := job.validate(Capacity()); err != nil {
		return err
	}
	d, err := s.newDriver(job, func() int64 { return s.clock.Now() - s.offset.Load() })
	if err == nil {
		s.driver, s.plan = d, job.Plan
	}
	return err
}

func (s *session) connect(upto int) error {
	if upto < 0 {
		return fmt.Errorf("%d connections", upto)
	}
	s.driver.Connect(upto)
	return nil
}

func (s *session) begin(w Window) error {
	// A window overrides the plan, and so must keep to the same bounds.
	p := s.plan
	p.Rate, p.Duration = w.Rate, w.Duration
	if err := p.Validate(); err != nil {
		return err
	}
	s.driver.Begin(w)
	return nil
}

// drop closes the Driver, if there is one.
func (s *session) drop() {
	if s.driver != nil {
		s.driver.Close()
		s.driver = nil
	}
}

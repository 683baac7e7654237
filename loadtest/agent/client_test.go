// What all kinds of agents must do alike, and how calls end.

package agent

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"barrage/loadtest/swarm"
	"barrage/loadtest/tally"
)

const secret = "0123456789abcdef"

// kinds is one Client of each kind.
func kinds(t *testing.T) map[string]func(*testing.T) *Client {
	return map[string]func(*testing.T) *Client{
		"in process": func(t *testing.T) *Client { return closeAfter(t, InProcess(newFake), nil) },
		"subprocess": func(t *testing.T) *Client {
			c, err := spawn(t, "agent", io.Discard)
			return closeAfter(t, c, err)
		},
		"remote": func(t *testing.T) *Client {
			c, err := Dial(t.Context(), listen(t, secret, newFake), secret)
			return closeAfter(t, c, err)
		},
	}
}

func TestKindsAreAlike(t *testing.T) {
	for name, open := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			c, ctx := open(t), t.Context()
			if c.Capacity() != Capacity() || c.Cores() != runtime.GOMAXPROCS(0) {
				t.Errorf("capacity %d, cores %d", c.Capacity(), c.Cores())
			}
			failed := []swarm.Failure{{Room: 1, Lane: 2, Spans: []tally.Span{{First: 3, Last: 4}}}}
			var snap, last swarm.Snapshot
			for i, step := range []func() error{
				func() error { return c.Prepare(ctx, testJob()) },
				func() error { return c.Connect(ctx, 12) },
				func() error { return c.Begin(ctx, testWindow()) },
				func() error { return c.Sync(ctx) },
				func() error { return c.Storm(ctx) },
				func() (err error) { snap, err = c.Snapshot(ctx); return },
				func() (err error) { last, err = c.Finish(ctx, failed); return },
				func() error { return c.Close(ctx) },
				func() error { return c.Close(ctx) },
			} {
				if err := step(); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
			}
			for _, call := range []string{
				"job 10 to 30 of 1000, 1 threads", "connect 12",
				"begin {5 1152921504606846976 2.5 3s}", "storm", "finish [{1 2 [{3 4}]}]",
			} {
				if last.Failures[call] != 1 {
					t.Errorf("the driver was not called: %q, but %v", call, last.Failures)
				}
			}
			if snap.Open != 7 || snap.Latency.Count() != 100_000 || snap.Latency.Max() < 9*time.Second {
				t.Errorf("snapshot: %+v", snap)
			}
			expect(t, c.Connect(ctx, 1), ErrClosed, "agent "+c.Name()+": connect: ")
		})
	}
}

func TestWrongCalls(t *testing.T) {
	prepared := func(c *Client, t *testing.T) {
		if err := c.Prepare(t.Context(), testJob()); err != nil {
			t.Fatal(err)
		}
	}
	prepare := func(change func(*Job)) func(*Client, *testing.T) error {
		return func(c *Client, t *testing.T) error {
			j := testJob()
			change(&j)
			return c.Prepare(t.Context(), j)
		}
	}
	begin := func(w Window) func(*Client, *testing.T) error {
		return func(c *Client, t *testing.T) error {
			prepared(c, t)
			return c.Begin(t.Context(), w)
		}
	}
	for _, test := range []struct {
		name, want string
		call       func(*Client, *testing.T) error
	}{
		{"before prepare", "snapshot: \"snapshot\" before a test was prepared",
			func(c *Client, t *testing.T) error { _, err := c.Snapshot(t.Context()); return err }},
		{"unknown method", "dance: unknown method \"dance\"", func(c *Client, t *testing.T) error {
			prepared(c, t)
			_, err := call[nothing](t.Context(), c, "dance", nothing{})
			return err
		}},
		{"parameters of another type", "connect: malformed parameters", func(c *Client, t *testing.T) error {
			prepared(c, t)
			_, err := call[nothing](t.Context(), c, methodConnect, "twelve")
			return err
		}},
		{"too large", "connect: a message of 16777", func(c *Client, t *testing.T) error {
			prepared(c, t)
			_, err := call[nothing](t.Context(), c, methodConnect, strings.Repeat("x", maxFrame))
			return err
		}},
		{"negative connections", "connect: -1 connections", func(c *Client, t *testing.T) error {
			prepared(c, t)
			return c.Connect(t.Context(), -1)
		}},
		{"invalid plan", "prepare: --size: 2 is less", prepare(func(j *Job) { j.Plan.Size = 2 })},
		{"range beyond the plan", "prepare: connections 10 to 1001 are not within the plan's 1000", prepare(func(j *Job) { j.To = 1001 })},
		{"negative range", "prepare: connections -1 to 30", prepare(func(j *Job) { j.From = -1 })},
		{"backward range", "prepare: connections 31 to 30", prepare(func(j *Job) { j.From = 31 })},
		{"beyond capacity", "connections are wanted, but the limit of open files allows",
			prepare(func(j *Job) { j.From, j.To, j.Plan.Connections = 0, Capacity()+1, Capacity()+1 })},
		{"threads", "prepare: threads: 1025 is not within 0 to 1024", prepare(func(j *Job) { j.Threads = 1025 })},
		{"no driver", "prepare: swarm: it is impossible", prepare(func(j *Job) { j.Plan.Name = "impossible" })},
		{"rate", "begin: --rate: -1 is not from 0", begin(Window{Rate: -1})},
		{"duration", "begin: --duration: -1ns is not from 0", begin(Window{Duration: -1})},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := closeAfter(t, InProcess(newFake), nil)
			expect(t, test.call(c, t), nil, "agent local: ", test.want)
			if err := c.Prepare(t.Context(), testJob()); err != nil {
				t.Errorf("the agent is not usable any more: %v", err)
			}
		})
	}
}

// TestDriverIsClosed: by another test, by the session's end, by the agent's end.
func TestDriverIsClosed(t *testing.T) {
	closed := make(chan struct{}, 3)
	newDriver := func(job Job, now func() int64) (Driver, error) {
		d, err := newFake(job, now)
		d.(*fake).closed = func() { closed <- struct{}{} }
		return d, err
	}
	prepare := func(c *Client) {
		if err := c.Prepare(t.Context(), testJob()); err != nil {
			t.Fatal(err)
		}
	}
	c := closeAfter(t, InProcess(newDriver), nil)
	prepare(c)
	prepare(c)
	<-closed
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-closed

	near, far := duplexPair()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, far, newDriver) }()
	c = newClient("other", near)
	if _, err := c.open(t.Context(), "", thisProgram()); err != nil {
		t.Fatal(err)
	}
	prepare(c)
	cancel()
	<-closed
	expect(t, <-served, context.Canceled, "agent: ")
	_, err := c.Snapshot(t.Context())
	expect(t, err, ErrLost, "agent other: snapshot: ")
	expect(t, c.Close(t.Context()), ErrLost)
}

func duplexPair() (near, far io.ReadWriteCloser) {
	a, b := io.Pipe()
	c, d := io.Pipe()
	return duplex{a, d}, duplex{c, b}
}

// blocking returns an agent whose snapshots wait for release.
func blocking(t *testing.T) (c *Client, release chan struct{}) {
	t.Helper()
	release = make(chan struct{})
	c = InProcess(func(job Job, now func() int64) (Driver, error) {
		d, err := newFake(job, now)
		d.(*fake).snap = func() { <-release }
		return d, err
	})
	closeAfter(t, c, nil)
	if err := c.Prepare(t.Context(), testJob()); err != nil {
		t.Fatal(err)
	}
	return c, release
}

func TestNoAnswerMeansLost(t *testing.T) {
	c, release := blocking(t)
	defer close(release)
	c.limit = func(method) time.Duration { return 20 * time.Millisecond }
	_, err := c.Snapshot(t.Context())
	expect(t, err, ErrLost, "agent local: snapshot: the agent is lost: no answer within 20ms")
	expect(t, c.Storm(t.Context()), ErrLost, "agent local: storm: the agent is lost: no answer within 20ms")
}

func TestCallGivenUpDoesNoHarm(t *testing.T) {
	c, release := blocking(t)
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() {
		_, err := c.Snapshot(ctx)
		waiting <- err
	}()
	// Another caller, whose turn does not come.
	expired, stop := context.WithCancel(t.Context())
	stop()
	until(t, "a call under way", func() bool { return len(c.turn) == 1 })
	expect(t, c.Storm(expired), context.Canceled, "agent local: storm: ")

	cancel()
	expect(t, <-waiting, context.Canceled, "agent local: snapshot: ")
	close(release)
	for range 3 {
		if s, err := c.Snapshot(t.Context()); err != nil || s.Open != 7 {
			t.Fatalf("next call: %v, %v", s, err)
		}
	}
}

func TestProtocolErrorsOfAgents(t *testing.T) {
	for _, test := range []struct{ name, answer, want string }{
		{"end", "", "EOF"},
		{"not JSON", "\x00\x00\x00\x05hello", "malformed answer"},
		{"oversized", "\xff\xff\xff\xff", "a message of 4294967295 bytes is larger than 16777216"},
		{"cut off", "\x00\x00\x00\x05hel", "unexpected EOF"},
		{"answer to nothing", "\x00\x00\x00\x09{\"id\":99}", "an answer to request 99, which was never made"},
		{"no ID", "\x00\x00\x00\x02{}", "an answer to request 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			near, far := duplexPair()
			c := closeAfter(t, newClient("10.0.0.9:7", near), nil)
			go func() {
				_, _ = readFrame(far, maxFrame)
				_, _ = io.WriteString(far, test.answer)
				far.Close()
			}()
			expect(t, c.Storm(t.Context()), ErrLost, "agent 10.0.0.9:7: storm: the agent is lost: ", test.want)
			var e *Error
			if err := c.Storm(t.Context()); !errors.As(err, &e) || e.Agent != "10.0.0.9:7" || e.Doing != "storm" {
				t.Errorf("next call: %v", err)
			}
		})
	}
}

var _ Driver = (*swarm.Swarm)(nil)

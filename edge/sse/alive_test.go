// Who is taken for alive among those who cannot answer.

package sse_test

import (
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
)

// TestHeartbeat: a stream that says nothing has comments, and lives for longer than
// anybody's answer may take.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	const interval, timeout = 100 * time.Millisecond, 500 * time.Millisecond
	s := edgetest.Start(t, func(c *edge.Config) { c.PingInterval, c.PingTimeout = interval, timeout })
	c := open(t, s, "/sse?room=quiet")
	c.push("joined")
	for range 3 * int(timeout/interval) {
		if e := c.next(); !e.comment || e != (event{comment: true}) {
			t.Fatalf("got %+v, want a comment", e)
		}
	}
	edgetest.PublishTo(t, s, "quiet", "still here")
	for {
		if e := c.next(); !e.comment {
			if !strings.Contains(e.data, "still here") {
				t.Errorf("got %+v", e)
			}
			break
		}
	}
}

// TestFrozen: who takes nothing is gone after the slow timeout, or without one soon after
// it is to be pinged; who reads stays.
func TestFrozen(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		slow   time.Duration
	}{{"slow", time.Second}, {"ping_timeout", 0}} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			s := edgetest.Start(t, func(c *edge.Config) {
				c.PingInterval, c.PingTimeout, c.SlowTimeout, c.SendBuffer = 200*time.Millisecond, time.Second, tc.slow, 16<<10
			})
			frozen := open(t, s, "/sse?room=busy")
			_ = frozen.conn.SetReadBuffer(4 << 10)
			reads := open(t, s, "/sse?room=busy")
			go func() { // ends with the connection
				for {
					if _, err := reads.read(); err != nil {
						return
					}
				}
			}()
			text := strings.Repeat("x", 8<<10)
			edgetest.WaitFor(t, "the frozen one to be closed", func() bool {
				edgetest.PublishTo(t, s, "busy", text)
				return s.Stats().Connections == 1
			})
			if closed := s.Stats().Closed; closed[tc.reason] != 1 || len(closed) != 1 {
				t.Errorf("closed %v, want one for %s", closed, tc.reason)
			}
		})
	}
}

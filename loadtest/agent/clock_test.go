// Tests the measurement of offsets, on real connections: its bound
// holds whatever the timing.

package agent

import (
	"testing"
	"time"
)

func TestOffsetIsWithinHalfTheRoundTrip(t *testing.T) {
	for _, shift := range []time.Duration{0, time.Millisecond, -90 * time.Minute, 12345 * time.Hour} {
		t.Run(shift.String(), func(t *testing.T) {
			agent := ProcessClock()
			agent.wall += int64(shift)
			addr := listen(t, secret, newFake, func(l *Listener) { l.clock = agent })
			c, err := Dial(t.Context(), addr, secret)
			closeAfter(t, c, err)
			for range 3 {
				offset, rtt := c.Offset()
				if miss := (offset - shift).Abs(); rtt <= 0 || miss > rtt/2+1 { // 1 ns for the halves
					t.Errorf("offset %v, round trip %v, but the clock is off by %v", offset, rtt, shift)
				}
				checkNow(t, c, rtt)
				if err := c.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// checkNow checks that the agent's Driver has the controller's clock.
func checkNow(t *testing.T, c *Client, rtt time.Duration) {
	t.Helper()
	if err := c.Prepare(t.Context(), testJob()); err != nil {
		t.Fatal(err)
	}
	before := ProcessClock().Now()
	s, err := c.Snapshot(t.Context())
	after := ProcessClock().Now()
	if err != nil {
		t.Fatal(err)
	}
	if slack := int64(rtt/2) + 1; s.At < before-slack || s.At > after+slack {
		t.Errorf("the driver's time is %d, not from %d to %d", s.At, before, after)
	}
}

func TestOwnProcessHasNoOffset(t *testing.T) {
	c := closeAfter(t, InProcess(newFake), nil)
	if err := c.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if offset, rtt := c.Offset(); offset != 0 || rtt != 0 {
		t.Errorf("offset %v, round trip %v", offset, rtt)
	}
	checkNow(t, c, 0)
}

func TestExchange(t *testing.T) {
	for _, test := range []struct {
		name        string
		e           exchange
		offset, rtt int64
	}{
		{"same clock, no delay", exchange{100, 100, 100, 100}, 0, 0},
		{"same clock, even delay", exchange{100, 110, 115, 125}, 0, 20},
		{"ahead", exchange{100, 1110, 1115, 125}, 1000, 20},
		{"behind", exchange{100, -890, -885, 125}, -1000, 20},
		{"all delay on the way there", exchange{100, 120, 125, 125}, 10, 20},
		{"all delay on the way back", exchange{100, 100, 105, 125}, -10, 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			if o, r := test.e.offset(), test.e.rtt(); o != test.offset || r != test.rtt {
				t.Errorf("offset %d, rtt %d; want %d, %d", o, r, test.offset, test.rtt)
			}
		})
	}
}

func TestClockIsWallTime(t *testing.T) {
	c := NewClock()
	a := c.Now()
	if d := time.Since(time.Unix(0, a)); d.Abs() > time.Minute {
		t.Errorf("off by %v", d)
	}
	if b := c.Now(); b < a {
		t.Errorf("%d after %d", b, a)
	}
}

// Deadlines, limits and ends of plain connections.

package tcp_test

import (
	"context"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/edge/tcp"
	"barrage/internal/bounds"
	"barrage/netpoll"
)

// TestHalf: hundreds of half messages cost no goroutine, and are gone at their deadline.
func TestHalf(t *testing.T) { // not parallel: it counts goroutines
	const stuck = 500
	for _, f := range tcp.Framings() {
		s := start(t, f, func(c *edge.Config) { c.FrameTimeout = time.Second })
		viewer := join(t, s, onTCP, "a")
		goroutines := runtime.NumGoroutine()
		half := make([]*client, stuck)
		for i := range half {
			half[i] = dial(t, s, i%2)
			whole := half[i].frame(`{"cmd":"publish","room":"a","data":"half"}`)
			half[i].write(whole[:1+i%(len(whole)-1)])
		}
		if n := runtime.NumGoroutine() - goroutines; n > 0 {
			t.Errorf("%s: %d goroutines more with %d half messages", f, n, stuck)
		}
		for _, c := range half {
			c.want(`{"push":"welcome"`)
			c.want(`{"push":"bye","code":1008,"reason":"message not finished in time","reconnect":false}`)
			c.wantEnd()
		}
		edgetest.WaitFor(t, "all to be gone, with what was held of them", func() bool {
			st := s.Stats()
			return st.Closed["unfinished_message"] == stuck && st.Unfinished == 0
		})
		viewer.send(`{"id":1,"cmd":"ping"}`)
		viewer.want(`{"id":1,"ok":`)
	}
}

// TestHeartbeat: a ping is a push, whatever is whole answers it, and who does not is gone.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f tcp.Framing, address int) {
		s := start(t, f, func(c *edge.Config) { c.PingInterval, c.PingTimeout = 20*time.Millisecond, edgetest.Patience })
		c := dial(t, s, address)
		c.want(`{"push":"welcome"`)
		for _, answer := range []string{"", `{"id":1,"cmd":"ping"}`, "", "{}"} { // the next comes only if the last was answered
			for c.want("{") != `{"push":"ping"}` { // a reply
			}
			c.send(answer)
		}
		s = start(t, f, func(c *edge.Config) { c.PingInterval, c.PingTimeout = 20*time.Millisecond, 100*time.Millisecond })
		c = dial(t, s, address)
		c.want(`{"push":"welcome"`)
		c.want(`{"push":"ping"}`)
		c.wantEnd()
		edgetest.WaitFor(t, "it to be gone", func() bool { return s.Stats().Closed["ping_timeout"] == 1 })
	})
}

// TestBounds: what breaks a rule of the transport ends the connection with the reason.
func TestBounds(t *testing.T) {
	t.Parallel()
	pad := func(n int) string { return `{"id":1,"cmd":"ping"` + strings.Repeat(" ", n-21) + `}` }
	many := bounds.ControlFramesPerSecond + 1
	for _, c := range []struct {
		name   string
		f      tcp.Framing
		sent   string
		want   string
		reason string
	}{
		{"the longest line", tcp.Lines, pad(100) + "\n", `{"id":1,"ok":`, ""},
		{"the longest line, CR LF", tcp.Lines, pad(100) + "\r\n", `{"id":1,"ok":`, ""},
		{"a byte more", tcp.Lines, pad(101) + "\n", `{"push":"bye","code":1009,"reason":"message too big","reconnect":false}`, "too_big"},
		{"no end", tcp.Lines, pad(102), `{"push":"bye","code":1009`, "too_big"},
		{"the longest", tcp.Lengths, string(framed(tcp.Lengths, pad(100))), `{"id":1,"ok":`, ""},
		{"a byte more", tcp.Lengths, string(framed(tcp.Lengths, pad(101)))[:4], `{"push":"bye","code":1009`, "too_big"},
		{"HTTP", tcp.Lines, "POST / HTTP/1.1\r\n", `{"push":"bye","code":1002,"reason":"each line must be a JSON object","reconnect":false}`, "protocol_error"},
		{"HTTP", tcp.Lengths, "POST / HTTP/1.1\r\n", `{"push":"bye","code":1009`, "too_big"},
		{"TLS", tcp.Lines, "\x16\x03\x01\x02\x00\x01", `{"push":"bye","code":1002`, "protocol_error"},
		{"a byte order mark", tcp.Lines, "\ufeff" + pad(30) + "\n", `{"push":"bye","code":1002`, "protocol_error"},
		{"a byte order mark", tcp.Lengths, string(framed(tcp.Lengths, "\ufeff"+pad(30))), `{"id":1,"ok":`, ""},
		{"empty lines", tcp.Lines, strings.Repeat("\n", 2*many), `{"push":"bye","code":1008,"reason":"too many empty messages"`, "flood"},
		{"empty messages", tcp.Lengths, strings.Repeat("\x00\x00\x00\x00", 2*many), `{"push":"bye","code":1008`, "flood"},
		{"no JSON", tcp.Lines, "{\n", `{"error":{"code":"bad_json"`, ""},
		{"no JSON", tcp.Lengths, "\x00\x00\x00\x01x", `{"error":{"code":"bad_json"`, ""},
	} {
		t.Run(string(c.f)+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, c.f, func(cfg *edge.Config) { cfg.MaxMessage = 100 })
			x := dial(t, s, onTCP)
			x.want(`{"push":"welcome"`)
			x.write([]byte(c.sent))
			x.want(c.want)
			if c.reason == "" {
				x.send(`{"id":2,"cmd":"ping"}`)
				x.want(`{"id":2,"ok":`)
				return
			}
			x.wantEnd()
			_ = x.Close()
			edgetest.WaitFor(t, c.reason, func() bool { return s.Stats().Closed[c.reason] == 1 })
		})
	}
}

// TestLimits: plain connections count as others do, by their address and all together, and
// who is refused is told so.
func TestLimits(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f tcp.Framing, address int) {
		s := start(t, f, func(c *edge.Config) { c.MaxPerIP, c.MaxConnections = 2, 3 })
		var in [2]*client
		for i := range in {
			in[i] = dial(t, s, address)
			in[i].want(`{"push":"welcome"`)
		}
		c := dial(t, s, address)
		if got := c.want(`{"push":"bye","code":1013`); !strings.Contains(got, `"error":"too_many_connections","reconnect":true,"wait":`) {
			t.Error(got)
		}
		c.wantEnd()
		other := dial(t, s, 1-address)
		other.want(`{"push":"welcome"`)
		c = dial(t, s, 1-address)
		if got := c.want(`{"push":"bye","code":1013`); !strings.Contains(got, `"reason":"the server is full"`) {
			t.Error(got)
		}
		c.wantEnd()
		_ = in[0].Close()
		edgetest.WaitFor(t, "its place to be free", func() bool { return s.Stats().Connections == 2 })
		dial(t, s, address).want(`{"push":"welcome"`)
	})
}

// TestDrain: a stop says bye, and the file of a Unix socket is free at once.
func TestDrain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f tcp.Framing, address int) {
		s := start(t, f, nil)
		path := strings.TrimPrefix(s.PlainAddrs()[onUnix], netpoll.UnixPrefix)
		c := join(t, s, address, "a")
		edgetest.PublishTo(t, s, "a", "the last")
		ctx, cancel := context.WithTimeout(t.Context(), edgetest.Patience)
		defer cancel()
		drained := make(chan error)
		go func() { drained <- s.Drain(ctx, 0) }()
		c.want(`{"push":"message","room":"a"`)
		if got := c.want(`{"push":"bye","code":1001,"reason":"server is stopping","reconnect":true`); !strings.Contains(got, `"wait":`) {
			t.Error(got)
		}
		c.wantEnd()
		_ = c.Close()
		if err := <-drained; err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the file is there: %v", err)
		}
		edgetest.Start(t, func(cfg *edge.Config) { cfg.ListenTCP = []string{netpoll.UnixPrefix + path} })
		edgetest.Balanced(t, s)
	})
}

// TestCrowded: past the bound of what is unfinished, the largest go.
func TestCrowded(t *testing.T) {
	t.Parallel()
	s := start(t, tcp.Lines, func(c *edge.Config) { c.Shards, c.MaxMessage, c.UnfinishedBytes = 1, 1000, 1 }) // which are 4000
	large := dial(t, s, onTCP)
	large.want(`{"push":"welcome"`)
	large.write([]byte("{" + strings.Repeat("x", 900)))
	small := make([]*client, 20)
	for i := range small {
		small[i] = dial(t, s, onUnix)
		small[i].want(`{"push":"welcome"`)
		small[i].write([]byte("{" + strings.Repeat("x", 150)))
	}
	large.want(`{"push":"bye","code":1013,"reason":"too much is unfinished"`)
	large.wantEnd()
}

// What rooms say to traced connections.

package edge_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/edge/trace"
	"barrage/fanout"
	"barrage/internal/bounds"
)

// TestTraceOfEncodings: what rooms say is told whatever bytes it is sent as.
func TestTraceOfEncodings(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, withPlain(func(c *edge.Config) { c.Compression, c.CompressWait = true, 20*time.Millisecond }))
	const v1, deflate = "Sec-WebSocket-Protocol: barrage.v1\r\n", "Sec-WebSocket-Extensions: permessage-deflate\r\n"
	text := strings.Repeat("the same again ", 500) // more than is shown, and than one segment's share
	for name, tc := range map[string]struct {
		request string
		want    []string
	}{
		"raw":      {edgetest.UpgradeRequest("/ws?room=raw"), []string{"open raw raw", "out text raw " + text[:bounds.TraceText], "out text raw short"}},
		"deflated": {edgetest.UpgradeRequest("/ws?room=deflated", deflate), []string{"open raw deflated", "out text deflated " + text[:bounds.TraceText], "out text deflated short"}},
		"v1":       {edgetest.UpgradeRequest("/ws?room=v1", v1), []string{"open barrage.v1 v1", "out joined v1 ", "out message v1 " + `{"push":"message","room":"v1",`}},
		"batch":    {edgetest.UpgradeRequest("/ws?room=batch&batch=1", v1, deflate), []string{"open barrage.v1 batch", "out joined batch ", "out message batch " + `{"push":"message"`, "out batch batch "}},
		"sse":      {"GET /sse?room=sse HTTP/1.1\r\nHost: example.com\r\n\r\n", []string{"open sse sse", "out joined sse event: joined", "out message sse "}},
		"tcp":      {`{"id":1,"cmd":"join","room":"tcp"}`, []string{"open tcp", "in join tcp 1 ", "out ok 1 ", "out message tcp ", "out message tcp ", "out message tcp "}},
	} {
		t.Run(name, func(t *testing.T) {
			x := follow(t, s, trace.Query{Network: loopback, Payloads: true})
			if name == "tcp" {
				c, _, _ := dialPlain(t, s, "")
				c.ask(tc.request)
			} else {
				edgetest.Shake(t, s, tc.request)
			}
			edgetest.WaitMembers(t, s, name, 1)
			x.want(tc.want[:len(tc.want)/2]...) // before, what is said comes with the history
			edgetest.PublishTo(t, s, name, text)
			edgetest.PublishTo(t, s, name, "short")
			for range 20 { // some of them go together
				edgetest.PublishTo(t, s, name, "more")
			}
			x.want(tc.want...)
			x.stop()
			edgetest.Must(t, <-x.done)
		})
	}
}

// TestTraceOfSkips: who is too slow has lines that count every message that it missed, with the
// room, by WebSocket and without.
func TestTraceOfSkips(t *testing.T) {
	t.Parallel()
	for _, door := range []string{"raw", "tcp"} {
		t.Run(door, func(t *testing.T) {
			t.Parallel()
			s := edgetest.Start(t, withPlain(func(c *edge.Config) { c.RoomLogBytes, c.SendBuffer = 128<<10, 32<<10 }))
			x := follow(t, s, trace.Query{Network: loopback})
			var c net.Conn
			if door == "tcp" {
				p, _, _ := dialPlain(t, s, "")
				p.ask(`{"id":1,"cmd":"join","room":"slow"}`)
				c = p.Conn
			} else {
				c = edgetest.Join(t, s, "/ws?room=slow").Conn
			}
			_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
			edgetest.WaitMembers(t, s, "slow", 1)
			skipped := func() (n uint64) {
				for _, f := range s.Stats().Fanout {
					n += f.Skipped[fanout.SkipSlow]
				}
				return n
			}
			filling := strings.Repeat("x", 5000)
			edgetest.WaitFor(t, "messages to be skipped", func() bool {
				for range 20 {
					edgetest.PublishTo(t, s, "slow", filling)
				}
				return skipped() > 50
			})
			x.want("skip slow ")
			go func() { _, _ = io.Copy(io.Discard, c) }() // ends with the connection
			edgetest.Balanced(t, s)
			edgetest.WaitFor(t, "all of them to be told of", func() bool {
				x.mu.Lock()
				defer x.mu.Unlock()
				told := uint64(0)
				for i := range x.lines {
					if x.lines[i].Event == "skip" {
						told += x.lines[i].Count
					}
				}
				return told == skipped()
			})
		})
	}
}

// How streams end, and who is not let in.

package sse_test

import (
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
)

// TestEviction: a stream is told of the room it was taken out of, and ends with the last
// one, not to come back soon.
func TestEviction(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	c := open(t, s, "/sse?room=a&room=b")
	c.push("joined")
	c.push("joined")
	for _, room := range []string{"a", "b"} {
		edgetest.Must(t, s.Moderation.CloseRoom(t.Context(), room, "over"))
		if left, _ := c.push("left"); left["room"] != room || left["reason"] != "over" {
			t.Errorf("left %v", left)
		}
	}
	bye, e := c.push("bye")
	if wait, _ := strconv.Atoi(e.retry); bye["code"] != 4200.0 || bye["reconnect"] != false || wait < 60_000 {
		t.Errorf("bye %+v, to come back after %q ms", bye, e.retry)
	}
	c.wantEnd()
	edgetest.WaitFor(t, "the reason", func() bool { return s.Stats().Closed["kicked"] == 1 })
	edgetest.Balanced(t, s)
}

// TestDrain: everybody is told when to come back, each at another time.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	c := open(t, s, "/sse?room=a")
	c.push("joined")
	go func() { _ = s.Drain(t.Context(), 0) }() // ends with the test at the latest
	bye, e := c.push("bye")
	if wait, _ := strconv.Atoi(e.retry); bye["code"] != 1001.0 || bye["reconnect"] != true || float64(wait) != bye["wait"] && bye["wait"] != nil {
		t.Errorf("bye %+v, to come back after %q ms", bye, e.retry)
	}
	c.wantEnd()
	edgetest.WaitFor(t, "all to leave", func() bool { return s.Stats().Connections == 0 })
}

// TestSlow: who falls behind is told what it missed, once it reads again, and the counts
// agree.
func TestSlow(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { c.RoomLogBytes, c.SendBuffer, c.SlowTimeout = 64<<10, 16<<10, time.Hour })
	c := open(t, s, "/sse?room=a")
	_ = c.conn.SetReadBuffer(4 << 10)
	c.push("joined")
	text, n := strings.Repeat("x", 8<<10), 0
	edgetest.WaitFor(t, "it to be skipped", func() bool {
		edgetest.PublishTo(t, s, "a", text)
		n++
		for _, f := range s.Stats().Fanout {
			if f.Skipped[0] > 50 {
				return true
			}
		}
		return false
	})
	got, lost := 0, 0
	for got+lost < n {
		e := c.next()
		switch {
		case e.kind == "gap":
			push := decode(t, e)
			if push["reason"] != "slow" || int(push["from"].(float64)) != got+lost+1 || e.id != "" {
				t.Fatalf("after %d messages and %d lost ones: %+v", got, lost, e)
			}
			lost += int(push["count"].(float64))
		case !e.comment:
			got++
			if !strings.HasSuffix(e.id, ":"+strconv.Itoa(got+lost)) {
				t.Fatalf("after %d messages and %d lost ones: id %q", got, lost, e.id)
			}
		}
	}
	if lost == 0 {
		t.Error("it was told of no gap")
	}
	edgetest.Balanced(t, s)
}

// TestRefused: who is not let in reads why, as the HTTP API says it.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { c.MaxRooms = 2 })
	for _, tc := range []struct {
		name, request string
		status        int
		code          string
	}{
		{"no room", get("/sse"), 400, "no_room"},
		{"a bad room", get("/sse?room=a%20b"), 400, "bad_room"},
		{"too many rooms", get("/sse?room=a&room=b&room=c"), 400, "too_many_rooms"},
		{"another's mailbox", get("/sse?room=user:ann"), 403, "forbidden"},
		{"a position that is none", get("/sse?room=a&since=1"), 400, "bad_since"},
		{"a sign", get("/sse?room=a&since=e:+1"), 400, "bad_since"},
		{"an offset past 64 bits", get("/sse?room=a&since=e:18446744073709551616"), 400, "bad_since"},
		{"an epoch that would break a line", get("/sse?room=a&since=e%0Adata:1"), 400, "bad_since"},
		{"an endless epoch", get("/sse?room=a&since=" + strings.Repeat("e", 65) + ":1"), 400, "bad_since"},
		{"an id that is no position", get("/sse?room=a", "Last-Event-ID: x\r\n"), 400, "bad_since"},
		{"one position for two rooms", get("/sse?room=a&room=b&since=e:1"), 400, "bad_since"},
		{"two positions for one room", get("/sse?room=a&since=e:1&since=e:2"), 400, "bad_since"},
		{"a foreign page", get("/sse?room=a", "Origin: https://evil.example\r\n"), 403, "forbidden"},
		{"HEAD", "HEAD /sse?room=a HTTP/1.1\r\nHost: h\r\n\r\n", 405, "method_not_allowed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := ask(t, s, tc.request)
			if c.resp.StatusCode != tc.status {
				t.Fatalf("status %d, want %d", c.resp.StatusCode, tc.status)
			}
			if strings.HasPrefix(tc.request, "HEAD") {
				return
			}
			body, _ := io.ReadAll(c.in)
			var answer struct {
				Error struct{ Code, Message string }
			}
			unmarshal(t, body, &answer)
			if answer.Error.Code != tc.code || answer.Error.Message == "" {
				t.Errorf("%s, want the code %s", body, tc.code)
			}
		})
	}
	if n := s.Stats().Connections; n != 0 {
		t.Errorf("%d connections", n)
	}
}

// TestHostile: what comes behind the request ends the stream, and half a request nobody.
func TestHostile(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { c.HandshakeTimeout = 500 * time.Millisecond })
	for _, tc := range []struct{ name, behind string }{
		{"another request", get("/sse?room=b")},
		{"garbage", "\x00\xff\x16\x03"},
		{"a line", "\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, glued := range []bool{true, false} {
				request := get("/sse?room=a")
				if glued {
					request += tc.behind
				}
				c := ask(t, s, request)
				if !glued {
					c.next()
					_, err := c.conn.Write([]byte(tc.behind))
					edgetest.Must(t, err)
				}
				for e := (event{}); e.kind != "bye"; e = c.next() {
				}
				c.wantEnd()
			}
		})
	}
	t.Run("half a request", func(t *testing.T) {
		t.Parallel()
		if c := ask(t, s, "GET /sse?room=a HTTP/1.1\r\nHost: h\r\n"); c.resp.StatusCode != 408 {
			t.Errorf("status %d", c.resp.StatusCode)
		}
	})
	t.Run("headers without an end", func(t *testing.T) {
		t.Parallel()
		if c := ask(t, s, "GET /sse?room=a HTTP/1.1\r\nHost: h\r\nX: "+strings.Repeat("x", 24<<10)); c.resp.StatusCode != 431 {
			t.Errorf("status %d", c.resp.StatusCode)
		}
	})
}

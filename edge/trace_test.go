// Traces of single connections, on the wire.

package edge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/edgetest"
	"barrage/edge/trace"
	"barrage/frame"
	"barrage/internal/bounds"
	"barrage/internal/refusal"
)

// tracing is a trace that a test reads.
type tracing struct {
	t    *testing.T
	stop context.CancelFunc
	done chan error

	mu    sync.Mutex // guards what follows
	text  string
	lines []trace.Line
}

// follow begins a trace, and waits until nodes look.
func follow(t *testing.T, s *edgetest.Server, q trace.Query) *tracing {
	t.Helper()
	if q.For == 0 {
		q.For = edgetest.Patience
	}
	if q.Bytes == 0 {
		q.Bytes = bounds.TraceBytes
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &tracing{t: t, stop: cancel, done: make(chan error, 1)}
	t.Cleanup(cancel)
	go func() { x.done <- s.Trace(ctx, q, x.write) }()
	x.want("begin")
	return x
}

func (x *tracing) write(lines []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.text += string(lines)
	for l := range bytes.Lines(lines) {
		var line trace.Line
		if err := json.Unmarshal(l, &line); err != nil {
			return fmt.Errorf("%q: %w", l, err)
		}
		x.lines = append(x.lines, line)
	}
	return nil
}

// said is a line in short.
func said(l *trace.Line) string {
	text := l.Event
	for _, part := range []string{l.User, l.Key, l.Protocol, strings.Join(l.Rooms, "+"), l.What, l.Room, l.Kind, l.Error, l.Reason} {
		if part != "" {
			text += " " + part
		}
	}
	for _, n := range []int{int(l.ID), int(l.Count), l.Status, l.Code} {
		if n != 0 {
			text += fmt.Sprint(" ", n)
		}
	}
	if l.Payload != nil {
		text += " " + *l.Payload
	}
	return text
}

// want waits for lines that begin so, in this order, with others between them.
func (x *tracing) want(want ...string) {
	x.t.Helper()
	var got []string
	defer func() {
		if x.t.Failed() {
			x.t.Logf("the lines\n%s", strings.Join(got, "\n"))
		}
	}()
	edgetest.WaitFor(x.t, "lines that begin with "+strings.Join(want, ", "), func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		got = nil
		left := want
		for i := range x.lines {
			got = append(got, said(&x.lines[i]))
			if len(left) > 0 && strings.HasPrefix(got[i], left[0]) {
				left = left[1:]
			}
		}
		return len(left) == 0
	})
}

// never wants none of the texts in any line.
func (x *tracing) never(texts ...string) {
	x.t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, text := range texts {
		if strings.Contains(x.text, text) {
			x.t.Errorf("%q is in the trace:\n%s", text, x.text)
		}
	}
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// speaker is a token of a user who may speak.
func speaker(t *testing.T, user string) string {
	t.Helper()
	key, err := auth.SecretKey(tokenSecret)
	edgetest.Must(t, err)
	token, err := auth.Sign(auth.Claims{Identity: auth.Identity{User: user, Rooms: auth.Patterns{"*"}, Publish: auth.Patterns{"*"}, Expires: time.Now().Add(time.Hour)}}, key)
	edgetest.Must(t, err)
	return token
}

func joinV1(t *testing.T, s *edgetest.Server, target string) *edgetest.Viewer {
	t.Helper()
	c, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest(target, "Sec-WebSocket-Protocol: barrage.v1\r\n"))
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s: status %d", target, resp.StatusCode)
	}
	return c
}

// TestTraceByUser: a trace has one user's connections, from their beginning to their end,
// and nobody else's.
func TestTraceByUser(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withTokens(t, c) })
	ann, bob := speaker(t, "ann"), speaker(t, "bob")
	joinV1(t, s, "/ws?room=live&token="+ann)
	x := follow(t, s, trace.Query{User: "ann"})
	x.want("here ann barrage.v1 live")

	viewer := joinV1(t, s, "/ws?room=live&token="+ann)
	other := joinV1(t, s, "/ws?room=live&token="+bob)
	edgetest.WaitMembers(t, s, "live", 3)
	viewer.Send(frame.Text, `{"id":7,"cmd":"publish","room":"live","data":"hello","kind":"gift"}`)
	viewer.Send(frame.Text, `{"id":8,"cmd":"join","room":"user:bob"}`)
	viewer.Send(frame.Text, `{"id":9,"cmd":"`+ann+`"}`)
	viewer.Send(frame.Text, `{"id":10,"token":"`+ann+`"`)
	viewer.Send(frame.Text, `{"id":11,"cmd":"auth","token":"`+ann+`"}`)
	other.Send(frame.Text, `{"id":12,"cmd":"publish","room":"live","data":"from bob"}`)
	x.want("open ann barrage.v1 live", "out ann welcome", "in ann publish live gift 7", "in ann join user:bob 8", "out ann error forbidden 8",
		"in ann unknown 9", "in ann none 10", "in ann auth 11", "out ann ok 11")
	x.want("out ann ok 7")
	x.want("out ann message live gift", "out ann message live")
	viewer.Send(frame.Close, "\x03\xe8")
	x.want("closing ann 1000", "closed ann normal")
	edgetest.Must(t, s.Moderation.DisconnectUser(context.Background(), "ann", "enough", false, time.Hour))
	x.want("out ann bye", "closing ann enough 4200", "closed ann kicked")
	if _, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=live&token="+ann)); resp.StatusCode != http.StatusForbidden {
		t.Errorf("who is banned gets %d", resp.StatusCode)
	}
	x.want("answer ann raw banned you have been sent out 403")
	x.never(ann, bob, "hello", "from bob", `"user":"bob"`, "token")
	x.stop()
	edgetest.Must(t, <-x.done)
	x.want("end stopped")
	edgetest.WaitFor(t, "the trace to end", func() bool { return s.Stats().Traces == 0 })
}

// TestTraceOfRequests: requests that are no connections are told of, and never what they
// have in their paths and queries.
func TestTraceOfRequests(t *testing.T) {
	t.Parallel()
	var have keys
	s := edgetest.Start(t, func(c *edge.Config) {
		have = withKeys(t, c)
		c.SocketPaths = []string{"/ws/{room}/{token}"}
	})
	x := follow(t, s, trace.Query{Network: loopback, Payloads: true})
	for _, request := range []string{
		edgetest.UpgradeRequest("/ws/live:1/" + have["common"]),
		edgetest.UpgradeRequest("/ws/live:1/hunter2"),
		edgetest.UpgradeRequest("/nowhere/" + have["common"]),
		edgetest.UpgradeRequest("/ws?room=elsewhere", "Sec-WebSocket-Protocol: barrage.raw, bearer."+have["common"]+"\r\n"),
		"GET /push?room=live:1&text=psst&key=" + have["common"] + " HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"POST /publish?room=live:1 HTTP/1.1\r\nHost: example.com\r\nAuthorization: Bearer " + have["common"] + "\r\nContent-Length: 15\r\n\r\n{\"data\":\"psst\"}",
	} {
		edgetest.Shake(t, s, request)
	}
	x.want("open common raw live:1")
	x.want("answer raw token_invalid ", "answer nothing is here 404", "answer common raw forbidden ", "answer common push live:1 forbidden ", "answer common post live:1 200")
	x.never(have["common"], "hunter2", "nowhere", "bearer", "key=")
}

// TestTraceBounds: a trace ends with its time and with its bytes, there are only so many, of
// so many connections, and who does not read loses lines and is told.
func TestTraceBounds(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	edgetest.Join(t, s, "/ws?room=live")
	x := &tracing{t: t}
	edgetest.Must(t, s.Trace(context.Background(), trace.Query{Network: loopback, For: time.Millisecond, Bytes: 1 << 20}, x.write))
	x.want("end time")
	x = follow(t, s, trace.Query{Network: loopback, Bytes: 4 << 10})
	edgetest.WaitFor(t, "the trace to end", func() bool {
		edgetest.PublishTo(t, s, "live", "x")
		select {
		case err := <-x.done:
			edgetest.Must(t, err)
			return true
		default:
			return false
		}
	})
	x.want("end bytes")
	edgetest.WaitFor(t, "no trace to hold", func() bool { return s.Stats().Traces == 0 })

	var all []*tracing
	for range bounds.Traces {
		all = append(all, follow(t, s, trace.Query{Conn: "nobody's"}))
	}
	err := s.Trace(context.Background(), trace.Query{Network: loopback, For: time.Minute, Bytes: 1 << 20}, all[0].write)
	if no := refusal.Of(err); no == nil || no.Code() != "too_many_traces" {
		t.Errorf("one more than %d: %v", bounds.Traces, err)
	}
	for _, x := range all {
		x.stop()
		edgetest.Must(t, <-x.done)
	}
	edgetest.WaitFor(t, "no trace to hold", func() bool { return s.Stats().Traces == 0 })

	for range bounds.TracedConns {
		edgetest.Join(t, s, "/ws?room=crowd")
	}
	x = follow(t, s, trace.Query{Network: loopback})
	edgetest.WaitFor(t, "a connection to be left out", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return slices.ContainsFunc(x.lines, func(l trace.Line) bool { return l.Event == "lost" && l.Connections == 1 })
	})
}

// TestTraceIsNotRead: whoever reads a trace too slowly loses lines and is told how many, and
// the room goes on meanwhile.
func TestTraceIsNotRead(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	viewer := edgetest.Join(t, s, "/ws?room=live")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	x := &tracing{t: t}
	read, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.Trace(ctx, trace.Query{Network: loopback, Payloads: true, For: edgetest.Patience, Bytes: bounds.TraceBytes}, func(lines []byte) error {
			<-read
			return x.write(lines)
		})
	}()
	edgetest.WaitFor(t, "the trace to hold", func() bool { return s.Stats().Traces == 1 })
	text, sent := strings.Repeat("x", bounds.TraceText), 0
	edgetest.WaitFor(t, "lines to be lost", func() bool {
		for range 50 {
			edgetest.PublishTo(t, s, "live", text)
			viewer.Want(frame.Text, text)
		}
		sent += 50
		return s.Stats().TraceLinesLost > 0
	})
	close(read)
	edgetest.PublishTo(t, s, "live", "last")
	edgetest.WaitFor(t, "all lines to be there or lost", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		told, lost := 0, 0
		for i := range x.lines {
			switch l := &x.lines[i]; l.Event {
			case "out":
				told++
			case "lost":
				lost += int(l.Count)
			}
		}
		return lost > 0 && told+lost >= sent+1
	})
	cancel()
	edgetest.Must(t, <-done)
}

package sse_test

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/internal/broker"
)

// stream is a client of an event stream.
type stream struct {
	t    testing.TB
	conn *net.TCPConn
	resp *http.Response
	in   *bufio.Reader
}

// event is one as EventSource would have it.
type event struct {
	kind, id, retry, data string
	comment               bool
}

func get(target string, headers ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: example.com\r\n" + strings.Join(headers, "") + "\r\n"
}

// open opens a stream, and reads what is always first.
func open(t testing.TB, s *edgetest.Server, target string, headers ...string) *stream {
	t.Helper()
	c := ask(t, s, get(target, headers...))
	if c.resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d", target, c.resp.StatusCode)
	}
	if e := c.next(); e.retry == "" || e.data != "" {
		t.Fatalf("first comes %+v, want a time to come back", e)
	}
	return c
}

func ask(t testing.TB, s *edgetest.Server, request string) *stream {
	t.Helper()
	conn := edgetest.DialTCP(t, s)
	_, err := conn.Write([]byte(request))
	edgetest.Must(t, err)
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	edgetest.Must(t, err)
	return &stream{t, conn, resp, bufio.NewReader(resp.Body)}
}

// read is the next event, or comment; an error at the end of the stream.
func (c *stream) read() (e event, err error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(edgetest.Patience))
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return e, err
		}
		line = strings.TrimSuffix(line, "\n")
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			return e, nil
		case field == "":
			e.comment = true
		case field == "event":
			e.kind = value
		case field == "id":
			e.id = value
		case field == "retry":
			e.retry = value
		case field == "data" && e.data == "":
			e.data = value
		default:
			c.t.Fatalf("a line that is none of a stream: %q", line)
		}
	}
}

func (c *stream) next() event {
	c.t.Helper()
	e, err := c.read()
	edgetest.Must(c.t, err)
	return e
}

// push wants an event of a type, and returns what it says.
func (c *stream) push(kind string) (push map[string]any, e event) {
	c.t.Helper()
	e = c.next()
	push = decode(c.t, e)
	want := kind
	if kind == "message" {
		want = ""
	}
	if e.kind != want || push["push"] != kind {
		c.t.Fatalf("got %+v, want a %s", e, kind)
	}
	return push, e
}

func decode(t testing.TB, e event) (push map[string]any) {
	t.Helper()
	unmarshal(t, []byte(e.data), &push)
	return push
}

func unmarshal(t testing.TB, p []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(p, to); err != nil {
		t.Fatalf("%q: %v", p, err)
	}
}

// says wants a message with this text, and returns its id.
func (c *stream) says(text string) string {
	c.t.Helper()
	push, e := c.push("message")
	if push["data"] != text {
		c.t.Fatalf("got %v, want %q", push, text)
	}
	return e.id
}

// wantEnd wants the end of the stream.
func (c *stream) wantEnd() {
	c.t.Helper()
	if e, err := c.read(); err == nil {
		c.t.Fatalf("got %+v, want the end", e)
	}
}

// remembering has rooms remember so many messages.
func remembering(n int) func(*edge.Config) {
	return func(c *edge.Config) {
		c.History = broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: n, Age: time.Hour}}}
	}
}

// TestStream: what a room says comes as events, in the words of barrage.v1, and the
// headers keep proxies from holding it back.
func TestStream(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, remembering(10))
	c := open(t, s, "/sse?room=a")
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no",
	} {
		if got := c.resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if c.resp.ContentLength >= 0 || len(c.resp.TransferEncoding) > 0 || !c.resp.Close {
		t.Errorf("length %d, coding %v, to be closed: %v", c.resp.ContentLength, c.resp.TransferEncoding, c.resp.Close)
	}
	joined, e := c.push("joined")
	if joined["room"] != "a" || joined["connections"] != 1.0 || joined["offset"] != 0.0 || e.id != joined["epoch"].(string)+":0" {
		t.Errorf("joined %v, with the id %q", joined, e.id)
	}
	edgetest.PublishTo(t, s, "a", "two\nlines \u2028 and data: x")
	if id := c.says("two\nlines \u2028 and data: x"); id != joined["epoch"].(string)+":1" {
		t.Errorf("id %q", id)
	}
	_, err := s.Publish(t.Context(), &broker.Publication{Room: "a", Format: broker.Binary, Payload: []byte{0, 255}})
	edgetest.Must(t, err)
	if push, _ := c.push("message"); push["base64"] != "AP8=" {
		t.Errorf("bytes came as %v", push)
	}
	_, err = s.Publish(t.Context(), &broker.Publication{Room: "a", Format: broker.Text, Payload: []byte("x"), Forget: true})
	edgetest.Must(t, err)
	if _, e := c.push("message"); e.id != "" {
		t.Errorf("a message in no history has the id %q", e.id)
	}
}

// TestComingBack: who comes back with the id of an event gets what came since, once, or is
// told what is gone.
func TestComingBack(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, remembering(3))
	c := open(t, s, "/sse?room=a")
	_, e := c.push("joined")
	first := e.id
	say := func(texts ...string) {
		for _, text := range texts {
			edgetest.PublishTo(t, s, "a", text)
		}
	}
	say("one")
	one := c.says("one")
	say("two", "three")
	for _, again := range []*stream{
		open(t, s, "/sse?room=a", "Last-Event-ID: "+one+"\r\n"),
		open(t, s, "/sse?room=a&last_event_id="+one),
		open(t, s, "/sse?room=a&since="+one),
		open(t, s, "/sse?room=a&since="+first, "Last-Event-ID: "+one+"\r\n"), // as a browser does that comes back
	} {
		joined, e := again.push("joined")
		if joined["resumed"] != true || joined["offset"] != 3.0 || e.id != "" {
			t.Errorf("joined %v, with the id %q: who is cut off now must come back from before", joined, e.id)
		}
		again.says("two")
		if id := again.says("three"); !strings.HasSuffix(id, ":3") {
			t.Errorf("id %q", id)
		}
	}
	say("four", "five")
	late := open(t, s, "/sse?room=a&since="+one)
	joined, _ := late.push("joined")
	if gap, _ := joined["gap"].(map[string]any); joined["resumed"] != nil || gap["from"] != 2.0 || gap["to"] != 2.0 || gap["reason"] != "trimmed" {
		t.Errorf("joined %v, want the gap of what is trimmed", joined)
	}
	for _, text := range []string{"three", "four", "five"} {
		late.says(text)
	}
	gone := open(t, s, "/sse?room=a&since=gone:7")
	joined, _ = gone.push("joined")
	if gap, _ := joined["gap"].(map[string]any); gap["reason"] != "epoch" || gap["from"] != 8.0 {
		t.Errorf("joined %v, want the gap of an epoch that is over", joined)
	}
	// In another form of its name, the room is the same.
	if joined, _ := open(t, s, "/sse?room=e%CC%81&since=gone:7").push("joined"); joined["room"] != "\u00e9" || joined["gap"] == nil {
		t.Errorf("joined %v, want a gap", joined)
	}
	say("six")
	for _, text := range []string{"three", "four", "five", "six"} {
		gone.says(text)
	}
	late.says("six")
}

// TestSeveralRooms: each has its position, if the request gives it one.
func TestSeveralRooms(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, remembering(10))
	for _, room := range []string{"a", "b"} {
		edgetest.PublishTo(t, s, room, "old of "+room)
	}
	c := open(t, s, "/sse?room=a&room=b", "Last-Event-ID: x:1\r\n")
	ids := map[string]string{}
	for range 2 {
		joined, e := c.push("joined")
		if joined["resumed"] != nil || joined["gap"] != nil {
			t.Errorf("joined %v without a position", joined)
		}
		ids[joined["room"].(string)] = e.id
	}
	edgetest.PublishTo(t, s, "a", "new of a")
	c.says("new of a")
	again := open(t, s, "/sse?room=a&since="+ids["a"]+"&room=b&since=&room=a&since=ignored:1")
	got := map[any]map[string]any{}
	for range 3 {
		e := again.next()
		push := decode(t, e)
		got[[2]any{push["push"], push["room"]}] = push
	}
	if got[[2]any{"joined", "a"}]["resumed"] != true || got[[2]any{"message", "a"}]["data"] != "new of a" || got[[2]any{"joined", "b"}]["resumed"] != nil {
		t.Errorf("got %v", got)
	}
}

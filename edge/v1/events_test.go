// What backends are told and asked.

package v1_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/edge/events"
	"barrage/frame"
	"barrage/internal/bounds"
	"barrage/internal/broker"
)

// recorder is a sink that keeps what it is told.
type recorder struct {
	mu  sync.Mutex // guards got
	got []string   // "type room user"
}

func (r *recorder) Send(_ context.Context, batch []events.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range batch {
		var e struct{ Type, Room, User, Reason string }
		if err := json.Unmarshal(x.JSON, &e); err != nil {
			return err
		}
		r.got = append(r.got, fmt.Sprintf("%s room=%s user=%s reason=%s", e.Type, e.Room, e.User, e.Reason))
	}
	return nil
}

func (r *recorder) Close() {}

// want waits for exactly these, in any order: rooms have lanes of their own.
func (r *recorder) want(t *testing.T, e *events.Emitter, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), edgetest.Patience)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	slices.Sort(r.got)
	slices.Sort(want)
	if !slices.Equal(r.got, want) {
		t.Errorf("told\n%q, want\n%q", r.got, want)
	}
}

func startTelling(t *testing.T, change func(*edge.Config)) (*edgetest.Server, *events.Emitter, *recorder) {
	r := new(recorder)
	e, err := events.New(events.Config{Sink: r, Linger: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s := edgetest.Start(t, func(c *edge.Config) {
		withAuth(t, c)
		c.Events = e
		if change != nil {
			change(c)
		}
	})
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	return s, e, r
}

// TestEventsOfAConnection: everything once, whatever was repeated or refused.
func TestEventsOfAConnection(t *testing.T) {
	t.Parallel()
	s, e, r := startTelling(t, nil)
	silent := joinJSON(t, s, "/ws") // says never who it is: nothing is told of it
	c := joinJSON(t, s, "/ws")
	okOf(t, c.ask(`{"id":1,"cmd":"auth","token":"`+testToken(t, "ann", nil)+`"}`))
	okOf(t, c.ask(`{"id":2,"cmd":"auth","token":"`+testToken(t, "ann", nil)+`"}`))
	okOf(t, c.ask(`{"id":3,"cmd":"join","room":"a"}`))
	okOf(t, c.ask(`{"id":4,"cmd":"join","room":"b","leave":"a"}`))
	if v := c.ask(`{"id":5,"cmd":"join","room":"b"}`); code(v) != "already_joined" {
		t.Errorf("got %v", v)
	}
	for range 2 {
		okOf(t, c.ask(`{"id":6,"cmd":"publish","data":1,"key":"k"}`))
	}
	if v := c.ask(`{"id":7,"cmd":"publish","room":"user:x y","data":1}`); code(v) != "bad_room" {
		t.Errorf("got %v", v)
	}
	raw := join(t, s, "/ws?room=b&token="+testToken(t, "bob", nil))
	raw.Send(frame.Text, "x")
	raw.Want(frame.Text, "x")
	edgetest.PublishTo(t, s, "b", "from a backend")
	raw.Want(frame.Text, "from a backend")
	for _, v := range []*viewer{raw, c, silent} {
		v.Send(frame.Close, "\x03\xe8")
		for m, err := v.Next(); err == nil && m.Op != frame.Close; m, err = v.Next() {
		}
		_ = v.Conn.Close()
	}
	edgetest.WaitFor(t, "all to go", func() bool { return s.Stats().Connections == 0 })
	r.want(t, e,
		"connect room= user=ann reason=",
		"join room=a user=ann reason=", "leave room=a user=ann reason=", "join room=b user=ann reason=",
		"publish room=b user=ann reason=",
		"connect room= user=bob reason=", "join room=b user=bob reason=", "publish room=b user=bob reason=",
		"publish room=b user= reason=",
		"leave room=b user=bob reason=", "disconnect room= user=bob reason=normal",
		"leave room=b user=ann reason=", "disconnect room= user=ann reason=normal",
	)
}

// backend answers requests by their method.
type backend struct {
	mu       sync.Mutex // guards asked
	asked    []string   // ids
	block    chan struct{}
	canceled chan struct{}
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q struct {
		ID, Method, Room, User, Conn string
		Data                         json.RawMessage
	}
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &q)
	b.mu.Lock()
	b.asked = append(b.asked, q.ID)
	b.mu.Unlock()
	switch q.Method {
	case "echo":
		_, _ = fmt.Fprintf(w, `{"data":{"user":%q,"room":%q,"data":%s}}`, q.User, q.Room, q.Data)
	case "seat.free":
		_, _ = io.WriteString(w, `{"data":["A1","A2"]}`)
	case "refuse", "seat.reserve":
		_, _ = io.WriteString(w, `{"error":{"code":"sold_out","message":"Nothing is left."}}`)
	case "break":
		w.WriteHeader(http.StatusInternalServerError)
	case "lie":
		_, _ = io.WriteString(w, `no JSON`)
	case "block":
		select {
		case <-b.block:
			_, _ = io.WriteString(w, `{"data":1}`)
		case <-r.Context().Done():
			b.canceled <- struct{}{}
		}
	}
}

func startBackend(t *testing.T, timeout time.Duration) (*events.Caller, *backend) {
	return startBackendOf(t, "*", timeout)
}

func startBackendOf(t *testing.T, method string, timeout time.Duration) (*events.Caller, *backend) {
	b := &backend{block: make(chan struct{}), canceled: make(chan struct{}, 100)}
	web := httptest.NewServer(b)
	t.Cleanup(web.Close)
	caller, err := events.NewCaller(events.CallerConfig{
		Routes: []events.Route{{Method: method, URL: web.URL}},
		HTTP:   events.HTTP{Secrets: []string{"a secret of the tests"}, Timeout: timeout},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(caller.Close)
	return caller, b
}

func startAsking(t *testing.T, timeout time.Duration) (*edgetest.Server, *backend) {
	caller, b := startBackend(t, timeout)
	return edgetest.Start(t, func(c *edge.Config) { withAuth(t, c); c.Caller = caller }), b
}

func TestBackendRequests(t *testing.T) {
	t.Parallel()
	s, _ := startAsking(t, edgetest.Patience)
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	for _, x := range []struct{ command, code string }{
		{`{"id":1,"cmd":"request","method":"echo","room":"a","data":{"x":[1]}}`, ""},
		{`{"id":2,"cmd":"request","method":"refuse"}`, "sold_out"},
		{`{"id":3,"cmd":"request","method":"break"}`, "backend_error"},
		{`{"id":4,"cmd":"request","method":"lie"}`, "bad_reply"},
		{`{"cmd":"request","method":"echo"}`, "bad_command"},
		{`{"id":5,"cmd":"request","method":"echo","room":"user:bob"}`, "forbidden"},
	} {
		v := c.ask(x.command)
		if code(v) != x.code {
			t.Errorf("%s: %v", x.command, v)
		}
		if x.code == "" {
			text, _ := json.Marshal(okOf(t, v)["data"])
			if string(text) != `{"data":{"x":[1]},"room":"a","user":"ann"}` {
				t.Errorf("answered %s", text)
			}
		}
	}
}

func TestRequestTimeout(t *testing.T) {
	t.Parallel()
	s, b := startAsking(t, 100*time.Millisecond)
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	if v := c.ask(`{"id":1,"cmd":"request","method":"block"}`); code(v) != "timeout" {
		t.Errorf("got %v", v)
	}
	<-b.canceled
}

// TestRequestsUnderWay are bounded for each connection, answered in the order of
// their answers, and cancelled when it goes.
func TestRequestsUnderWay(t *testing.T) {
	t.Parallel()
	s, b := startAsking(t, edgetest.Patience)
	token := testToken(t, "ann", nil)
	stays, goes := joinJSON(t, s, "/ws?token="+token), joinJSON(t, s, "/ws?token="+token)
	for i := range bounds.Requests {
		for _, c := range []*viewer{stays, goes} {
			c.Send(frame.Text, fmt.Sprintf(`{"id":%d,"cmd":"request","method":"block"}`, i+1))
		}
	}
	if v := stays.ask(`{"id":99,"cmd":"request","method":"echo"}`); code(v) != "overloaded" {
		t.Errorf("got %v", v)
	}
	edgetest.WaitFor(t, "all to be asked", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.asked) == 2*bounds.Requests
	})
	_ = goes.Conn.Close()
	for range bounds.Requests {
		<-b.canceled
	}
	close(b.block)
	seen := map[any]bool{}
	for range bounds.Requests {
		v := stays.ask(`{"cmd":"ping"}`)
		seen[v["id"]] = okOf(t, v)["data"] == 1.0
	}
	if len(seen) != bounds.Requests {
		t.Errorf("answered %v", seen)
	}
	okOf(t, stays.ask(`{"id":100,"cmd":"request","method":"echo"}`))
	ids := map[string]bool{}
	for _, id := range b.asked {
		ids[id] = true
	}
	if len(ids) != 2*bounds.Requests+1 {
		t.Errorf("%d ids for %d requests", len(ids), 2*bounds.Requests+1)
	}
}

// TestSlowMethodCostsNoOther: 33 sockets that have as many requests under way as they may,
// of a method whose backend does not answer, are in nobody else's way.
func TestSlowMethodCostsNoOther(t *testing.T) {
	t.Parallel()
	b := &backend{block: make(chan struct{}), canceled: make(chan struct{}, 1000)}
	web := httptest.NewServer(b)
	t.Cleanup(web.Close)
	caller, err := events.NewCaller(events.CallerConfig{
		Routes: []events.Route{{Method: "block", URL: web.URL}, {Method: "seat.*", URL: web.URL}},
		HTTP:   events.HTTP{Secrets: []string{"a secret of the tests"}, Timeout: edgetest.Patience},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(caller.Close)
	s := edgetest.Start(t, func(c *edge.Config) { c.Caller = caller })
	const slow, fast = 33, 50
	for range slow {
		c := joinJSON(t, s, "/ws")
		for i := range bounds.Requests {
			c.Send(frame.Text, fmt.Sprintf(`{"id":%d,"cmd":"request","method":"block"}`, i+1))
		}
	}
	edgetest.WaitFor(t, "all slow ones to be asked or refused", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.asked)+int(caller.Stats().Failed[events.CodeOverloaded]) == slow*bounds.Requests
	})
	var viewers []*viewer
	for range fast {
		c := joinJSON(t, s, "/ws")
		c.Send(frame.Text, `{"id":1,"cmd":"request","method":"seat.free"}`)
		viewers = append(viewers, c)
	}
	for i, c := range viewers {
		if v := c.answer(1); code(v) != "" {
			t.Errorf("viewer %d: %v", i, v)
		}
	}
	refused := joinJSON(t, s, "/ws").ask(`{"id":1,"cmd":"request","method":"block"}`)
	if failure, _ := refused["error"].(map[string]any); code(refused) != "overloaded" || failure["retry_after"] == nil {
		t.Errorf("one more slow one: %v", refused)
	}
	close(b.block)
}

// TestPresenceIsThrottled: in a room that is too large for each to be told of each,
// there are few pushes, and those with counts.
func TestPresenceIsThrottled(t *testing.T) {
	t.Parallel()
	const users = 250
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	c := joinJSON(t, s, "/ws?token="+testToken(t, "watcher", nil))
	okOf(t, c.ask(`{"id":1,"cmd":"join","room":"a","presence":true}`))
	for i := range users {
		join(t, s, "/ws?room=a&token="+testToken(t, fmt.Sprint("user", i), nil))
	}
	edgetest.WantCount(t, s, "a", users+1, users+1)
	pushes := 0
	for {
		v := c.push("presence")
		pushes++
		if v["users"] == float64(users+1) && v["join"] == nil {
			break
		}
	}
	if pushes > 150 { // the first hundred are told one by one
		t.Errorf("%d pushes for %d users", pushes, users)
	}
	ok := okOf(t, c.ask(`{"id":2,"cmd":"presence","room":"a","limit":500}`))
	if list, _ := ok["list"].([]any); len(list) != users+1 || ok["complete"] != true || ok["users"] != float64(users+1) {
		t.Errorf("%d in the list, %v, %v", len(list), ok["complete"], ok["users"])
	}
}

// TestPingCounts: users once, connections each, those of the room only.
func TestPingCounts(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c); c.Anonymous = true })
	token := testToken(t, "ann", nil)
	c := joinJSON(t, s, "/ws?room=a&token="+token)
	c.push("joined")
	join(t, s, "/ws?room=a&token="+token)
	join(t, s, "/ws?room=a")
	join(t, s, "/ws?room=b")
	ok := okOf(t, c.ask(`{"id":1,"cmd":"ping","room":"a"}`))
	if ok["users"] != 1.0 || ok["connections"] != 3.0 || ok["room"] != "a" {
		t.Errorf("got %v", ok)
	}
	ok = okOf(t, c.ask(`{"id":2,"cmd":"ping","room":"nobody"}`))
	if ok["users"] != 0.0 || ok["connections"] != 0.0 {
		t.Errorf("got %v", ok)
	}
	if ok = okOf(t, c.ask(`{"id":3,"cmd":"ping"}`)); len(ok) != 1 || ok["time"] == nil {
		t.Errorf("got %v", ok)
	}
}

// TestDrainOfClients: the last words of rooms, the word that says when to come
// back, and the end, also for who is about to join.
func TestDrainOfClients(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, nil)
	wait, release := b.hold(t, "b", false)
	defer release()
	c := joinJSON(t, s, "/ws?room=a&room=b")
	c.push("joined")
	wait(1)
	edgetest.PublishTo(t, s, "a", "last words")
	ctx, cancel := context.WithTimeout(context.Background(), edgetest.Patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Drain(ctx, time.Millisecond) }() // ends with ctx at the latest
	if v := c.object(); v["data"] != "last words" {
		t.Errorf("got %v", v)
	}
	bye := c.object()
	wait0, _ := bye["wait"].(float64)
	if bye["push"] != "bye" || bye["code"] != 1001.0 || bye["reconnect"] != true || wait0 < 0 || wait0 > 2000 {
		t.Errorf("got %v", bye)
	}
	c.WantClose(frame.CloseGoingAway)
	_ = c.Conn.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	release()
}

// TestCloseUnderLoad: the server ends while everything that answers later is under
// way.
func TestCloseUnderLoad(t *testing.T) {
	t.Parallel()
	var s *edgetest.Server
	t.Run("life", func(t *testing.T) { // the server's ends with it
		var b *backend
		s, b = startAsking(t, edgetest.Patience)
		for i := range 20 {
			c := joinJSON(t, s, "/ws?token="+testToken(t, fmt.Sprint("u", i), nil))
			for _, command := range []string{
				`"join","room":"a","history":10`, `"history","room":"a"`, `"publish","to":"u1","data":1`, `"presence","room":"a"`,
				`"ack","epoch":"x","offset":1`, `"request","method":"block"`, `"auth","token":"` + testToken(t, fmt.Sprint("u", i), nil) + `"`,
			} {
				c.Send(frame.Text, fmt.Sprintf(`{"id":1,"cmd":%s}`, command))
			}
		}
		t.Cleanup(func() { close(b.block) }) // so that the backend can be closed, too
	})
	s.Delivery.Ready("a")
	s.Delivery.Deliver(&broker.Message{Room: "a", Format: broker.Text, Payload: []byte("late")})
	s.Delivery.Lost("a", broker.Gap{Epoch: "x", From: 1, To: 2, Reason: broker.GapTrimmed})
}

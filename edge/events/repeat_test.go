package events

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// A rude backend ends connections without answering. answer says what it writes to a
// request, the n-th of its connection, before it closes that; "" and it only closes.
// An answer that begins with a blank is written without it, and the connection stays.
type rude struct {
	url    string
	answer func(conn, n int) string

	mu     sync.Mutex
	bodies []string
}

const taken = " HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"data\":1}"

func newRude(t *testing.T, answer func(conn, n int) string) *rude {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &rude{url: "http://" + l.Addr().String(), answer: answer}
	var running sync.WaitGroup
	running.Go(func() { // ends with the listener
		for i := 0; ; i++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { b.serve(c, i) }) // ends with the client's end, which newCaller's cleanup sees to
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return b
}

func (b *rude) serve(c net.Conn, i int) {
	defer c.Close()
	in := bufio.NewReader(c)
	for n := 0; ; n++ {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.bodies = append(b.bodies, string(body))
		b.mu.Unlock()
		answer := b.answer(i, n)
		if answer == "" || answer[0] != ' ' {
			io.WriteString(c, answer)
			return
		}
		io.WriteString(c, answer[1:])
	}
}

func (b *rude) got() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.bodies...)
}

// TestRepeat: what gets not a byte of an answer is sent once more, the same, if it
// carries an id.
func TestRepeat(t *testing.T) {
	idle := func(_, n int) string { // closes what was idle, just as the next request comes
		if n == 0 {
			return taken
		}
		return ""
	}
	for _, tt := range []struct {
		name     string
		answer   func(conn, n int) string
		id       string
		calls    int
		code     string // of the last call
		bodies   int
		repeated uint64
	}{
		{"idle", idle, "7", 2, "", 3, 1},
		{"without an id", idle, "", 2, CodeBackend, 2, 0},
		{"never an answer", func(int, int) string { return "" }, "7", 1, CodeBackend, 2, 1},
		{"half an answer", func(int, int) string { return "HTTP/1.1 200 OK\r\nContent-Le" }, "7", 1, CodeBackend, 1, 0},
		{"a byte", func(int, int) string { return "H" }, "7", 1, CodeBackend, 1, 0},
		{"half a body", func(int, int) string { return "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{" }, "7", 1, CodeBackend, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newRude(t, tt.answer)
			c := newCaller(t, CallerConfig{Routes: []Route{{"*", b.url}}})
			var err error
			for range tt.calls {
				_, err = c.Call(t.Context(), Request{Method: "m", ID: tt.id, Data: json.RawMessage("1")})
			}
			if tt.code != "" {
				wantCode(t, err, tt.code)
			} else if err != nil {
				t.Error(err)
			}
			got := b.got()
			for _, body := range got {
				if body != got[0] {
					t.Errorf("%s was sent, then %s", got[0], body)
				}
			}
			if n := c.Stats().Repeated; len(got) != tt.bodies || n != tt.repeated {
				t.Errorf("%d requests, %d repeated, want %d and %d", len(got), n, tt.bodies, tt.repeated)
			}
			checkCalls(t, c)
		})
	}
}

// TestRepeatWebhook: a batch too, whose events have ids, without waiting.
func TestRepeatWebhook(t *testing.T) {
	b := newRude(t, func(_, n int) string {
		if n == 0 {
			return taken
		}
		return ""
	})
	w := newWebhook(t, b.url, patience)
	defer w.Close()
	for range 2 {
		if err := w.Send(t.Context(), []Record{{ID: "1", Type: Publish, JSON: []byte(`{"id":"1"}`)}}); err != nil {
			t.Error(err)
		}
	}
	if n := len(b.got()); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

// TestRepeatNothing: a host that is not there is not asked twice.
func TestRepeatNothing(t *testing.T) {
	c := newCaller(t, CallerConfig{Routes: []Route{{"*", "http://" + closedPort(t)}}})
	_, err := c.Call(t.Context(), Request{Method: "m", ID: "7"})
	wantCode(t, err, CodeBackend)
	if n := c.Stats().Repeated; n != 0 {
		t.Errorf("repeated %d times", n)
	}
}

func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

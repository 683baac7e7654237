package peer

import (
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// inbox is a member that remembers what was delivered to it.
type inbox struct {
	mu  sync.Mutex
	got []string
}

func (b *inbox) add(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, s)
}

func (b *inbox) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

func deliver(members iter.Seq[*inbox], payload []byte) {
	for m := range members {
		m.add(string(payload))
	}
}

// eventually polls until ok, or fails.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestHub(t *testing.T) {
	for _, workers := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			hub := NewHub(workers, deliver)
			var red, blue []*inbox
			var leave func()
			for range 10 {
				r, b := &inbox{}, &inbox{}
				red, blue = append(red, r), append(blue, b)
				leave = hub.Join("red", r)
				hub.Join("blue", b)
			}
			var want []string
			for i := range 100 {
				want = append(want, fmt.Sprint("red ", i))
				hub.Publish("red", []byte(want[i]))
			}
			leave() // the last of the red
			hub.Publish("red", []byte("end"))
			for i, m := range red {
				expected := append(slices.Clone(want), "end")
				if i == 9 {
					expected = want
				}
				eventually(t, "all messages in order", func() bool { return slices.Equal(m.all(), expected) })
			}
			for _, m := range blue {
				if got := m.all(); got != nil {
					t.Errorf("a member of blue got %q", got)
				}
			}
		})
	}
}

func TestQueue(t *testing.T) {
	q := NewQueue[int](2)
	for i, want := range []bool{true, true, false} {
		if got := q.Push(i); got != want {
			t.Errorf("push %d: got %v, want %v", i, got, want)
		}
	}
	<-q.Wake()
	if got, open := q.Take(); !slices.Equal(got, []int{0, 1}) || !open {
		t.Errorf("take: got %v, %v", got, open)
	}
	q.Close()
	<-q.Wake()
	if _, open := q.Take(); open {
		t.Error("take of a closed queue says that it is open")
	}
	if q.Push(3) {
		t.Error("a closed queue took something")
	}
}

func TestHandler(t *testing.T) {
	var joined, published string
	h := Handler(
		func(_ http.ResponseWriter, _ *http.Request, room string) { joined = room },
		func(room string, payload []byte) { published = room + ": " + string(payload) })
	for _, test := range []struct {
		name, method, target string
		want                 int
	}{
		{"join", "GET", "/ws?room=r1", 200},
		{"join nothing", "GET", "/ws", 400},
		{"publish", "POST", "/pub?room=r1", 200},
		{"publish to nothing", "POST", "/pub", 400},
		{"publish by GET", "GET", "/pub?room=r1", 405},
		{"elsewhere", "GET", "/", 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(test.method, test.target, strings.NewReader("hello")))
			if w.Code != test.want {
				t.Errorf("got %d, want %d", w.Code, test.want)
			}
		})
	}
	if joined != "r1" || published != "r1: hello" {
		t.Errorf("joined %q, published %q", joined, published)
	}
}

func TestHandlerBoundsPayload(t *testing.T) {
	h := Handler(nil, func(string, []byte) { t.Error("published") })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/pub?room=r", strings.NewReader(strings.Repeat("x", maxPayload+1))))
	if w.Code != 400 {
		t.Errorf("got %d, want 400", w.Code)
	}
}

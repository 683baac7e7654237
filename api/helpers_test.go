package api

// This file holds what the tests share: a server in memory and an API on it.

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type codedError struct {
	status int
	code   string
	text   string
}

func (e *codedError) Error() string   { return e.text }
func (e *codedError) HTTPStatus() int { return e.status }
func (e *codedError) Code() string    { return e.code }

type sent struct {
	room    string
	binary  bool
	payload string
}

// memServer is a Server over a map of rooms.
type memServer struct {
	rooms   map[string]int // members; fixed by the test
	reasons []string
	local   bool
	onSend  func(ctx context.Context) error // nil: nothing

	mu   sync.Mutex // guards sent
	sent []sent
}

func (s *memServer) CheckRoom(name string) error {
	if name == "" || len(name) > 64 || strings.ContainsAny(name, "*/\r\n\x00") {
		return errors.New("room: must be 1 to 64 characters of the allowed ones")
	}
	return nil
}

func (s *memServer) Publish(ctx context.Context, room string, binary bool, payload []byte) (string, uint64, int, bool, error) {
	if s.onSend != nil {
		if err := s.onSend(ctx); err != nil {
			return "", 0, 0, false, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, sent{strings.Clone(room), binary, string(payload)})
	return "id-1", uint64(len(s.sent)), s.rooms[room], s.local, nil
}

func (s *memServer) Room(name string) (int, float64, bool) {
	n, ok := s.rooms[name]
	return n, 1.23456, ok
}

func (s *memServer) EachRoom(f func(string, int, float64) bool) {
	for name, n := range s.rooms {
		if !f(name, n, 0.5) {
			return
		}
	}
}

func (s *memServer) Ready() []string { return s.reasons }

func (s *memServer) messages() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

func newAPI(t testing.TB, cfg Config, s Server) *API {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Gatherer == nil {
		reg := prometheus.NewPedanticRegistry()
		cfg.Gatherer, cfg.Registerer = reg, reg
	}
	a, err := New(cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// request is one call of the API without a socket.
func request(a http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, in)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

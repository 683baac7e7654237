// What the tests share: a server in memory and an API on it.

package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// coded is an error that chooses its answer. Codes that begin with srv_ are made up:
// the contract does not know them.
func coded(status int, code, text string, after time.Duration) error {
	if after == 0 {
		return refusal.New(status, code, text)
	}
	return refusal.Retry(status, code, text, after)
}

// memServer is a Server over a map of rooms. It notes what it was asked to do.
type memServer struct {
	// Fixed by the test.
	rooms             map[string]int // members
	online            []string       // users
	reasons, concerns []string
	local             bool
	epoch             string // of all histories; "" is none
	detail            Room   // what Room tells beside the members
	page              func(q broker.Query) broker.Page
	onSend            func(ctx context.Context) error // nil: nothing
	err               error                           // of all methods but Publish

	mu       sync.Mutex // guards what follows
	sent     []broker.Publication
	receipts map[string]broker.Receipt // by room, user and key
	settings map[string]broker.RoomSettings
	calls    []string // of methods that change something or look beyond this node
}

func (s *memServer) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	if s.onSend != nil {
		if err := s.onSend(ctx); err != nil {
			return broker.Receipt{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := strings.Join([]string{p.Room, p.Sender.User, p.Key}, "\x00")
	if old, ok := s.receipts[id]; ok && p.Key != "" {
		old.Replayed = true
		return old, nil
	}
	kept := *p
	kept.Payload = slices.Clone(p.Payload)
	s.sent = append(s.sent, kept)
	receipt := broker.Receipt{
		ID: "id-1", Members: s.rooms[p.Room], LocalOnly: s.local,
		Position: broker.Position{Epoch: s.epoch, Offset: uint64(len(s.sent))},
	}
	if s.receipts == nil {
		s.receipts = make(map[string]broker.Receipt)
	}
	s.receipts[id] = receipt
	return receipt, nil
}

func (s *memServer) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

func (s *memServer) noted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *memServer) History(_ context.Context, room string, q broker.Query) (broker.Page, error) {
	if q.After != nil {
		s.note("history %s after %s/%d limit %d", room, q.After.Epoch, q.After.Offset, q.Limit)
	} else {
		s.note("history %s limit %d", room, q.Limit)
	}
	if s.page == nil || s.err != nil {
		return broker.Page{}, s.err
	}
	return s.page(q), nil
}

func (s *memServer) Clear(_ context.Context, room string) error {
	s.note("clear %s", room)
	return s.err
}

func (s *memServer) Room(_ context.Context, name string) (Room, bool, error) {
	n, ok := s.rooms[name]
	room := s.detail
	room.Members, room.Rate = n, 1.23456
	return room, ok, s.err
}

func (s *memServer) EachRoom(f func(string, int, float64) bool) {
	for name, n := range s.rooms {
		if !f(name, n, 0.5) {
			return
		}
	}
}

func (s *memServer) RoomCosts(context.Context) (map[string]RoomCost, error) {
	return map[string]RoomCost{"big": {Bytes: 5}, "small": {Bytes: 7, Skipped: 1}}, s.err
}

func (s *memServer) MatchRooms(_ context.Context, pattern string, limit int) ([]string, error) {
	s.note("match %s limit %d", pattern, limit)
	var names []string
	for name := range s.rooms {
		if before, after, star := strings.Cut(pattern, "*"); name == pattern || star && strings.HasPrefix(name, before) && strings.HasSuffix(name, after) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), limit)], s.err
}

func (s *memServer) Presence(_ context.Context, room string, limit int) (Presence, error) {
	s.note("presence %s limit %d", room, limit)
	if s.rooms[room] == 0 {
		return Presence{}, s.err
	}
	return Presence{
		Users: []Member{{User: broker.User{ID: "7", Name: "Ann", Avatar: "https://x.example/a.png"}, Status: "away", Data: json.RawMessage(`{"until":9}`)}, {User: broker.User{ID: "8"}}},
		Total: 5, Connections: 9,
	}, s.err
}

func (s *memServer) Settings(_ context.Context, room string) (broker.RoomSettings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings[room], s.err
}

func (s *memServer) SetSettings(_ context.Context, room string, v broker.RoomSettings) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settings == nil {
		s.settings = make(map[string]broker.RoomSettings)
	}
	s.settings[room] = v
	return s.err
}

func (s *memServer) AllSettings(context.Context) (map[string]broker.RoomSettings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.settings), s.err
}

func (s *memServer) Bans(context.Context) ([]broker.Ban, error) {
	return []broker.Ban{
		{User: "7", Reason: "spam", Until: time.UnixMilli(1700000000000)},
		{User: "7", Room: "lobby", Until: time.UnixMilli(1700000000001)},
		{User: "8", Room: "lobby", Until: time.UnixMilli(1700000000002)},
		{Address: "203.0.113.0/24", Until: time.UnixMilli(1700000000003)},
	}, s.err
}

func (s *memServer) Lift(_ context.Context, user, room string) error {
	s.note("lift %s from %q", user, room)
	return s.err
}

func (s *memServer) BanAddress(_ context.Context, address, reason string, keep time.Duration) (broker.Ban, error) {
	s.note("ban %s %q for %v", address, reason, keep)
	return broker.Ban{Address: address + "/32", Reason: reason, Until: time.UnixMilli(1700000000003)}, s.err
}

func (s *memServer) LiftAddress(_ context.Context, address string) error {
	s.note("lift %s", address)
	return s.err
}

func (s *memServer) Keys(context.Context) ([]Key, error) {
	return []Key{
		{Name: "shop", Rooms: []string{"a"}, Origins: []string{"https://a.example"}, Publish: true, Get: true, Rate: 2, Expires: time.UnixMilli(1700000000000)},
		{Name: "gone", Revoked: true},
	}, s.err
}

func (s *memServer) RevokeKey(_ context.Context, name, reason string) error {
	s.note("revoke %s %q", name, reason)
	return s.err
}

func (s *memServer) RestoreKey(_ context.Context, name string) error {
	s.note("restore %s", name)
	return s.err
}

func (s *memServer) Trace(_ context.Context, t Trace, write func([]byte) error) error {
	s.note("trace %+v", t)
	if s.err != nil {
		return s.err
	}
	if err := write([]byte(`{"time":1,"node":"a","event":"begin"}` + "\n")); err != nil {
		return err
	}
	return write([]byte(`{"time":2,"node":"a","event":"end","reason":"time"}` + "\n"))
}

func (s *memServer) Request(_ context.Context, r Request) (Answer, error) {
	s.note("request %s room=%s user=%s timeout=%v redeliver=%v data=%s", r.Method, r.Room, r.User, r.Timeout, r.Redeliver, r.Data)
	if r.Method == "refuse" {
		return Answer{Code: "sold_out", Message: "Nothing is left."}, s.err
	}
	if r.Data == nil {
		r.Data = []byte("null")
	}
	return Answer{Data: r.Data}, s.err
}

func (s *memServer) Workers(_ context.Context, limit int) (Workers, error) {
	s.note("workers %d", limit)
	return Workers{
		Here:      []Worker{{Conn: "c1", User: "7", Address: "192.0.2.1:5", Methods: []string{"thumb.*"}, Busy: 1, Limit: 4}, {Conn: "c2", Limit: 16}},
		Total:     12,
		Elsewhere: []Offer{{Node: "n2", Method: "thumb.*", Busy: 3, Limit: 16}},
	}, s.err
}

func (s *memServer) CloseRoom(_ context.Context, room, reason string) (int, error) {
	s.note("close %s %q", room, reason)
	return s.rooms[room], s.err
}

func (s *memServer) Online(_ context.Context, user string) (bool, error) {
	return slices.Contains(s.online, user), s.err
}

func (s *memServer) User(_ context.Context, user string) (User, error) {
	if !slices.Contains(s.online, user) {
		return User{}, s.err
	}
	return User{Connections: 2, Rooms: []string{"lobby"}}, s.err
}

func (s *memServer) Connections(_ context.Context, user, room string, limit int) ([]broker.Connection, int, error) {
	s.note("connections {User:%s Room:%s Limit:%d}", user, room, limit)
	if s.err != nil {
		return nil, 0, s.err
	}
	return []broker.Connection{
		{ID: "c1", User: "7", Name: "Ann", Address: "192.0.2.1:5", Protocol: "barrage.v1", Since: 1700000000000, Rooms: []string{"lobby"}},
		{ID: "c2", Protocol: "raw", Since: 1700000000001},
	}, 12, nil
}

func (s *memServer) Remove(_ context.Context, r Removal) (int, error) {
	s.note("remove %+v", r)
	return 3, s.err
}

func (s *memServer) NotReady() []string { return s.reasons }
func (s *memServer) Concerns() []string { return s.concerns }

func (s *memServer) messages() []broker.Publication {
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

// request is one call of the API without a socket. What was asked and answered is
// held against openapi.yaml.
func request(t testing.TB, a *API, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := rawRequest(a, method, target, body, header...)
	checkContract(t, a, newRequest(method, target, body, header...), w)
	return w
}

// rawRequest is request for what the description forbids and the API answers
// all the same.
func rawRequest(a *API, method, target, body string, header ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	a.ServeHTTP(w, newRequest(method, target, body, header...))
	return w
}

func newRequest(method, target, body string, header ...string) *http.Request {
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, in)
	r.Host = "127.0.0.1:8081"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// spread wants a time to wait, of the header or after text in the body, that is at least so
// many seconds, and at most so many more, but two.
func spread(t *testing.T, w *httptest.ResponseRecorder, text string, least int) {
	t.Helper()
	got := w.Header().Get("Retry-After")
	if text != "" {
		_, got, _ = strings.Cut(w.Body.String(), text)
		got = got[:strings.IndexByte(got, '}')]
	}
	if n, err := strconv.Atoi(got); err != nil || n < least || n > least+max(least, 2) {
		t.Errorf("to wait %q seconds, want %d and some", got, least)
	}
}

// answered checks an answer: its status, and its body exactly or, if it is an
// error, its code.
func answered(t *testing.T, w *httptest.ResponseRecorder, status int, want string) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %.500s", w.Code, status, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	if w.Code != 200 {
		wantError(t, w.Body.Bytes(), want)
		return
	}
	if got := strings.TrimSuffix(w.Body.String(), "\n"); got != want {
		t.Errorf("body\n%s, want\n%s", got, want)
	}
}

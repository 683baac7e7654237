// Hostile room names, in every place that takes one.

package v1_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/edge/events"
	"barrage/edge/moderation"
	v1 "barrage/edge/v1"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
	"barrage/internal/refusal"
)

// watchedBroker notes the rooms it is asked for.
type watchedBroker struct {
	broker.Broker

	mu    sync.Mutex // guards rooms
	rooms map[string]bool
}

func (b *watchedBroker) note(room string) {
	b.mu.Lock()
	b.rooms[room] = true
	b.mu.Unlock()
}

func (b *watchedBroker) Want(room string) bool {
	b.note(room)
	return b.Broker.Want(room)
}

func (b *watchedBroker) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	b.note(p.Room)
	return b.Broker.Publish(ctx, p)
}

func (b *watchedBroker) TryPublish(p *broker.Publication, done func(broker.Receipt, error)) bool {
	b.note(p.Room)
	return b.Broker.TryPublish(p, done)
}

func (b *watchedBroker) History(ctx context.Context, room string, q broker.Query) (broker.Page, error) {
	b.note(room)
	return b.Broker.History(ctx, room, q)
}

func (b *watchedBroker) Unread(ctx context.Context, room string) (bool, error) {
	b.note(room)
	return b.Broker.Unread(ctx, room)
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestHostileRoomNames: one rule refuses them in every command, in URLs, for backends
// and for operators; neither broker nor log sees them.
func TestHostileRoomNames(t *testing.T) {
	t.Parallel()
	names := map[string]string{
		"10 KB": strings.Repeat("zzzzzzzzzz", 1000), "one byte too long": strings.Repeat("z", broker.MaxRoomName+1),
		"star": "*", "pattern": "zzz*",
		"line's end": "zzz\r\nSET x y", "NUL": "\x00zzz", "NUL inside": "zzz\x00", "dots": "..", "zero width": "zzz\u200b", "joiner": "\u200dzzz", "two joiners": "zzz\u200d\u200dz",
		"right to left": "zzz\u202e", "combining first": "\u0301zzz", "not UTF-8": "zzz\xff", "space": "zzz zzz", "no-break space": "zzz\u00a0zzz", "operators' room": moderation.ControlRoom, "presence room": "\x00presence:zzz",
		"a user's without the user": "user:zzz zzz",
	}
	var log lockedBuffer
	b := &watchedBroker{rooms: make(map[string]bool)}
	caller, err := events.NewCaller(events.CallerConfig{HTTP: events.HTTP{Secrets: []string{"0123456789abcdef"}}})
	if err != nil {
		t.Fatal(err)
	}
	s := edgetest.Start(t, func(c *edge.Config) {
		c.Logger, c.Caller = slog.New(slog.NewTextHandler(&log, nil)), caller
	}, func(s *edgetest.Server) {
		b.Broker = edgetest.NewMemory(t, s, memory.Config{Rules: s.Config.History})
		s.SetBroker(b)
	})
	for name, room := range names {
		t.Run(name, func(t *testing.T) {
			byCommand(t, joinJSON(t, s, "/ws?room=a"), room)
			byURL(t, s, room)
			byOperator(t, s, room)
		})
	}
	c := joinJSON(t, s, "/ws")
	for _, cmd := range []string{"join", "history", "presence"} {
		if v := c.ask(`{"id":1,"cmd":"` + cmd + `","room":""}`); code(v) != "bad_room" {
			t.Errorf("%s of no room: %v", cmd, v)
		}
	}
	if _, resp := shake(t, s, edgetest.UpgradeRequest("/ws?room=")); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("an empty room: status %d", resp.StatusCode)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for room := range b.rooms {
		if own := room != "" && room[0] == '@' && !strings.Contains(room, "zzz"); room != "a" && !own {
			t.Errorf("the broker was asked for room %.100q", room)
		}
	}
	if text := log.String(); strings.Contains(text, "zzz") {
		t.Errorf("in the log: %.500s", text)
	}
}

// byCommand names the room in each command.
func byCommand(t *testing.T, c *viewer, room string) {
	t.Helper()
	c.push("joined")
	name, err := json.Marshal(room)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ command, code string }{
		{`"cmd":"join","room":%s`, "bad_room"},
		{`"cmd":"join","room":%s,"presence":true,"history":10`, "bad_room"},
		{`"cmd":"join","room":%s,"since":{"epoch":"x","offset":1}`, "bad_room"},
		{`"cmd":"join","room":"b","leave":%s`, "not_joined"},
		{`"cmd":"leave","room":%s`, "not_joined"},
		{`"cmd":"publish","room":%s,"data":1`, "bad_room"},
		{`"cmd":"publish","to":%s,"data":1`, "bad_user"},
		{`"cmd":"history","room":%s`, "bad_room"},
		{`"cmd":"presence","room":%s`, "bad_room"},
		{`"cmd":"ping","room":%s`, "bad_room"},
		{`"cmd":"request","method":"x","room":%s`, "bad_room"},
	} {
		if _, err := broker.UserID(room); x.code == "bad_user" && err == nil {
			continue // ids of users may have more
		}
		if v := c.ask(`{"id":1,` + fmt.Sprintf(x.command, name) + `}`); code(v) != x.code {
			t.Errorf("%s: %.200v, want %s", x.command, v, x.code)
		}
	}
	okOf(t, c.ask(`{"id":2,"cmd":"ping","room":"a"}`))
}

// byURL names it in requests. One of 10 KB is more than a request line may have.
func byURL(t *testing.T, s *edgetest.Server, room string) {
	t.Helper()
	query := url.QueryEscape(room)
	want := http.StatusBadRequest
	if len(query) > 8<<10 {
		want = http.StatusRequestURITooLong
	}
	v1 := "Sec-WebSocket-Protocol: " + v1.Subprotocol + "\r\n"
	for _, request := range []string{
		edgetest.UpgradeRequest("/ws?room=" + query), edgetest.UpgradeRequest("/ws?room=a&room=" + query), edgetest.UpgradeRequest("/ws?room="+query, v1),
		"GET /count?room=" + query + " HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		if _, resp := shake(t, s, request); resp.StatusCode != want {
			t.Errorf("%.60q: status %d, want %d", request, resp.StatusCode, want)
		}
	}
}

// byOperator names it to the server itself, as the admin API does.
func byOperator(t *testing.T, s *edgetest.Server, room string) {
	t.Helper()
	ctx := context.Background()
	_, published := s.Publish(ctx, &broker.Publication{Room: room, Format: broker.Text, Payload: []byte("x")})
	for what, err := range map[string]error{
		"publish": published, "kick": s.Moderation.Kick(ctx, room, "ann", "", 0),
		"close": s.Moderation.CloseRoom(ctx, room, ""), "settings": s.Moderation.SetRoomSettings(ctx, room, broker.RoomSettings{Muted: true}),
	} {
		if refused, ok := err.(*refusal.Error); !ok || refused.Code() != "bad_room" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

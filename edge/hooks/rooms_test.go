package hooks

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// TestJoin: the longest pattern that fits is asked, of each room; one refusal is enough,
// and a room that none fits costs no question.
func TestJoin(t *testing.T) {
	t.Parallel()
	yes, no := newBackend(t, says("{}")), newBackend(t, says(`{"error":{"code":"members_only","message":"Members only."}}`))
	h, _ := newHooks(t, Config{Join: Rules{URLs: map[string]string{"live:*": yes.URL, "live:vip:*": no.URL}}})
	if h.AsksToJoin("lobby") || !h.AsksToJoin("live:1") || h.AsksToPublish("live:1") {
		t.Error("the wrong rooms are asked about")
	}
	who := Who{User: "ann", Address: from(1).Address}
	if err := h.joins(t, who, "lobby"); err != nil || yes.asked.Load() != 0 {
		t.Errorf("a room that nobody is asked about: %v", err)
	}
	if err := h.joins(t, who, "lobby", "live:1", "live:2"); err != nil || yes.asked.Load() != 2 {
		t.Errorf("two rooms: %v, asked %d times", err, yes.asked.Load())
	}
	err := h.joins(t, who, "live:3", "live:vip:1")
	if got := refusal.Of(err); got == nil || got.Code() != "members_only" || got.Error() != "Members only." {
		t.Errorf("got %v", err)
	}
	want := map[string]any{"id": no.last()["id"], "hook": "join", "room": "live:vip:1", "user": "ann"}
	if got := no.last(); !reflect.DeepEqual(got, want) {
		t.Errorf("asked %v, want %v", got, want)
	}
	if got := h.results(KindJoin); !reflect.DeepEqual(got, map[string]uint64{"allowed": 3, "refused": 1}) {
		t.Errorf("counted %v", got)
	}
}

// TestPublish: what a backend makes of a message.
func TestPublish(t *testing.T) {
	t.Parallel()
	b := newBackend(t, nil)
	h, log := newHooks(t, Config{Publish: Rules{URLs: map[string]string{"live:*": b.URL}}, MaxPublish: 100})
	text := broker.Publication{Room: "live:1", Format: broker.Text, Payload: []byte("hello"), Kind: "chat", Sender: broker.Sender{User: "ann", Name: "Ann", Conn: "c1"}}
	for _, tt := range []struct {
		answer string
		want   *Change
		code   string
	}{
		{"", nil, ""},
		{`{}`, nil, ""},
		{`{"data":null}`, nil, ""},
		{`{"data":"h****"}`, &Change{broker.Text, []byte("h****")}, ""},
		{`{"data":"","later":1}`, &Change{broker.Text, []byte("")}, ""},
		{`{"data":{ "a": 1 }}`, &Change{broker.JSON, []byte(`{"a":1}`)}, ""},
		{`{"format":"json","data":"x"}`, &Change{broker.JSON, []byte(`"x"`)}, ""},
		{`{"format":"binary","data":"AAE="}`, &Change{broker.Binary, []byte{0, 1}}, ""},
		{`{"format":"binary","data":"?"}`, nil, "bad_reply"},
		{`{"format":"text","data":7}`, nil, "bad_reply"},
		{`{"format":"xml","data":7}`, nil, "bad_reply"},
		{`{"data":"` + strings.Repeat("x", 101) + `"}`, nil, "bad_reply"},
		{`{"data":` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + `}`, nil, "bad_reply"},
		{`{"error":{"code":"profanity","message":"Mind your words."}}`, nil, "profanity"},
	} {
		b.set(says(tt.answer))
		ch := make(chan answered[*Change], 1)
		m := text
		h.Publish(Who{User: "ann"}, &m, to(ch))
		got, err := wait(t, ch)
		if no := refusal.Of(err); (no == nil) != (tt.code == "") || no != nil && no.Code() != tt.code || tt.code == "" && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, %v; %s", tt.answer, got, err, log)
		}
	}
	want := map[string]any{"id": b.last()["id"], "hook": "publish", "room": "live:1", "user": "ann", "name": "Ann", "conn": "c1", "kind": "chat", "format": "text", "data": "hello"}
	if got := b.last(); !reflect.DeepEqual(got, want) {
		t.Errorf("asked %v, want %v", got, want)
	}
	for format, data := range map[broker.Format]any{broker.JSON: map[string]any{"a": 1.0}, broker.Binary: "eyJhIjoxfQ=="} {
		m := broker.Publication{Room: "live:1", Format: format, Payload: []byte(`{"a":1}`)}
		ch := make(chan answered[*Change], 1)
		b.set(says("{}"))
		h.Publish(Who{}, &m, to(ch))
		_, err := wait(t, ch)
		got := b.last()
		formatName, _ := dataOf(&m)
		// By POST /publish, from nobody: there is no connection, and nothing else that is empty.
		if want := map[string]any{"id": got["id"], "hook": "publish", "room": "live:1", "format": formatName, "data": data}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("asked %v, want %v; %v", got, want, err)
		}
	}
}

// TestRoutes: what patterns say of a room is remembered, and of many rooms rightly.
func TestRoutes(t *testing.T) {
	t.Parallel()
	h, _ := newHooks(t, Config{Join: Rules{URLs: map[string]string{"*7": "http://127.0.0.1:1", "room:1*7": "http://127.0.0.1:2"}}})
	for range 2 {
		for n := range 5 * knownRooms {
			room := fmt.Sprint("room:", n)
			want, got := "", ""
			switch {
			case n%10 == 7 && strings.HasPrefix(room, "room:1"):
				want = "room:1*7"
			case n%10 == 7:
				want = "*7"
			}
			if u := h.join.of(room); u != nil {
				got = u.pattern
			}
			if got != want {
				t.Fatalf("%s: got %q, want %q", room, got, want)
			}
		}
	}
}

// BenchmarkNoHook is what the hooks cost a message of a room that none fits.
func BenchmarkNoHook(b *testing.B) {
	asks := func(h *Hooks) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if h.AsksToPublish("live:4711") {
					b.Fatal("it fits")
				}
			}
		}
	}
	h, _ := newHooks(b, Config{Publish: Rules{URLs: map[string]string{"moderated:*": "http://127.0.0.1:1", "*:vip": "http://127.0.0.1:1", "user:*": "http://127.0.0.1:1"}}})
	many := map[string]string{}
	for n := range 20 {
		many[fmt.Sprintf("moderated:%d:*", n)] = "http://127.0.0.1:1"
	}
	twenty, _ := newHooks(b, Config{Publish: Rules{URLs: many}})
	b.Run("none set", asks(nil))
	b.Run("twenty patterns", asks(twenty))
	b.Run("three patterns", asks(h))
}

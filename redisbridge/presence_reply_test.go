package redisbridge

// What presence reads back from Redis, where anybody may have written.

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"barrage/edge/presence"
)

func TestParseFigure(t *testing.T) {
	list := func(s ...any) []any { return append([]any{}, s...) }
	tests := []struct {
		name  string
		reply any
		want  string // "error", "resync" or "figure"
	}{
		{"refused", list(int64(1)), "resync"},
		{"figure", list(int64(0), int64(3), int64(5), list("a"), list("b", `{"n":"B"}`), int64(2)), "figure"},
		{"nothing", nil, "error"},
		{"a number", int64(1), "error"},
		{"empty", list(), "error"},
		{"too short", list(int64(0), int64(3)), "error"},
		{"not a number", list(int64(0), "3", int64(5), list(), list(), int64(0)), "error"},
		{"not a list", list(int64(0), int64(3), int64(5), "a", list(), int64(0)), "error"},
		{"not a list of strings", list(int64(0), int64(3), int64(5), list(int64(1)), list(), int64(0)), "error"},
		{"half a pair", list(int64(0), int64(3), int64(5), list(), list("b"), int64(0)), "error"},
		{"another status", list(int64(3), int64(3), int64(5), list(), list(), int64(0)), "error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := parseFigure(redis.NewCmdResult(tt.reply, nil))
			got := "figure"
			switch {
			case err != nil:
				got = "error"
			case f.Resync:
				got = "resync"
			case f.Users != 3 || !f.Kept || !f.Began || f.Connections != 5 || f.Elsewhere[0] != "a" || *f.Departed[0] != (presence.User{ID: "b", Name: "B"}):
				got = "wrong figure"
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestParseList(t *testing.T) {
	names := []any{"", "7", "a", `{"t":5,"n":"A"}`, "b", `{"t":9}`, "", "8", "a", `{"t":3}`, "c", "junk"}
	l, err := parseList(redis.NewCmdResult([]any{int64(3), int64(4), int64(1), names}, nil))
	if err != nil || len(l.Users) != 3 || l.Total != 3 || l.Connections != 4 || !l.Complete {
		t.Fatalf("got %+v, %v", l, err)
	}
	for i, want := range []presence.User{{ID: "b"}, {ID: "a", Name: "A"}, {ID: "c"}} {
		if *l.Users[i].User != want {
			t.Errorf("user %d is %+v, want %+v", i, *l.Users[i].User, want)
		}
	}
	if l.Users[1].Joined != 3 {
		t.Errorf("a joined at %d, want the first time", l.Users[1].Joined)
	}
	for _, reply := range []any{nil, []any{}, []any{int64(1), int64(1), int64(1), []any{"a"}}, []any{"1", int64(1), int64(1), []any{}}} {
		if _, err := parseList(redis.NewCmdResult(reply, nil)); err == nil {
			t.Errorf("no error for %v", reply)
		}
	}
}

// FuzzDecodeEntry: no text breaks it, and what was encoded comes back.
func FuzzDecodeEntry(f *testing.F) {
	for _, text := range []string{"", "{}", `{"t":1700000000000,"n":"小明","a":"/a.png"}`, `{"t":"x"}`, `{"t":1e99}`, `[1]`, "null", `{"n":"\ud800"}`, "{\"n\":\"\xff\"}"} {
		f.Add("id", text)
	}
	f.Fuzz(func(t *testing.T, id, text string) {
		e := decodeEntry(id, text)
		if e.User.ID != id {
			t.Fatalf("ID %q, want %q", e.User.ID, id)
		}
		again := decodeEntry(id, string(encodeEntry(e)))
		if again.Joined != e.Joined || again.User.Name != strings.ToValidUTF8(e.User.Name, "\ufffd") ||
			again.User.Avatar != strings.ToValidUTF8(e.User.Avatar, "\ufffd") {
			t.Fatalf("%+v %d became %+v %d", *e.User, e.Joined, *again.User, again.Joined)
		}
	})
}

package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever the path, a room that is found is exactly one unescaped segment.
func FuzzMatch(f *testing.F) {
	for _, seed := range []string{
		"/v1/rooms", "/v1/rooms/", "/v1/rooms/a", "/v1/rooms/a/messages", "/v1/rooms//messages", "/v1/rooms/messages",
		"/v1/rooms/messages/messages", "/v1/rooms/a%2Fb/messages", "/v1/rooms/%", "/v1/rooms/a/b/messages", "/debug/pprof/heap",
		"/healthz", "*", "", "/v1/rooms/../healthz", "/v1/rooms/%2e%2e/messages", "/v1/rooms/a%2Fmessages",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r, room := match(u.Path, u.RawPath)
		if r < 0 || r >= numRoutes {
			t.Fatalf("route %d", r)
		}
		if r != routeRoom && r != routePublish {
			if room != "" {
				t.Fatalf("room %q on route %s", room, routes[r].label)
			}
			return
		}
		want := roomsPrefix + room
		if r == routePublish {
			want += messagesSuffix
		}
		if u.Path != want {
			t.Fatalf("%q gives room %q on route %s", u.Path, room, routes[r].label)
		}
		if u.RawPath == "" && strings.Contains(room, "/") {
			t.Fatalf("room %q holds an unescaped slash", room)
		}
	})
}

func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "id-1", "弹幕", "a\"b\\c\n", "\x00\xff", "</script>", "\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendString(nil, s)
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%v in %s", err, b)
		}
		if utf8.ValidString(s) && got != s {
			t.Fatalf("%q became %q", s, got)
		}
	})
}

// No header but the one with the token opens the door.
func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"", "Bearer", "Bearer ", "Bearer s3cret", "bearer  s3cret", "Basic s3cret", "Bearer s3cre", "Bearer s3cret "} {
		f.Add(seed)
	}
	b := newBearer("s3cret")
	f.Fuzz(func(t *testing.T, value string) {
		if b.allows(http.Header{"Authorization": {value}}) {
			scheme, token, _ := strings.Cut(value, " ")
			if !strings.EqualFold(scheme, "bearer") || strings.TrimLeft(token, " ") != "s3cret" {
				t.Fatalf("%q was let in", value)
			}
		}
	})
}

// Paths, parameters and bodies of any bytes.

package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"barrage/internal/bounds"
	"barrage/internal/broker"
)

// Whatever the path, it is an endpoint's, its variable is exactly one unescaped
// segment, and the methods allowed are those that match.
func FuzzMatch(f *testing.F) {
	for _, seed := range []string{
		"/v1/rooms", "/v1/rooms/", "/v1/rooms/a", "/v1/rooms/a/messages", "/v1/rooms//messages", "/v1/rooms/messages",
		"/v1/rooms/messages/messages", "/v1/rooms/a%2Fb/messages", "/v1/rooms/%", "/v1/rooms/a/b/messages", "/debug/pprof/heap",
		"/healthz", "*", "", "/v1/rooms/../healthz", "/v1/rooms/%2e%2e/messages", "/v1/rooms/a%2Fmessages", "/debug/pprof",
		"/v1/users/a/disconnect", "/v1/connections/a%00/disconnect", "/v1/broadcast",
	} {
		f.Add("POST", seed)
		f.Add("GET", seed)
	}
	routes := newAPI(f, Config{}, &memServer{}).routes
	f.Fuzz(func(t *testing.T, method, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		e, param, allowed := routes.match(method, u.Path, u.RawPath)
		methods := routes.methods(u.Path, u.RawPath)
		if (e != nil) != (methods != "") || allowed && !slices.Contains(strings.Split(methods, ", "), method) {
			t.Fatalf("%s %q: allowed %v, methods %q", method, target, allowed, methods)
		}
		if e == nil {
			return
		}
		if e.check == nil {
			if param != "" || u.Path != e.pattern && !strings.HasPrefix(u.Path+"/", pprofPath) {
				t.Fatalf("%q is %s with variable %q", u.Path, e.pattern, param)
			}
			return
		}
		if u.Path != e.prefix+param+e.suffix || u.RawPath == "" && strings.Contains(param, "/") {
			t.Fatalf("%q is %s with variable %q", u.Path, e.pattern, param)
		}
	})
}

// Whatever the body, a batch is a JSON array of at most so many values, each of
// which gives a receipt or an error.
func FuzzBatch(f *testing.F) {
	for _, seed := range []string{
		"", "[]", "[]\f", "[1]", "[{}]", "[{}] x", "{}", "null", `[{"room":"r","text":"x"}]`, `[{"room":"r","data":[1, 2]},{"room":"r","base64":"AA=="}]`,
		`[{"room":"r","data":null,"text":"x"}]`, "[[[[", "[\"\xff\"]", `[{"room":"r","text":"x","history":false,"key":"k"},]`,
	} {
		f.Add([]byte(seed))
	}
	s := &memServer{}
	a := newAPI(f, Config{MaxBody: 64}, s)
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := splitBatch(body)
		if err != nil {
			return
		}
		if !json.Valid(body) || len(items) > bounds.BatchMessages {
			t.Fatalf("%q gives %d items", body, len(items))
		}
		x := new(exchange)
		for _, item := range items {
			receipt, err := a.publishItem(t.Context(), x, item)
			if (receipt == nil) == (err == nil) {
				t.Fatalf("%q gives %v, %v", item, receipt, err)
			}
			if p := &x.publication; err == nil && (len(p.Payload) > 64 || p.Format == broker.JSON && !json.Valid(p.Payload) || p.Format == broker.Text && !utf8.Valid(p.Payload)) {
				t.Fatalf("%q is published as %+v", item, p)
			}
		}
	})
}

// Whatever the settings, what is accepted is answered as it was understood.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{
		"{}", "", "null", `{"muted":true}`, `{"muted":false,"presence_events":false}`,
		`{"presence_events":true}`, `{"presence_events":null,"presence_events":false}`, `{"muted":true} {}`, `{"retention":{"messages":5,"age":"1h"}}`,
		`{"history":{"messages":5,"age":"1h"}}`, `{"history":{"messages":0}}`, `{"history":{"messages":-1,"age":"1e9h"}}`, `{"history":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var b, again settingsBody
		if decode(body, &b) != nil {
			return
		}
		answer, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := decode(answer, &again); err != nil || !reflect.DeepEqual(again, b) {
			t.Fatalf("%q is answered as %s, %v", body, answer, err)
		}
		if r, err := b.History.retention(); err == nil && r != nil && (r.Check() != nil || r.On() != (r.Messages > 0)) {
			t.Fatalf("%q is taken for %+v", body, *r)
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
	b := newBearer([]string{"s3cret"})
	f.Fuzz(func(t *testing.T, value string) {
		if b.allows(http.Header{"Authorization": {value}}) {
			scheme, token, _ := strings.Cut(value, " ")
			if !strings.EqualFold(scheme, "bearer") || strings.TrimLeft(token, " ") != "s3cret" {
				t.Fatalf("%q was let in", value)
			}
		}
	})
}

package paths

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/ws/chat/{room}/{token}/": "", "/chat": "", "/{room}": "", "/直播/{room}": "",
		"": "begins with a slash", "/": "something follows", "//": "something follows", "///": "segment", "ws/{room}": "begins with a slash",
		"/ws//{room}": "segment", "/ws/../{room}": "segment", "/ws/{user}": "{room} or {token}", "/ws/{room": "{room} or {token}",
		"/ws/x{room}": "{room} or {token}", "/ws/{room}{token}": "{room} or {token}", "/ws/{}": "{room} or {token}",
		"/{room}/{room}": "twice", "/ws?room={room}": "no spaces", "/a%20b": "no spaces", "/a b": "no spaces", "/a\n": "no spaces",
	} {
		if _, err := Parse(text); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	set, err := ParseSet([]string{"/ws/chat/{room}/{token}/", "/live/{room}", "/chat"}, []string{"/ws", "/", "/viewer.js"})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/ws/chat/lobby/a.b-c_d/": "room=lobby&token=a.b-c_d",
		"/ws/chat/lobby/a.b":      "room=lobby&token=a.b",
		"/live/a%2Fb":             "room=a%2Fb", // one segment
		"/live/%7bx%26y%3d%2b+":   "room=%7Bx%26y%3D%2B%2B",
		"/l%69ve/lobby":           "room=lobby",
		"/chat":                   "", "/chat/": "",
		"/live/%zz": "bad encoding", "/live/%": "bad encoding", "/ws/chat/%/x": "bad encoding",
		"/live": "none", "/live/": "none", "/live//": "none", "/live/a/b": "none", "/ws/chat//x": "none",
		"/ws": "none", "/": "none", "": "none", "//chat": "none", "/chat//": "none", "/%zz": "none",
	} {
		query, ok, err := set.Query(path)
		switch {
		case !ok:
			query = "none"
		case err != nil:
			query = "bad encoding"
		}
		if query != want {
			t.Errorf("%s is %q, %v, %v, want %q", path, query, ok, err, want)
		}
	}
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		texts string
		want  string
	}{
		{"/a/{room} /a/{token}", "may be of both"},
		{"/a/{room} /{token}/b", "may be of both"},
		{"/a/{room} /a/b", "may be of both"},
		{"/a /a/", "may be of both"},
		{"/ws", "the path /ws,"},
		{"/ws/", "the path /ws,"},
		{"/{room}", "the path /ws,"},
		{"/a/{room} /b/{room} /a/{room}/{token} /a", ""},
	} {
		_, err := ParseSet(strings.Fields(tc.texts), []string{"/ws", "/"})
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.texts, err, tc.want)
		}
	}
}

// FuzzQuery holds what templates make of any path against package url, which decodes the
// whole query and each segment by itself.
func FuzzQuery(f *testing.F) {
	const template = "/ws/{room}/x/{token}/"
	for _, seed := range []string{"/ws/a/x/b", "/ws/a/x/b/", "/ws/%2F/x/%26", "/ws//x/b", "/ws/%zz/x/b", "/%77s/a/%78/+", "/ws/a/x/b//", "/ws/\xff/x/b", "//ws/a/x/b"} {
		f.Add(seed)
	}
	set, err := ParseSet([]string{template}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if !strings.HasPrefix(path, "/") {
			return // no request's
		}
		parts := strings.Split(path, "/")
		if len(parts) == 6 && parts[5] == "" {
			parts = parts[:5]
		}
		is := len(parts) == 5 && parts[2] != "" && parts[4] != ""
		var values []string
		bad := false
		for _, part := range parts {
			value, err := url.PathUnescape(part)
			bad = bad || err != nil
			values = append(values, value)
		}
		is = is && values[1] == "ws" && values[3] == "x"
		query, ok, err := set.Query(path)
		if ok != is || ok && (err != nil) != bad {
			t.Fatalf("%q: %v, %v, want %v, bad %v", path, ok, err, is, bad)
		}
		if !ok || bad {
			return
		}
		got, err := url.ParseQuery(query)
		if err != nil || len(got) != 2 || !slices.Equal(got["room"], values[2:3]) || !slices.Equal(got["token"], values[4:5]) {
			t.Fatalf("%q is %q, that is %v, %v", path, query, got, err)
		}
	})
}

// Checks that the client is there under both names, and that any page may load it.

package web

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

func TestClient(t *testing.T) {
	assets, err := Client()
	if err != nil {
		t.Fatal(err)
	}
	byPath := make(map[string]Asset)
	for _, a := range assets {
		byPath[a.Path] = a
	}
	for _, path := range []string{"/client.js", "/client.mjs", "/client-shared.mjs", "/client-worker.js", "/danmaku.js", "/danmaku.mjs"} {
		latest := byPath[path]
		name := header(latest, "Content-Location")
		fixed := byPath[name]
		stem, extension, _ := strings.Cut(path, ".")
		if !regexp.MustCompile(`^` + stem + `-[0-9a-f]{12}\.` + extension + `$`).MatchString(name) {
			t.Errorf("%s is also %q", path, name)
		}
		if len(latest.Body) == 0 || !bytes.Equal(latest.Body, fixed.Body) {
			t.Errorf("%s has %d bytes, %s %d", path, len(latest.Body), name, len(fixed.Body))
		}
		for _, a := range []Asset{latest, fixed} {
			if a.ContentType != "text/javascript; charset=utf-8" || header(a, "Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: %s, %v", a.Path, a.ContentType, a.Headers)
			}
		}
		if c := header(latest, "Cache-Control"); strings.Contains(c, "immutable") || !strings.Contains(c, "max-age") {
			t.Errorf("%s may be kept: %q", path, c)
		}
		if c := header(fixed, "Cache-Control"); !strings.Contains(c, "immutable") {
			t.Errorf("%s may be kept: %q", name, c)
		}
	}
}

func header(a Asset, name string) string {
	for _, h := range a.Headers {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

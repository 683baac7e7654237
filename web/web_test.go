// Checks that the page is whole, fits its own security policy, and stays small.

package web

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

func mustAssets(t *testing.T) map[string]Asset {
	t.Helper()
	list, err := Assets()
	if err != nil {
		t.Fatal(err)
	}
	client, err := Client()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range client {
		if a.Path == "/client.mjs" || a.Path == "/danmaku.mjs" { // what the page loads of it
			list = append(list, a)
		}
	}
	assets := make(map[string]Asset, len(list))
	for _, a := range list {
		if _, twice := assets[a.Path]; twice {
			t.Fatalf("two assets for %s", a.Path)
		}
		assets[a.Path] = a
	}
	return assets
}

func TestAssetsAreAllThere(t *testing.T) {
	assets := mustAssets(t)
	onDisk, err := fs.ReadDir(os.DirFS("page"), ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range onDisk {
		if file.Name() == "package.json" { // tells Node's tests that these are modules
			continue
		}
		if _, ok := assets[urlPath(file.Name())]; !ok {
			t.Errorf("page/%s is not an asset", file.Name())
		}
	}
	for _, path := range []string{"/", "/app.js", "/style.css", "/favicon.svg"} {
		if len(assets[path].Body) == 0 {
			t.Errorf("%s is missing or empty", path)
		}
	}
}

func TestContentTypes(t *testing.T) {
	assets := mustAssets(t)
	for path, want := range map[string]string{
		"/":            "text/html; charset=utf-8",
		"/app.js":      "text/javascript; charset=utf-8",
		"/style.css":   "text/css; charset=utf-8",
		"/favicon.svg": "image/svg+xml",
	} {
		if got := assets[path].ContentType; got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if _, err := contentType("notes.txt"); err == nil {
		t.Error("an unknown kind of file has a content type")
	}
}

// Compressed, as browsers get it: the page, the client and the renderer.
func TestTotalSize(t *testing.T) {
	const bound = 64 << 10
	total := 0
	for _, a := range mustAssets(t) {
		var small bytes.Buffer
		w := gzip.NewWriter(&small)
		if _, err := w.Write(a.Body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		total += small.Len()
	}
	if total > bound {
		t.Errorf("the page has %d bytes, more than %d", total, bound)
	}
}

// The policy forbids inline script and style; a browser would drop them.
func TestNothingInline(t *testing.T) {
	page := mustAssets(t)["/"].Body
	for name, pattern := range map[string]string{
		"inline script":   `(?i)<script(?:\s[^>]*)?>\s*[^<\s]`,
		"script, no src":  `(?i)<script(?:\s+(?:type|async|defer)(?:="[^"]*")?)*\s*>`,
		"style element":   `(?i)<style`,
		"style attribute": `(?i)\sstyle\s*=`,
		"event handler":   `(?i)\son[a-z]+\s*=`,
		"script URL":      `(?i)javascript:`,
	} {
		if found := regexp.MustCompile(pattern).Find(page); found != nil {
			t.Errorf("%s in index.html: %q", name, found)
		}
	}
}

// What others wrote must never be parsed as markup or code.
func TestNoMarkupFromText(t *testing.T) {
	sinks := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|DOMParser|` +
		`createContextualFragment|\beval\(|new Function|srcdoc|setAttribute\('(?:on|style|src|href)`)
	for path, a := range mustAssets(t) {
		if found := sinks.Find(a.Body); found != nil {
			t.Errorf("%s uses %s", path, found)
		}
	}
}

func TestReferencesExist(t *testing.T) {
	assets := mustAssets(t)
	reference := regexp.MustCompile(`(?:\s(?:src|href)="|\bfrom '|\bimport '|\bimport\('|url\(["']?)([^"')]+)`)
	seen := 0
	for path, a := range assets {
		for _, match := range reference.FindAllSubmatch(a.Body, -1) {
			target := string(match[1])
			if strings.HasPrefix(target, "#") || strings.HasPrefix(target, "data:") {
				continue
			}
			seen++
			local, relative := strings.CutPrefix(target, "./")
			if _, ok := assets["/"+local]; !relative || !ok {
				t.Errorf("%s refers to %q, which is no asset", path, target)
			}
		}
	}
	if seen < len(assets) {
		t.Errorf("only %d references found: the pattern must be wrong", seen)
	}
}

// Without the hint a module is found only when its importer has arrived.
func TestModulesArePreloaded(t *testing.T) {
	assets := mustAssets(t)
	for path := range assets {
		if path == "/app.js" || !strings.HasSuffix(path, "js") {
			continue
		}
		if !bytes.Contains(assets["/"].Body, []byte(`<link rel="modulepreload" href=".`+path+`">`)) {
			t.Errorf("%s is not preloaded in index.html", path)
		}
	}
}

func TestHeaders(t *testing.T) {
	got := map[string]string{}
	for _, h := range Headers() {
		if strings.ContainsAny(h.Name+h.Value, "\r\n") {
			t.Errorf("%s holds a line break", h.Name)
		}
		got[h.Name] = h.Value
	}
	policy := got["Content-Security-Policy"]
	for _, directive := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	} {
		if !strings.Contains("; "+policy+";", "; "+directive+";") {
			t.Errorf("the policy lacks %q: %s", directive, policy)
		}
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff",
		"Referrer-Policy":        "no-referrer",
		"Cache-Control":          "no-cache",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

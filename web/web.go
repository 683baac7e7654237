// Package web holds the viewer page: what a visitor sees when a browser opens
// the server's public address.
//
// The page is plain JavaScript modules, one stylesheet and one icon, embedded
// in the binary as they are, and it is built on the client and the renderer of flying
// comments, which other pages may load, too (see Client): there is no build step and nothing
// is loaded from anywhere else.
//
// Assets lists the files as ready-made bodies, so that a server can build every
// response once and answer from its event loop. They are to be served for GET
// and HEAD only, each with Headers. Everything here is immutable after build;
// any goroutine may call it, and each call returns slices the caller owns.
package web

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
)

//go:embed page/*.html page/*.js page/*.css page/*.svg
var files embed.FS

// Asset is one file of the page.
type Asset struct {
	Path        string // the URL's path: "/" for the page itself, else "/" and the file's name
	ContentType string
	Headers     []Header // of this file, instead of those of Headers()
	Body        []byte
}

// Header is one line of a response's head.
type Header struct{ Name, Value string }

// Assets returns all files of the page, in the order of their names.
func Assets() ([]Asset, error) {
	entries, err := fs.ReadDir(files, "page")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	assets := make([]Asset, 0, len(entries))
	for _, entry := range entries {
		name := entry.Name()
		body, err := files.ReadFile("page/" + name)
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		kind, err := contentType(name)
		if err != nil {
			return nil, err
		}
		assets = append(assets, Asset{Path: urlPath(name), ContentType: kind, Body: body})
	}
	return assets, nil
}

// Headers returns the headers that every asset is served with. The policy lets
// the page run its own scripts and talk to its own origin (for 'self' in
// connect-src that includes ws: and wss:, CSP 3 section 6.7.2.8), and nothing
// else: markup that slipped into the page could neither run nor load anything.
func Headers() []Header {
	return []Header{
		{"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; " +
			"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
		{"X-Content-Type-Options", "nosniff"},
		{"Referrer-Policy", "no-referrer"},
		{"Cache-Control", "no-cache"},
	}
}

func urlPath(name string) string {
	if name == "index.html" {
		return "/"
	}
	return "/" + name
}

// contentType does not ask the mime package, whose answers depend on the
// machine's own tables.
func contentType(name string) (string, error) {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8", nil
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8", nil
	case ".css":
		return "text/css; charset=utf-8", nil
	case ".svg":
		return "image/svg+xml", nil
	}
	return "", fmt.Errorf("web: no content type for %s", name)
}

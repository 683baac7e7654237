// The page of an example, as its own program would serve it.

package run

import (
	_ "embed"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed style.css
var style string

//go:embed favicon.svg
var favicon string

// handler serves page/ of the example, the stylesheet that all share, and its backend.
func handler(e Example, s *Server) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, _ *http.Request) { write(w, "style.css", style) })
	mux.HandleFunc("GET /favicon.svg", func(w http.ResponseWriter, _ *http.Request) { write(w, "favicon.svg", favicon) })
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if name == "" {
			name = "index.html"
		}
		text, err := fs.ReadFile(e.Files, "page/"+name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		write(w, name, s.ports.move(string(text)))
	})
	if e.Backend != nil {
		e.Backend(s, mux)
	}
	return policy(s, mux)
}

func write(w http.ResponseWriter, name, text string) {
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	_, _ = w.Write([]byte(text))
}

// policy lets pages run their own scripts and the server's, and speak with both: nothing
// that slips into a page can run, or load anything from elsewhere.
func policy(s *Server, next http.Handler) http.Handler {
	public := "http://" + s.ports.public
	second := "http://" + s.ports.second + " ws://" + s.ports.second
	header := "default-src 'none'; script-src 'self' " + public + "; style-src 'self'; img-src 'self' data:; media-src 'self'; " +
		"connect-src 'self' " + public + " ws://" + s.ports.public + " " + second + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", header)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

// The dashboard's files. They hold nothing that is secret, so they are for everybody: what
// they show they ask of the other routes, with the token.

package api

import (
	"net/http"

	"barrage/internal/document"
)

// Page is a file that the API serves, at / or below /dashboard/.
type Page struct {
	Path, ContentType string
	Headers           map[string]string
	Body              []byte
}

type page struct {
	*document.Document
	headers map[string]string
}

func pagesByPath(list []Page) map[string]page {
	pages := make(map[string]page, len(list))
	for _, p := range list {
		pages[p.Path] = page{document.New(p.ContentType, p.Body), p.Headers}
	}
	return pages
}

// showPage handles GET / and GET /dashboard/{file}.
func (a *API) showPage(x *exchange, r *http.Request) error {
	p, ok := a.pages[r.URL.Path]
	if !ok {
		return errNoPath
	}
	for name, value := range p.headers {
		x.Header().Set(name, value)
	}
	writeDocument(x, r, p.Document)
	return nil
}

// checkFile takes any name, as only those of pages lead somewhere.
func checkFile(name string) (string, error) { return name, nil }

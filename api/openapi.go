// The description of the API, which tests hold against what the API does.

package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"

	"barrage/internal/document"
)

//go:embed openapi.yaml
var spec []byte

// showSpec handles GET /openapi.yaml.
func (a *API) showSpec(x *exchange, r *http.Request) error {
	writeDocument(x, r, a.specYAML())
	return nil
}

// showSpecJSON handles GET /openapi.json.
func (a *API) showSpecJSON(x *exchange, r *http.Request) error {
	d, err := a.specJSON()
	if err != nil {
		return err
	}
	writeDocument(x, r, d)
	return nil
}

// writeDocument answers with what clients may keep, as long as they ask again.
func writeDocument(x *exchange, r *http.Request, d *document.Document) {
	status, body, encoding := d.Answer(strings.Join(r.Header.Values("If-None-Match"), ","), strings.Join(r.Header.Values("Accept-Encoding"), ","))
	h := x.Header()
	h.Set("Content-Type", d.ContentType)
	h.Set("ETag", d.ETag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	h["X-Content-Type-Options"] = noSniff
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	x.WriteHeader(status)
	// The only error is that the client is gone: there is nothing left to do.
	_, _ = x.Write(body)
}

// specAsYAML and specAsJSON are called once each, at the first request.
func specAsYAML() *document.Document { return document.New("application/yaml", spec) }

func specAsJSON() (*document.Document, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(spec, &doc); err != nil {
		return nil, fmt.Errorf("api: openapi.yaml: %w", err)
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("api: openapi.yaml as JSON: %w", err)
	}
	return document.New("application/json", body), nil
}

// The description of the API, which tests hold against what the API does.

package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var spec []byte

var yamlType = []string{"application/yaml"}

// showSpec handles GET /openapi.yaml.
func (a *API) showSpec(x *exchange, _ *http.Request) error {
	writeTyped(x, http.StatusOK, yamlType, spec)
	return nil
}

// showSpecJSON handles GET /openapi.json.
func (a *API) showSpecJSON(x *exchange, _ *http.Request) error {
	body, err := a.specJSON()
	if err != nil {
		return err
	}
	writeBody(x, http.StatusOK, body)
	return nil
}

// specAsJSON is called once, at the first request for it.
func specAsJSON() ([]byte, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(spec, &doc); err != nil {
		return nil, fmt.Errorf("api: openapi.yaml: %w", err)
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("api: openapi.yaml as JSON: %w", err)
	}
	return body, nil
}

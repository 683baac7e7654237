// A report as JSON, to be kept and read again.

package report

import (
	"encoding/json"
	"fmt"
	"io"
)

// WriteJSON writes r in the current version. Passwords and tokens in the plan are
// left out, as reports are passed on.
func WriteJSON(w io.Writer, r *Report) error {
	current := *r
	current.Version = Version
	current.Plan = withoutSecrets(r.Plan)
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	if err := e.Encode(&current); err != nil {
		return fmt.Errorf("report: write JSON: %w", err)
	}
	return nil
}

// ReadJSON reads what WriteJSON has written, and nothing after it.
func ReadJSON(rd io.Reader) (*Report, error) {
	r := new(Report)
	if err := json.NewDecoder(rd).Decode(r); err != nil {
		return nil, fmt.Errorf("report: read JSON: %w", err)
	}
	if r.Version < 1 || r.Version > Version {
		return nil, fmt.Errorf("report: read JSON: version %d, and this program knows 1 to %d", r.Version, Version)
	}
	return r, nil
}

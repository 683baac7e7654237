// Key sets as issuers publish them (RFC 7517): reading one over HTTP.

package auth

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"barrage/internal/outbound"
)

// source is where a key set is read.
type source struct {
	url     string
	client  http.Client
	timeout time.Duration
	max     int // bytes
}

func newSource(cfg *Config) source {
	return source{
		url: cfg.JWKSURL, timeout: cfg.JWKSTimeout, max: cfg.JWKSBytes,
		client: http.Client{
			Transport: cfg.Transport,
			// The operator named one URL; its server may not name another.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// read fetches the key set. Errors leave out the URL, whose query may hold a
// secret.
func (s *source) read(ctx context.Context) (jwkSet, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return jwkSet{}, fmt.Errorf("auth: key set: %w", outbound.Cause(err))
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	r.Header.Set("User-Agent", "barrage")
	answer, err := s.client.Do(r)
	if err != nil {
		return jwkSet{}, fmt.Errorf("auth: key set: %w", outbound.Cause(err))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return jwkSet{}, fmt.Errorf("auth: key set: the endpoint answered %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, int64(s.max)+1))
	if err != nil {
		return jwkSet{}, fmt.Errorf("auth: key set: %w", err)
	}
	if len(body) > s.max {
		return jwkSet{}, fmt.Errorf("auth: key set: longer than %d bytes", s.max)
	}
	return parseKeySet(body)
}

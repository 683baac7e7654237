// Key sets as issuers publish them (RFC 7517): reading one over HTTP and parsing
// it.

package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"

	"barrage/internal/outbound"
)

// maxKeys bounds a key set: issuers have two or three.
const maxKeys = 100

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
func (s *source) read(ctx context.Context) ([]key, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, fmt.Errorf("auth: key set: %w", outbound.Cause(err))
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	r.Header.Set("User-Agent", "barrage")
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("auth: key set: %w", outbound.Cause(err))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("auth: key set: the endpoint answered %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, int64(s.max)+1))
	if err != nil {
		return nil, fmt.Errorf("auth: key set: %w", err)
	}
	if len(body) > s.max {
		return nil, fmt.Errorf("auth: key set: longer than %d bytes", s.max)
	}
	return parseKeySet(body)
}

// parseKeySet returns the keys that can verify our algorithms. Others are passed
// over (RFC 7517 section 5), but a set without any is an error: more likely the
// endpoint's fault than the end of all keys.
func parseKeySet(body []byte) ([]key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(body, byteOrderMark), &set); err != nil {
		return nil, fmt.Errorf("auth: key set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("auth: key set: %d keys, want at most %d", len(set.Keys), maxKeys)
	}
	var keys []key
	for _, raw := range set.Keys {
		if k, ok := parseKey(raw); ok {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("auth: key set: no key for RS256, ES256 or EdDSA in it")
	}
	return keys, nil
}

// parseKey makes a key of a public JWK for signatures. A symmetric or private key
// in a published set is no secret any more, so it is not used.
func parseKey(raw []byte) (k key, ok bool) {
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(raw); err != nil || !wholeEd25519(raw) {
		return key{}, false
	}
	if jwk.Use != "" && jwk.Use != "sig" {
		return key{}, false
	}
	alg, err := algorithm(jwk.Key)
	if err != nil {
		return key{}, false
	}
	// RFC 9864 gives EdDSA with this curve a name of its own.
	if jwk.Algorithm != "" && jwk.Algorithm != alg && (alg != EdDSA || jwk.Algorithm != "Ed25519") {
		return key{}, false
	}
	return key{id: jwk.KeyID, alg: alg, public: jwk.Key}, true
}

// wholeEd25519 tells whether an Ed25519 key has its 32 bytes. go-jose fills a
// shorter one up with zeros, and for the one of zeros alone anyone can make
// signatures.
func wholeEd25519(raw []byte) bool {
	var members map[string]json.RawMessage
	var kty, x string
	if json.Unmarshal(raw, &members) != nil || json.Unmarshal(members["kty"], &kty) != nil {
		return false
	}
	if kty != "OKP" {
		return true
	}
	if json.Unmarshal(members["x"], &x) != nil {
		return false
	}
	bytes, err := base64.RawURLEncoding.DecodeString(x)
	return err == nil && len(bytes) == 32
}

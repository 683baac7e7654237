// The keys of a key set.

package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// maxKeys bounds a key set: issuers have two or three.
const maxKeys = 100

// jwkSet is what an issuer publishes.
type jwkSet struct {
	keys   []key
	passed []passedKey // those that are of no use here
}

// passedKey is a key that is passed over, and why. It may be compared.
type passedKey struct{ id, why string }

// parseKeySet returns the keys that can verify our algorithms. Others are passed
// over (RFC 7517 section 5), but a set without any is an error: more likely the
// endpoint's fault than the end of all keys.
func parseKeySet(body []byte) (jwkSet, error) {
	var in struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(body, byteOrderMark), &in); err != nil {
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			err = errors.New("no JSON object with a list of keys")
		}
		return jwkSet{}, fmt.Errorf("auth: key set: %w", err)
	}
	if len(in.Keys) > maxKeys {
		return jwkSet{}, fmt.Errorf("auth: key set: %d keys, want at most %d", len(in.Keys), maxKeys)
	}
	var set jwkSet
	for _, raw := range in.Keys {
		k, err := parseKey(raw)
		if err != nil {
			set.passed = append(set.passed, passedKey{k.id, err.Error()})
			continue
		}
		set.keys = append(set.keys, k)
	}
	if len(set.keys) == 0 {
		err := errors.New("auth: key set: no key for RS256, ES256 or EdDSA in it")
		if len(set.passed) > 0 {
			err = fmt.Errorf("%w; the first, %.40q: %s", err, set.passed[0].id, set.passed[0].why)
		}
		return jwkSet{}, err
	}
	return set, nil
}

// parseKey makes a key of a public JWK for signatures. A symmetric or private key
// in a published set is no secret any more, so it is not used. Only members that matter
// are looked at: a certificate that is odd (x5c, x5t) makes no key a worse one. Of what
// cannot be used there is the id, if it has one.
func parseKey(raw []byte) (key, error) {
	var in map[string]any
	if json.Unmarshal(raw, &in) != nil || in == nil {
		return key{}, errors.New("it is no JSON object")
	}
	id, _ := in["kid"].(string)
	members := make(map[string]string)
	for _, name := range [...]string{"kty", "crv", "n", "e", "x", "y", "kid", "use", "alg"} {
		switch v := in[name].(type) {
		case nil:
		case string:
			members[name] = v
		default:
			return key{id: id}, fmt.Errorf("its %s is not a string", name)
		}
	}
	if in["d"] != nil || in["k"] != nil {
		return key{id: id}, errors.New("it is a private or symmetric key, which nobody should publish")
	}
	public, err := publicJWK(members)
	if err != nil {
		return key{id: id}, err
	}
	alg, err := algorithm(public)
	switch given := members["alg"]; {
	case err != nil:
		return key{id: id}, fmt.Errorf("it is %w", err)
	case members["use"] != "" && members["use"] != "sig":
		return key{id: id}, fmt.Errorf("its use is %.20q, not sig", members["use"])
	case given != "" && synonym(given) != alg:
		return key{id: id}, fmt.Errorf("its alg is %.20q, not %s", given, alg)
	}
	return key{id: id, alg: alg, public: public}, nil
}

// publicJWK makes a public key of the members that it consists of.
func publicJWK(members map[string]string) (any, error) {
	in := map[string]string{"kty": members["kty"], "crv": members["crv"]}
	for _, name := range [...]string{"n", "e", "x", "y"} {
		text, ok := members[name]
		if !ok {
			continue
		}
		number, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(urlSafe.Replace(text), "="))
		if err != nil {
			return nil, fmt.Errorf("its %s is not base64url", name)
		}
		switch size := 32; {
		case in["kty"] == "OKP" && name == "x" && len(number) != size:
			// go-jose fills a shorter one up with zeros, and for the one of zeros alone
			// anyone can make signatures.
			return nil, fmt.Errorf("its x has %d bytes, want %d", len(number), size)
		case in["crv"] == "P-256": // with fewer leading zeros than go-jose wants, or more
			number = bytes.TrimLeft(number, "\x00")
			number = append(make([]byte, max(size-len(number), 0)), number...)
		}
		in[name] = base64.RawURLEncoding.EncodeToString(number)
	}
	text, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil {
		return nil, fmt.Errorf("it cannot be read: %w", err)
	}
	return jwk.Key, nil
}

// urlSafe makes base64url (RFC 4648, section 5) of base64.
var urlSafe = strings.NewReplacer("+", "-", "/", "_")

package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A key set may hold anything: what cannot verify our algorithms is passed over.
func TestParseKeySet(t *testing.T) {
	k := testKeys()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk := func(k jose.JSONWebKey) string {
		text, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	zeros := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	weak := &rsa.PublicKey{N: new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, 128)), E: 65537}
	// with sets a member of a key.
	with := func(key, name, value string) string {
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(key), &members); err != nil {
			t.Fatal(err)
		}
		members[name] = json.RawMessage(value)
		text, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	rsaKey, edKey := jwk(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "k"}), jwk(jose.JSONWebKey{Key: k.ed.Public(), KeyID: "k"})
	modulus := k.rsa.N.Bytes()
	lowKey, low := lowECDSA(t)
	tests := []struct {
		name, jwk, alg string
	}{
		{"RSA", jwk(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "k"}), RS256},
		{"RSA with alg and use", jwk(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "k", Algorithm: "RS256", Use: "sig"}), RS256},
		{"ECDSA", jwk(jose.JSONWebKey{Key: k.ecdsa.Public(), KeyID: "k"}), ES256},
		{"Ed25519", jwk(jose.JSONWebKey{Key: k.ed.Public(), KeyID: "k", Algorithm: "EdDSA"}), EdDSA},
		{"Ed25519 by its newer name", jwk(jose.JSONWebKey{Key: k.ed.Public(), KeyID: "k", Algorithm: "Ed25519"}), EdDSA},
		{"RSA with a short x5t", with(rsaKey, "x5t", `"AAAA"`), RS256},
		{"RSA with an odd x5t", with(rsaKey, "x5t", "1"), RS256},
		{"RSA with an odd x5t#S256", with(rsaKey, "x5t#S256", `"?"`), RS256},
		{"RSA with another's certificate", with(rsaKey, "x5c", `["AAAA"]`), RS256},
		{"RSA with no list of certificates", with(rsaKey, "x5c", `"-----BEGIN"`), RS256},
		{"RSA with null for what it has not", with(with(rsaKey, "use", "null"), "alg", "null"), RS256},
		{"RSA with the exponent 1", with(rsaKey, "e", `"AQ"`), ""},
		{"RSA with an even exponent", with(rsaKey, "e", `"BA"`), ""},
		{"RSA with an even modulus", with(rsaKey, "n", `"`+base64.RawURLEncoding.EncodeToString(append(bytes.Clone(modulus[:len(modulus)-1]), modulus[len(modulus)-1]&^1))+`"`), ""},
		{"RSA with padding", with(rsaKey, "n", `"`+base64.URLEncoding.EncodeToString(modulus)+`"`), RS256},
		{"RSA with the other base64", with(rsaKey, "n", `"`+base64.StdEncoding.EncodeToString(modulus)+`"`), RS256},
		{"RSA with the zero of a signed number", with(rsaKey, "n", `"`+base64.RawURLEncoding.EncodeToString(append([]byte{0}, modulus...))+`"`), RS256},
		{"RSA with an odd exponent", with(rsaKey, "e", `"AAEAAQ=="`), RS256},
		{"ECDSA with a zero before", jwk(jose.JSONWebKey{Key: lowKey, KeyID: "k"}), ES256},
		{"ECDSA without its zero before", with(jwk(jose.JSONWebKey{Key: lowKey, KeyID: "k"}), "x", `"`+base64.RawURLEncoding.EncodeToString(low.Bytes())+`"`), ES256},
		{"Ed25519 with padding", with(edKey, "x", `"`+base64.URLEncoding.EncodeToString(k.ed.Public().(ed25519.PublicKey))+`"`), EdDSA},

		{"RSA without a number", with(rsaKey, "n", `"?"`), ""},
		{"RSA for encryption", jwk(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "k", Use: "enc"}), ""},
		{"RSA for another algorithm", jwk(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "k", Algorithm: "PS256"}), ""},
		{"RSA for HS256", jwk(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "k", Algorithm: "HS256"}), ""},
		{"RSA, short", jwk(jose.JSONWebKey{Key: weak, KeyID: "k"}), ""},
		{"ECDSA on P-384", jwk(jose.JSONWebKey{Key: p384.Public(), KeyID: "k"}), ""},
		{"ECDSA off the curve", `{"kty":"EC","crv":"P-256","kid":"k","x":"` + zeros + `","y":"` + zeros + `"}`, ""},
		{"Ed25519, short", `{"kty":"OKP","crv":"Ed25519","kid":"k","x":"AAAA"}`, ""},
		{"Ed25519, empty", `{"kty":"OKP","crv":"Ed25519","kid":"k","x":""}`, ""},
		{"Ed25519, long", `{"kty":"OKP","crv":"Ed25519","kid":"k","x":"` + strings.Repeat("A", 44) + `"}`, ""},
		{"X25519", `{"kty":"OKP","crv":"X25519","kid":"k","x":"` + zeros + `"}`, ""},
		{"private RSA", jwk(jose.JSONWebKey{Key: k.rsa, KeyID: "k"}), ""},
		{"private Ed25519", jwk(jose.JSONWebKey{Key: k.ed, KeyID: "k"}), ""},
		{"symmetric", jwk(jose.JSONWebKey{Key: secret, KeyID: "k", Algorithm: "HS256"}), ""},
		{"unknown type", `{"kty":"XYZ","kid":"k"}`, ""},
		{"no type", `{"kid":"k"}`, ""},
		{"kid a number", `{"kty":"OKP","crv":"Ed25519","kid":1,"x":"` + zeros + `"}`, ""},
		{"null", `null`, ""},
		{"number", `1`, ""},
	}
	other := jwk(jose.JSONWebKey{Key: k.ed.Public(), KeyID: "other"})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, err := parseKeySet([]byte(`{"x":1,"keys":[` + tt.jwk + `]}`))
			if tt.alg == "" {
				if err == nil {
					t.Errorf("taken as %s", set.keys[0].alg)
				}
			} else if err != nil || len(set.keys) != 1 || set.keys[0].alg != tt.alg || set.keys[0].id != "k" {
				t.Errorf("%+v %v", set, err)
			}
			set, err = parseKeySet([]byte(`{"keys":[` + tt.jwk + `,` + other + `]}`))
			if err != nil || set.keys[len(set.keys)-1].id != "other" {
				t.Errorf("its neighbour suffers: %+v %v", set, err)
			}
		})
	}
	for _, body := range []string{"", "null", "[]", "{}", `{"keys":null}`, `{"keys":{}}`, `{"keys":[]}`, `{"keys":[[]]}`, `{"keys":[` + other + `]`} {
		if set, err := parseKeySet([]byte(body)); err == nil {
			t.Errorf("%q: %+v", body, set)
		}
	}
}

// lowECDSA is a key on P-256 whose x, which it returns too, has a byte of zeros before it.
func lowECDSA(t *testing.T) (*ecdsa.PublicKey, *big.Int) {
	for {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := k.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if x := new(big.Int).SetBytes(point[1:33]); len(x.Bytes()) < 32 {
			return &k.PublicKey, x
		}
	}
}

// TestByteOrderMark: of what comes from others.
func TestByteOrderMark(t *testing.T) {
	const mark = "\ufeff"
	k := testKeys()
	if set, err := parseKeySet([]byte(mark + keySet(t, map[string]crypto.PublicKey{"a": k.ed.Public()}))); err != nil || len(set.keys) != 1 {
		t.Errorf("key set: %v, %v", set, err)
	}
	if keys, err := publicKeys(append([]byte(mark), publicPEM(t, k.ecdsa)...)); err != nil || len(keys) != 1 {
		t.Errorf("public keys: %v, %v", keys, err)
	}
	if _, err := PrivateKey(append([]byte(mark), privatePEM(t, k.ecdsa)...)); err != nil {
		t.Errorf("private key: %v", err)
	}
}

func FuzzKeySet(f *testing.F) {
	k := testKeys()
	f.Add([]byte(keySet(f, map[string]crypto.PublicKey{"a": k.rsa.Public(), "b": k.ecdsa.Public(), "c": k.ed.Public()})))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AAAA"},{"kty":"OKP","crv":"Ed25519","x":"AA","x5c":["AA"]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		set, err := parseKeySet(body)
		if (len(set.keys) == 0) != (err != nil) {
			t.Fatalf("%d keys, %v", len(set.keys), err)
		}
		for _, k := range set.keys {
			if alg, err := algorithm(k.public); err != nil || alg != k.alg {
				t.Fatalf("%+v: %s %v", k, alg, err)
			}
		}
	})
}

func TestPrivateKeyForms(t *testing.T) {
	k := testKeys()
	ec, err := x509.MarshalECPrivateKey(k.ecdsa)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, alg string
		text      []byte
	}{
		{"PKCS 8 RSA", RS256, privatePEM(t, k.rsa)},
		{"PKCS 8 ECDSA", ES256, privatePEM(t, k.ecdsa)},
		{"PKCS 8 Ed25519", EdDSA, privatePEM(t, k.ed)},
		{"PKCS 1", RS256, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k.rsa))},
		{"SEC 1", ES256, block("EC PRIVATE KEY", ec)},
		{"SEC 1 after parameters", ES256, append(block("EC PARAMETERS", []byte{6, 1, 1}), block("EC PRIVATE KEY", ec)...)},
		{"text before", EdDSA, append([]byte("a comment\n"), privatePEM(t, k.ed)...)},
		{"P-384", "", privatePEM(t, p384)},
		{"public", "", publicPEM(t, k.rsa)},
		{"encrypted", "", block("ENCRYPTED PRIVATE KEY", []byte{1})},
		{"parameters only", "", block("EC PARAMETERS", []byte{1})},
		{"garbage inside", "", block("PRIVATE KEY", []byte{1})},
		{"not PEM", "", []byte("x")},
		{"empty", "", nil},
	}
	for _, tt := range tests {
		got, err := PrivateKey(tt.text)
		if got.alg != tt.alg || (err == nil) != (tt.alg != "") {
			t.Errorf("%s: %s %v", tt.name, got.alg, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "auth: private key: ") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := SecretKey(secret[:31]); err == nil {
		t.Error("a short secret")
	}
}

func TestConfig(t *testing.T) {
	k := testKeys()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := publicPEM(t, k.ed)
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey)})
	s := [][]byte{secret}
	tests := []struct {
		name   string
		cfg    Config
		fields string // that the error names, in this order; "": no error
	}{
		{"a secret", Config{Secrets: s}, ""},
		{"PKCS 1", Config{PublicKeys: pkcs1}, ""},
		{"bounds", Config{Secrets: s, Leeway: 5 * time.Minute, MaxToken: 64 << 10, JWKSBytes: 16 << 20, JWKSInterval: 24 * time.Hour, JWKSMinInterval: time.Second, JWKSTimeout: time.Minute}, ""},
		{"algorithms", Config{Secrets: s, PublicKeys: good, Algorithms: []string{EdDSA, HS256}}, ""},

		{"nothing", Config{}, "Secrets"},
		{"short secret", Config{Secrets: [][]byte{secret, secret[:31]}}, "Secrets[1]"},
		{"empty secret", Config{Secrets: [][]byte{nil}}, "Secrets[0]"},
		{"too many secrets", Config{Secrets: [][]byte{secret, secret, secret, secret, secret}}, "Secrets"},
		{"not PEM", Config{PublicKeys: []byte("x")}, "PublicKeys"},
		{"PEM cut", Config{PublicKeys: append(bytes.Clone(good), good[:40]...)}, "PublicKeys"},
		{"PEM mistyped before a good one", Config{PublicKeys: append(bytes.Replace(good, []byte("MC"), []byte("M!"), 1), good...)}, "PublicKeys"},
		{"private", Config{PublicKeys: privatePEM(t, k.ed)}, "PublicKeys"},
		{"P-384", Config{PublicKeys: append(bytes.Clone(good), publicPEM(t, p384)...)}, "PublicKeys"},
		{"URL without scheme", Config{JWKSURL: "example.com/jwks"}, "JWKSURL"},
		{"file URL", Config{JWKSURL: "file:///etc/jwks"}, "JWKSURL"},
		{"URL with a password", Config{JWKSURL: "https://u:p@example.com/"}, "JWKSURL"},
		{"URL without host", Config{JWKSURL: "https:///jwks"}, "JWKSURL"},
		{"no URL", Config{JWKSURL: "http://\x00"}, "JWKSURL"},
		{"leeway", Config{Secrets: s, Leeway: 5*time.Minute + 1}, "Leeway"},
		{"negative leeway", Config{Secrets: s, Leeway: -1}, "Leeway"},
		{"durations", Config{Secrets: s, JWKSInterval: -1, JWKSMinInterval: 2 * time.Hour, JWKSTimeout: time.Hour}, "JWKSInterval JWKSMinInterval JWKSTimeout"},
		{"sizes", Config{Secrets: s, JWKSBytes: 1, MaxToken: 1 << 20}, "JWKSBytes MaxToken"},
		{"unknown algorithms", Config{Secrets: s, Algorithms: []string{"none", HS256, "hs256"}}, "Algorithms[0] Algorithms[2]"},
		{"algorithm without key", Config{Secrets: s, Algorithms: []string{RS256}}, "Algorithms[0]"},
		{"HS256 by a key set", Config{JWKSURL: "https://example.com/", Algorithms: []string{HS256}}, "Algorithms[0]"},
		{"all at once", Config{Secrets: [][]byte{nil}, PublicKeys: []byte("x"), JWKSURL: "x", Leeway: -1}, "JWKSURL Leeway Secrets[0] PublicKeys"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := New(tt.cfg)
			if err == nil {
				defer v.Close()
			}
			var lines []string
			if err != nil {
				lines = strings.Split(err.Error(), "\n")
			}
			fields := strings.Fields(tt.fields)
			if len(lines) != len(fields) {
				t.Fatalf("%v", err)
			}
			for i, line := range lines {
				if !strings.HasPrefix(line, "auth: "+fields[i]) {
					t.Errorf("%q does not name %s", line, fields[i])
				}
			}
			if strings.Contains(strings.Join(lines, ""), string(secret[:31])) {
				t.Errorf("the secret shows: %v", err)
			}
		})
	}
}

// The Config is the caller's to change after New.
func TestConfigIsCopied(t *testing.T) {
	mine, algorithms := bytes.Clone(secret), []string{HS256}
	v := open(t, Config{Secrets: [][]byte{mine}, Algorithms: algorithms})
	clear(mine)
	algorithms[0] = RS256
	wantVerdict(t, v, sign(t, alice(), secretKey(t)), "", false)
}

// TestSeveralSecrets: while secrets are being changed, tokens of all are good.
func TestSeveralSecrets(t *testing.T) {
	old, newer, gone := bytes.Repeat([]byte("o"), 32), bytes.Repeat([]byte("n"), 32), bytes.Repeat([]byte("g"), 32)
	v := open(t, Config{Secrets: [][]byte{newer, old}})
	for _, tt := range []struct {
		name   string
		secret []byte
		code   string
	}{{"the new one", newer, ""}, {"the old one", old, ""}, {"one that is gone", gone, CodeInvalid}} {
		token := mint(hsHeader, goodPayload(), tt.secret)
		_, err := v.Verify(t.Context(), token)
		wantCode(t, err, tt.code, token)
	}
}

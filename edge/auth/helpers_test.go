package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"

	"barrage/internal/refusal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	// epoch is the time of all tests.
	epoch  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	secret = []byte("0123456789abcdef0123456789abcdef")
)

// testKeys are made once, as RSA keys take their time.
var testKeys = sync.OnceValue(func() (k struct {
	rsa   *rsa.PrivateKey
	ecdsa *ecdsa.PrivateKey
	ed    ed25519.PrivateKey
}) {
	var errs [3]error
	k.rsa, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	k.ecdsa, errs[1] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, k.ed, errs[2] = ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(errs[:]...); err != nil {
		panic(err)
	}
	return k
})

func newEd25519(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func publicPEM(t testing.TB, k crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func privatePEM(t testing.TB, k crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// signer makes a SigningKey of a private key, with a kid.
func signer(t testing.TB, k crypto.Signer, kid string) SigningKey {
	t.Helper()
	s, err := PrivateKey(privatePEM(t, k))
	if err != nil {
		t.Fatal(err)
	}
	s.ID = kid
	return s
}

func secretKey(t testing.TB) SigningKey {
	t.Helper()
	k, err := SecretKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// alice is good for an hour.
func alice() Claims {
	id := Anonymous(true)
	id.User, id.Expires = "alice", epoch.Add(time.Hour)
	return Claims{Identity: id}
}

func sign(t testing.TB, c Claims, k SigningKey) string {
	t.Helper()
	token, err := Sign(c, k)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// mint makes a token of any header and payload, signed by HS256 with a key.
func mint(header, payload string, key []byte) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// mintEd is mint by EdDSA.
func mintEd(header, payload string, key ed25519.PrivateKey) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(text)))
}

const hsHeader = `{"alg":"HS256","typ":"JWT"}`

// goodPayload is alice's for an hour.
func goodPayload() string {
	return fmt.Sprintf(`{"sub":"alice","exp":%d}`, epoch.Add(time.Hour).Unix())
}

// open makes a Verifier at the time of all tests.
func open(t testing.TB, cfg Config) *Verifier {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return epoch }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	v, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// wantCode fails the test unless err is a refusal with the code, "" being none,
// that quotes nothing of the token.
func wantCode(t testing.TB, err error, code, token string) {
	t.Helper()
	var e *refusal.Error
	switch {
	case err == nil:
		if code != "" {
			t.Fatalf("accepted, want %s", code)
		}
		return
	case !errors.As(err, &e):
		t.Fatalf("%T is no refusal: %v", err, err)
	case e.Code() != code:
		t.Fatalf("%s (%v), want %q", e.Code(), err, code)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 16 && strings.Contains(err.Error(), part) {
			t.Fatalf("the sentence quotes the token: %v", err)
		}
	}
	want := http.StatusUnauthorized
	if code == CodeUnavailable {
		want = http.StatusServiceUnavailable
	}
	if e.HTTPStatus() != want {
		t.Fatalf("status %d", e.HTTPStatus())
	}
}

// keySet writes public keys as an issuer does, each under its kid.
func keySet(t testing.TB, keys map[string]crypto.PublicKey) string {
	t.Helper()
	var set jose.JSONWebKeySet
	for kid, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k, KeyID: kid, Use: "sig"})
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// issuer is a real HTTP server that publishes a key set, with a clock and a timer
// that the test moves.
type issuer struct {
	*httptest.Server
	ticks chan time.Time
	waits chan time.Duration // that the goroutine rests for: one after each reading

	mu    sync.Mutex
	time  time.Time
	paths []string
	serve http.HandlerFunc
}

func newIssuer(t testing.TB, serve http.HandlerFunc) *issuer {
	s := &issuer{time: epoch, serve: serve, ticks: make(chan time.Time), waits: make(chan time.Duration, 100)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.paths = append(s.paths, r.URL.Path)
		serve := s.serve
		s.mu.Unlock()
		serve(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// publish serves a text from now on.
func (s *issuer) publish(text string) {
	s.answer(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
}

func (s *issuer) answer(serve http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serve = serve
}

func (s *issuer) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.time
}

func (s *issuer) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.time = s.time.Add(d)
}

// requests returns the paths asked for so far.
func (s *issuer) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.paths...)
}

// config is one that reads from the issuer.
func (s *issuer) config() Config {
	return Config{
		JWKSURL: s.URL + "/jwks", JWKSTimeout: time.Minute, Now: s.now,
		after: func(d time.Duration) <-chan time.Time {
			s.waits <- d
			return s.ticks
		},
	}
}

// read waits for the end of a reading and returns the time to the next.
func (s *issuer) read(t testing.TB) time.Duration {
	t.Helper()
	select {
	case d := <-s.waits:
		return d
	case <-time.After(20 * time.Second):
		t.Fatal("no reading ended")
		return 0
	}
}

// tick makes the interval pass and waits for the reading it brings.
func (s *issuer) tick(t testing.TB) time.Duration {
	t.Helper()
	select {
	case s.ticks <- s.now():
	case <-time.After(20 * time.Second):
		t.Fatal("nobody waits for the interval")
	}
	return s.read(t)
}

// status is how it stands with a key set.
type status struct {
	keys             int
	err              error
	readings, failed uint64
}

func statusOf(v *Verifier) (st status) {
	set, _ := v.remote.keys()
	good, failed := v.Readings()
	v.remote.mu.Lock()
	defer v.remote.mu.Unlock()
	return status{len(set), v.remote.err, good + failed, failed}
}

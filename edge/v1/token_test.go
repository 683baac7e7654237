// Forged and hostile tokens, and issuers out of reach, on the wire.

package v1_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/edgetest"
	v1 "barrage/edge/v1"
	"barrage/frame"
	"barrage/internal/bounds"
)

// rsaKeys are the issuer's and a stranger's, made once: they take their time.
var rsaKeys = sync.OnceValues(func() (keys [2]*rsa.PrivateKey, err error) {
	for i := range keys {
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return keys, err
		}
	}
	return keys, nil
})

func testRSA(t testing.TB) (issuer, stranger *rsa.PrivateKey) {
	t.Helper()
	keys, err := rsaKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys[0], keys[1]
}

// jwkOf is a public key as issuers publish it.
func jwkOf(k *rsa.PrivateKey, kid string) string {
	return fmt.Sprintf(`{"kty":"RSA","use":"sig","kid":%q,"n":%q,"e":%q}`, kid,
		base64.RawURLEncoding.EncodeToString(k.N.Bytes()), base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.E)).Bytes()))
}

// forge makes a token of any header and claims; sign signs what it is given.
func forge(header, claims string, sign func([]byte) []byte) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return text + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(text)))
}

func byRSA(k *rsa.PrivateKey) func([]byte) []byte {
	return func(text []byte) []byte {
		sum := sha256.Sum256(text)
		signature, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, sum[:])
		if err != nil {
			panic(err) // not with a key of this length
		}
		return signature
	}
}

func byHMAC(secret []byte) func([]byte) []byte {
	return func(text []byte) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write(text)
		return h.Sum(nil)
	}
}

func unsigned([]byte) []byte { return nil }

// claimsFor are the issuer's claims about ann, with some changed.
func claimsFor(change map[string]any) string {
	claims := map[string]any{"sub": "ann", "aud": "chat", "iss": "https://id.example", "exp": time.Now().Add(time.Hour).Unix()}
	for name, v := range change {
		if claims[name] = v; v == nil {
			delete(claims, name)
		}
	}
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err) // not of strings and numbers
	}
	return string(text)
}

// keyServer is where an issuer publishes its keys: real HTTP, counted.
type keyServer struct {
	*httptest.Server
	requests atomic.Int32
	answer   atomic.Pointer[http.HandlerFunc]
}

func newKeyServer(t *testing.T, answer http.HandlerFunc) *keyServer {
	k := &keyServer{}
	k.answer.Store(&answer)
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.requests.Add(1)
		(*k.answer.Load())(w, r)
	}))
	t.Cleanup(k.Close)
	return k
}

// publishing answers with the issuer's key, named k1.
func publishing(t *testing.T) http.HandlerFunc {
	issuer, _ := testRSA(t)
	set := `{"keys":[` + jwkOf(issuer, "k1") + `]}`
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, set) }
}

func failing(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "down", http.StatusInternalServerError)
}

// startIssued starts a server that reads keys at url: once, and once more for the
// sake of a token, within the time of any test.
func startIssued(t *testing.T, url string, change func(*auth.Config)) *edgetest.Server {
	t.Helper()
	cfg := auth.Config{
		JWKSURL: url, JWKSInterval: 24 * time.Hour, JWKSMinInterval: time.Hour,
		Audience: "chat", Issuer: "https://id.example", Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	v, err := auth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return edgetest.Start(t, func(c *edge.Config) {
		c.Auth = v
		c.MaxMessage = 128 << 10
		c.HandshakeTimeout = edgetest.Patience
	})
}

// upgradesWith tries a token in all ways that a request has, raw and barrage.v1, and
// returns the responses.
func upgradesWith(t *testing.T, s *edgetest.Server, token string) []*http.Response {
	t.Helper()
	v1, bearer := "Sec-WebSocket-Protocol: "+v1.Subprotocol+"\r\n", "Authorization: Bearer "+token+"\r\n"
	var all []*http.Response
	for _, request := range []string{
		edgetest.UpgradeRequest("/ws?room=a&token=" + token), edgetest.UpgradeRequest("/ws?room=a", bearer),
		edgetest.UpgradeRequest("/ws?token="+token, v1), edgetest.UpgradeRequest("/ws?room=a", v1, bearer),
	} {
		_, resp := shake(t, s, request)
		all = append(all, resp)
	}
	return all
}

func wantUpgrades(t *testing.T, s *edgetest.Server, token string, status int) {
	t.Helper()
	for i, resp := range upgradesWith(t, s, token) {
		if resp.StatusCode != status {
			t.Errorf("upgrade %d: status %d, want %d: %s", i, resp.StatusCode, status, edgetest.Body(resp))
			continue
		}
		header := map[int]string{http.StatusUnauthorized: "WWW-Authenticate", http.StatusServiceUnavailable: "Retry-After"}[status]
		if header != "" && resp.Header.Get(header) == "" {
			t.Errorf("upgrade %d: status %d without %s", i, status, header)
		}
	}
}

// authWith says who it is by a first command, and returns the reply.
func authWith(t *testing.T, s *edgetest.Server, token string) (*viewer, map[string]any) {
	t.Helper()
	c := joinJSON(t, s, "/ws")
	text, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	return c, c.ask(`{"id":1,"cmd":"auth","token":` + string(text) + `}`)
}

// wantAuthRefused wants the code, no word of the token, and a client that is nobody
// still.
func wantAuthRefused(t *testing.T, s *edgetest.Server, token, want string) (reply map[string]any) {
	t.Helper()
	c, reply := authWith(t, s, token)
	if code(reply) != want {
		t.Errorf("auth: %v, want %s", reply, want)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 16 && strings.Contains(fmt.Sprint(reply), part) {
			t.Errorf("the token is in the answer: %.300v", reply)
		}
	}
	if v := c.ask(`{"id":2,"cmd":"join","room":"a"}`); code(v) != "unauthorized" {
		t.Errorf("after the refusal: %v", v)
	}
	return reply
}

// TestHostileTokens: no forged token lets anybody in, nor makes the server ask for
// what it names.
func TestHostileTokens(t *testing.T) {
	t.Parallel()
	issuer, stranger := testRSA(t)
	keys := newKeyServer(t, publishing(t))
	trap := newKeyServer(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"keys":[`+jwkOf(stranger, "k2")+`,`+jwkOf(stranger, "k1")+`]}`)
	})
	s := startIssued(t, keys.URL+"/jwks", func(c *auth.Config) { c.Secrets = [][]byte{testSecret} })

	const rs256, hs256 = `{"alg":"RS256","kid":"k1"}`, `{"alg":"HS256","kid":"k1"}`
	named := func(kid string) string {
		text, _ := json.Marshal(map[string]string{"alg": "RS256", "kid": kid})
		return string(text)
	}
	with := func(more string) string { return `{"alg":"RS256","kid":"k1",` + more + `}` }
	der, err := x509.MarshalPKIXPublicKey(issuer.Public())
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	good := claimsFor(nil)
	fromNow := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	sha512 := func(text []byte) []byte {
		sum := sha512.Sum512(text)
		signature, _ := rsa.SignPKCS1v15(nil, issuer, crypto.SHA512, sum[:])
		return signature
	}
	for _, x := range []struct{ name, token, code string }{
		{"none", forge(`{"alg":"none"}`, good, unsigned), "token_invalid"},
		{"none, with a key's name", forge(`{"alg":"none","kid":"k1"}`, good, unsigned), "token_invalid"},
		{"None", forge(`{"alg":"NoNe"}`, good, unsigned), "token_invalid"},
		{"none, signed", forge(`{"alg":"none","kid":"k1"}`, good, byRSA(issuer)), "token_invalid"},
		{"no algorithm", forge(`{"kid":"k1"}`, good, byRSA(issuer)), "token_invalid"},
		{"empty signature", forge(rs256, good, unsigned), "token_invalid"},
		{"public key as the secret, PEM", forge(hs256, good, byHMAC(asPEM)), "token_invalid"},
		{"public key as the secret, PEM without its last newline", forge(hs256, good, byHMAC(asPEM[:len(asPEM)-1])), "token_invalid"},
		{"public key as the secret, DER", forge(hs256, good, byHMAC(der)), "token_invalid"},
		{"public key as the secret, modulus", forge(hs256, good, byHMAC(issuer.N.Bytes())), "token_invalid"},
		{"public key as the secret, JWK", forge(hs256, good, byHMAC([]byte(jwkOf(issuer, "k1")))), "token_invalid"},
		{"empty secret", forge(hs256, good, byHMAC(nil)), "token_invalid"},
		{"the secret, as RS256", forge(rs256, good, byHMAC(testSecret)), "token_invalid"},
		{"another hash", forge(`{"alg":"RS512","kid":"k1"}`, good, sha512), "token_invalid"},
		{"a stranger's key", forge(rs256, good, byRSA(stranger)), "token_invalid"},
		{"changed claims", swapClaims(forge(rs256, good, byRSA(issuer)), claimsFor(map[string]any{"sub": "admin"})), "token_invalid"},

		{"expired", forge(rs256, claimsFor(map[string]any{"exp": fromNow(-time.Hour)}), byRSA(issuer)), "token_expired"},
		{"without an end", forge(rs256, claimsFor(map[string]any{"exp": nil}), byRSA(issuer)), "token_invalid"},
		{"not yet valid", forge(rs256, claimsFor(map[string]any{"nbf": fromNow(time.Hour)}), byRSA(issuer)), "token_not_yet_valid"},
		{"another audience", forge(rs256, claimsFor(map[string]any{"aud": "bank"}), byRSA(issuer)), "token_invalid"},
		{"no audience", forge(rs256, claimsFor(map[string]any{"aud": nil}), byRSA(issuer)), "token_invalid"},
		{"another issuer", forge(rs256, claimsFor(map[string]any{"iss": "https://id.example.evil"}), byRSA(issuer)), "token_invalid"},
		{"no issuer", forge(rs256, claimsFor(map[string]any{"iss": nil}), byRSA(issuer)), "token_invalid"},
		{"nobody's", forge(rs256, claimsFor(map[string]any{"sub": nil}), byRSA(issuer)), "token_invalid"},
		{"a user's room as the user", forge(rs256, claimsFor(map[string]any{"sub": "user:bob"}), byRSA(issuer)), "token_invalid"},

		{"kid is a path", forge(named("../../etc/passwd"), good, byRSA(stranger)), "token_invalid"},
		{"kid is a path, with its content as the secret", forge(`{"alg":"HS256","kid":"../../dev/null"}`, good, byHMAC(nil)), "token_invalid"},
		{"kid is SQL", forge(named(`x' UNION SELECT 'secret' --`), good, byRSA(stranger)), "token_invalid"},
		{"kid is a URL", forge(named(trap.URL+"/kid"), good, byRSA(stranger)), "token_invalid"},
		{"kid has a NUL", forge(named("k1\x00"), good, byRSA(issuer)), "token_invalid"},
		{"kid is a number", forge(`{"alg":"RS256","kid":1}`, good, byRSA(issuer)), "token_invalid"},
		{"kid is a list", forge(`{"alg":"RS256","kid":["k1"]}`, good, byRSA(issuer)), "token_invalid"},
		{"jku", forge(with(`"jku":"`+trap.URL+`/jwks"`), good, byRSA(stranger)), "token_invalid"},
		{"jku, unknown kid", forge(`{"alg":"RS256","kid":"k2","jku":"`+trap.URL+`/jwks"}`, good, byRSA(stranger)), "token_invalid"},
		{"x5u", forge(with(`"x5u":"`+trap.URL+`/cert.pem"`), good, byRSA(stranger)), "token_invalid"},
		{"jwk", forge(with(`"jwk":`+jwkOf(stranger, "k1")), good, byRSA(stranger)), "token_invalid"},
		{"crit", forge(with(`"crit":["jku"],"jku":"`+trap.URL+`"`), good, byRSA(issuer)), "token_invalid"},

		{"no token at all", "x", "token_invalid"},
		{"dots", "..", "token_invalid"},
		{"five parts", "e30.e30.e30.e30.e30", "token_invalid"},
		{"not base64", "!.!.!", "token_invalid"},
	} {
		t.Run(x.name, func(t *testing.T) {
			wantUpgrades(t, s, x.token, http.StatusUnauthorized)
			wantAuthRefused(t, s, x.token, x.code)
		})
	}
	if n := trap.requests.Load(); n != 0 {
		t.Errorf("%d requests to where tokens pointed", n)
	}
	if n := keys.requests.Load(); n > 2 {
		t.Errorf("the keys were read %d times, for unknown ones too often", n)
	}
	if n := s.Delivery.Members("a"); n != 0 {
		t.Errorf("%d got in", n)
	}
	// The same issuer's good tokens are let in, whatever else their header points to.
	for _, header := range []string{rs256, with(`"jku":"` + trap.URL + `","x5u":"` + trap.URL + `"`)} {
		token := forge(header, good, byRSA(issuer))
		wantUpgrades(t, s, token, http.StatusSwitchingProtocols)
		_, reply := authWith(t, s, token)
		okOf(t, reply)
	}
	if n := trap.requests.Load(); n != 0 {
		t.Errorf("%d requests to where good tokens pointed", n)
	}
}

// swapClaims puts other claims under a signature.
func swapClaims(token, claims string) string {
	parts := strings.Split(token, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(claims))
	return strings.Join(parts, ".")
}

// TestLongTokens: as long as a message may be, they cost an answer and no more.
func TestLongTokens(t *testing.T) {
	t.Parallel()
	issuer, _ := testRSA(t)
	keys := newKeyServer(t, publishing(t))
	s := startIssued(t, keys.URL, nil)
	long := forge(`{"alg":"RS256","kid":"k1"}`, claimsFor(map[string]any{"more": strings.Repeat("x", 48<<10)}), byRSA(issuer))
	if len(long) < 64<<10 {
		t.Fatalf("only %d bytes", len(long))
	}
	for _, token := range []string{long, strings.Repeat("x", 64<<10), strings.Repeat(".", 64<<10)} {
		wantAuthRefused(t, s, token, "token_too_long")
		for name, x := range map[string]struct {
			request string
			status  int
		}{
			"URL":    {edgetest.UpgradeRequest("/ws?room=a&token=" + token), http.StatusRequestURITooLong},
			"header": {edgetest.UpgradeRequest("/ws?room=a", "Authorization: Bearer "+token+"\r\n"), http.StatusRequestHeaderFieldsTooLarge},
		} {
			if _, resp := shake(t, s, x.request); resp.StatusCode != x.status {
				t.Errorf("%s: status %d, want %d", name, resp.StatusCode, x.status)
			}
		}
	}
	if n := keys.requests.Load(); n > 1 {
		t.Errorf("the keys were read %d times", n)
	}
}

// TestKeysOutOfReach: where keys were never read, a token is not wrong but cannot be
// checked at present.
func TestKeysOutOfReach(t *testing.T) {
	t.Parallel()
	issuer, _ := testRSA(t)
	token := forge(`{"alg":"RS256","kid":"k1"}`, claimsFor(nil), byRSA(issuer))
	down := newKeyServer(t, failing)
	down.Close()
	for name, keys := range map[string]*keyServer{
		"down":   down,
		"errors": newKeyServer(t, failing),
		"talks nonsense": newKeyServer(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<html>moved")
		}),
		"sends us elsewhere": newKeyServer(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}),
		"slow": newKeyServer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
	} {
		t.Run(name, func(t *testing.T) {
			s := startIssued(t, keys.URL, func(c *auth.Config) {
				c.JWKSTimeout = 100 * time.Millisecond
				c.Secrets = [][]byte{testSecret}
			})
			for range 10 {
				wantUpgrades(t, s, token, http.StatusServiceUnavailable)
			}
			reply := wantAuthRefused(t, s, token, "keys_unavailable")
			if e, _ := reply["error"].(map[string]any); e["retry_after"] == nil {
				t.Errorf("no word when to try again: %v", reply)
			}
			if strings.Contains(fmt.Sprint(reply), "127.0.0.1") {
				t.Errorf("a client is told where the keys are: %v", reply)
			}
			if n := keys.requests.Load(); n > 2 {
				t.Errorf("the keys were asked for %d times", n)
			}
			// Keys that are fixed need nobody.
			own := forge(`{"alg":"HS256"}`, claimsFor(nil), byHMAC(testSecret))
			wantUpgrades(t, s, own, http.StatusSwitchingProtocols)
		})
	}
}

// TestKnownKeysStayInUse: those whose keys are known come in while the issuer is down,
// and however many strangers come, it is asked once.
func TestKnownKeysStayInUse(t *testing.T) {
	t.Parallel()
	issuer, stranger := testRSA(t)
	keys := newKeyServer(t, publishing(t))
	s := startIssued(t, keys.URL, nil)
	known := forge(`{"alg":"RS256","kid":"k1"}`, claimsFor(nil), byRSA(issuer))
	wantUpgrades(t, s, known, http.StatusSwitchingProtocols) // waits for the first reading

	down := http.HandlerFunc(failing)
	keys.answer.Store(&down)
	for i := range 25 {
		unknown := forge(fmt.Sprintf(`{"alg":"RS256","kid":"s%d"}`, i), claimsFor(nil), byRSA(stranger))
		wantUpgrades(t, s, unknown, http.StatusServiceUnavailable)
		wantAuthRefused(t, s, unknown, "keys_unavailable")
		wantUpgrades(t, s, known, http.StatusSwitchingProtocols)
		_, reply := authWith(t, s, known)
		okOf(t, reply)
	}
	forged := forge(`{"alg":"RS256","kid":"k1"}`, claimsFor(nil), byRSA(stranger))
	wantUpgrades(t, s, forged, http.StatusUnauthorized)
	if n := keys.requests.Load(); n != 2 {
		t.Errorf("the issuer was asked %d times, want 2: at the start and for all strangers", n)
	}
}

// TestSlowIssuer: while the keys are read for a stranger, nobody else waits.
func TestSlowIssuer(t *testing.T) {
	t.Parallel()
	issuer, stranger := testRSA(t)
	good := publishing(t)
	keys := newKeyServer(t, good)
	s := startIssued(t, keys.URL, func(c *auth.Config) { c.JWKSTimeout = time.Minute })
	known := forge(`{"alg":"RS256","kid":"k1"}`, claimsFor(nil), byRSA(issuer))
	wantUpgrades(t, s, known, http.StatusSwitchingProtocols)

	release := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	t.Cleanup(letGo) // before the server waits for its handler
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-release
		good(w, r)
	})
	keys.answer.Store(&slow)
	unknown := forge(`{"alg":"RS256","kid":"k2"}`, claimsFor(nil), byRSA(stranger))
	waiting := edgetest.DialTCP(t, s)
	if _, err := io.WriteString(waiting, edgetest.UpgradeRequest("/ws?room=a&token="+unknown)); err != nil {
		t.Fatal(err)
	}
	command := joinJSON(t, s, "/ws")
	command.Send(frame.Text, `{"id":1,"cmd":"auth","token":"`+unknown+`"}`)
	edgetest.WaitFor(t, "the issuer to be asked", func() bool { return keys.requests.Load() == 2 })
	for range 5 {
		wantUpgrades(t, s, known, http.StatusSwitchingProtocols)
		_, reply := authWith(t, s, known)
		okOf(t, reply)
	}
	for range bounds.KeyWaiters {
		if _, err := io.WriteString(edgetest.DialTCP(t, s), edgetest.UpgradeRequest("/ws?room=a&token="+unknown)); err != nil {
			t.Fatal(err)
		}
	}
	edgetest.WaitFor(t, "as many strangers to wait as may", func() bool { return s.Stats().Tokens["refused"] >= 2 }) // the two before them
	wantUpgrades(t, s, unknown, http.StatusServiceUnavailable)
	wantUpgrades(t, s, known, http.StatusSwitchingProtocols)
	letGo()
	// 503 if the machine was so slow that they waited for too long.
	_, resp := edgetest.ShakeOn(t, waiting, "")
	if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the stranger: status %d", resp.StatusCode)
	}
	if v := command.answer(1); code(v) != "token_invalid" && code(v) != "keys_unavailable" {
		t.Errorf("the other stranger: %v", v)
	}
	if n := keys.requests.Load(); n != 2 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

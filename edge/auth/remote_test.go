package auth

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/internal/refusal"
)

// verdictOf is the code of Verify, which TryVerify must share if it has one; read
// is whether it had none.
func verdictOf(t *testing.T, v *Verifier, token string) (code string, read bool) {
	t.Helper()
	_, done, tryErr := v.TryVerify(token)
	_, err := v.Verify(context.Background(), token)
	var e, tryE *refusal.Error
	if errors.As(err, &e) {
		code = e.Code()
		wantCode(t, err, code, token)
	}
	if done && (errors.As(tryErr, &tryE) != (e != nil) || e != nil && tryE.Code() != code) {
		t.Fatalf("TryVerify: %v, Verify: %v", tryErr, err)
	}
	return code, !done
}

func wantVerdict(t *testing.T, v *Verifier, token, code string, read bool) {
	t.Helper()
	if got, gotRead := verdictOf(t, v, token); got != code || gotRead != read {
		t.Fatalf("%q, key set read for it: %t; want %q, %t", got, gotRead, code, read)
	}
}

// All types of keys, and tokens that name theirs or none.
func TestKeySet(t *testing.T) {
	k := testKeys()
	s := newIssuer(t, nil)
	s.publish(keySet(t, map[string]crypto.PublicKey{"r": k.rsa.Public(), "e": k.ecdsa.Public(), "d": k.ed.Public()}))
	v := open(t, s.config())
	if wait := s.read(t); wait != 5*time.Minute {
		t.Errorf("the next reading is in %v", wait)
	}
	for kid, key := range map[string]crypto.Signer{"r": k.rsa, "e": k.ecdsa, "d": k.ed} {
		wantVerdict(t, v, sign(t, alice(), signer(t, key, kid)), "", false)
		wantVerdict(t, v, sign(t, alice(), signer(t, key, "")), "", false)
	}
	wantVerdict(t, v, sign(t, alice(), signer(t, k.ed, "r")), CodeInvalid, false) // of another key
	wantVerdict(t, v, sign(t, alice(), signer(t, newEd25519(t), "d")), CodeInvalid, false)
	wantVerdict(t, v, sign(t, alice(), signer(t, newEd25519(t), "")), CodeInvalid, false)
	wantVerdict(t, v, mint(hsHeader, goodPayload(), publicPEM(t, k.rsa)), CodeInvalid, false)
	wantVerdict(t, v, mint(`{"alg":"HS256","kid":"new"}`, goodPayload(), secret), CodeInvalid, false)
	if got := s.requests(); len(got) != 1 {
		t.Errorf("requests: %v", got)
	}
	if st := statusOf(v); st.keys != 3 || st.err != nil || st.readings != 1 || st.failed != 0 {
		t.Errorf("%+v", st)
	}
}

// Keys that are passed over are logged with the reason: each once, not at each reading,
// and again if it comes again.
func TestPassedKeysAreLogged(t *testing.T) {
	k := testKeys()
	set := func(others ...string) string {
		good := strings.TrimSuffix(keySet(t, map[string]crypto.PublicKey{"good": k.ed.Public()}), "]}")
		return good + "," + strings.Join(append(others, `{"kty":"XYZ","kid":"`+strings.Repeat("z", 10_000)+`"}`), ",") + "]}"
	}
	const enc, ps = `{"kty":"OKP","crv":"Ed25519","kid":"enc","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, `{"kty":"oct","k":"c2VjcmV0","kid":"oct"}`
	var log bytes.Buffer // written by the goroutine between readings only
	s := newIssuer(t, nil)
	cfg := s.config()
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s.publish(set(enc, ps))
	open(t, cfg)
	s.read(t)
	first := log.String()
	for _, want := range []string{"kid=enc", "reason=\"its use is", "kid=oct", "private or symmetric", "kid=zzz"} {
		if strings.Count(first, want) != 1 {
			t.Errorf("%q is not once in %s", want, first)
		}
	}
	if strings.Count(first, "\n") != 3 || strings.Contains(first, "c2VjcmV0") || len(first) > 1500 {
		t.Errorf("got %s", first)
	}
	s.tick(t)
	if log.String() != first {
		t.Errorf("logged again: %s", log.String()[len(first):])
	}
	s.publish(set(ps))
	s.tick(t)
	s.publish(set(ps, enc))
	s.tick(t)
	if again := log.String()[len(first):]; strings.Count(again, "\n") != 1 || !strings.Contains(again, "kid=enc") {
		t.Errorf("after it had gone: %s", again)
	}
}

// A set of which no key is of use says why.
func TestNoKeyOfUse(t *testing.T) {
	_, err := parseKeySet([]byte(`{"keys":[{"kty":"EC","crv":"P-384","kid":"k"}]}`))
	if err == nil || !strings.Contains(err.Error(), `"k"`) || !strings.Contains(err.Error(), "it cannot be read") {
		t.Errorf("got %v", err)
	}
}

// Tokens may call EdDSA by its newer name, Ed25519, in the header and in the settings.
func TestEd25519ByItsNewerName(t *testing.T) {
	k := testKeys()
	s := newIssuer(t, nil)
	s.publish(keySet(t, map[string]crypto.PublicKey{"d": k.ed.Public()}))
	for _, algorithms := range [][]string{nil, {"EdDSA"}, {"Ed25519"}} {
		cfg := s.config()
		cfg.Algorithms = algorithms
		v := open(t, cfg)
		s.read(t)
		for _, alg := range []string{"EdDSA", "Ed25519"} {
			wantVerdict(t, v, mintEd(`{"alg":"`+alg+`","kid":"d"}`, goodPayload(), k.ed), "", false)
		}
		wantVerdict(t, v, mintEd(`{"alg":"Ed25519","kid":"d"}`, goodPayload(), newEd25519(t)), CodeInvalid, false)
	}
	v := open(t, Config{Secrets: [][]byte{secret}, PublicKeys: publicPEM(t, k.ed), Algorithms: []string{HS256}})
	_, err := v.Verify(context.Background(), mintEd(`{"alg":"Ed25519"}`, goodPayload(), k.ed))
	wantCode(t, err, CodeInvalid, "")
}

// A token may be verified before the first reading has ended: it waits.
func TestFirstReadingIsAwaited(t *testing.T) {
	k := testKeys().ed
	set := keySet(t, map[string]crypto.PublicKey{"a": k.Public()})
	asked, answer := make(chan struct{}), make(chan struct{})
	s := newIssuer(t, func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		fmt.Fprint(w, set)
	})
	v := open(t, s.config())
	<-asked
	for _, kid := range []string{"a", ""} {
		if _, done, err := v.TryVerify(sign(t, alice(), signer(t, k, kid))); done || err != nil {
			t.Fatalf("kid %q: %t %v", kid, done, err)
		}
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := v.Verify(gone, sign(t, alice(), signer(t, k, "a")))
	wantCode(t, err, CodeUnavailable, "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the cause is %v", errors.Unwrap(err))
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := v.Verify(context.Background(), sign(t, alice(), signer(t, k, "a"))); err != nil {
				t.Error(err)
			}
		})
	}
	close(answer)
	wg.Wait()
	if got := s.requests(); len(got) != 1 {
		t.Errorf("%d requests", len(got))
	}
}

// The keys change: the first token of a new one brings it in, and the old one
// goes.
func TestRotation(t *testing.T) {
	old, young := newEd25519(t), newEd25519(t)
	oldToken, youngToken := sign(t, alice(), signer(t, old, "old")), sign(t, alice(), signer(t, young, "young"))
	s := newIssuer(t, nil)
	s.publish(keySet(t, map[string]crypto.PublicKey{"old": old.Public()}))
	v := open(t, s.config())
	s.read(t)
	wantVerdict(t, v, oldToken, "", false)
	s.publish(keySet(t, map[string]crypto.PublicKey{"old": old.Public(), "young": young.Public()}))
	wantVerdict(t, v, youngToken, "", true)
	s.read(t)
	wantVerdict(t, v, youngToken, "", false)
	wantVerdict(t, v, oldToken, "", false)
	s.publish(keySet(t, map[string]crypto.PublicKey{"young": young.Public()}))
	s.advance(5 * time.Minute)
	s.tick(t)
	wantVerdict(t, v, oldToken, CodeInvalid, true) // looked for once more
	s.read(t)
	wantVerdict(t, v, oldToken, CodeInvalid, false)
	wantVerdict(t, v, youngToken, "", false)
	if got := s.requests(); len(got) != 4 {
		t.Errorf("%d requests", len(got))
	}
}

// However many tokens with unknown keys come, and whatever they say of keys, the
// set is read once in JWKSMinInterval, and nothing else is.
func TestRefreshIsLimited(t *testing.T) {
	k, stranger := testKeys().ed, newEd25519(t)
	elsewhere := newIssuer(t, nil)
	elsewhere.publish(keySet(t, map[string]crypto.PublicKey{"x": stranger.Public()}))
	s := newIssuer(t, nil)
	s.publish(keySet(t, map[string]crypto.PublicKey{"a": k.Public()}))
	v := open(t, s.config())
	s.read(t)
	hostile := func(i int) string {
		kids := []string{"../../etc/passwd", "x' OR '1'='1", "file:///etc/passwd", elsewhere.URL, "", "a\x00", strings.Repeat("k", 2000)}
		header := fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"jku":%q,"x5u":%q,"jwk":{"kty":"OKP"},"x5c":["AA"]}`,
			strings.ReplaceAll(kids[i%len(kids)], "\x00", "?")+fmt.Sprint(i), elsewhere.URL+"/jku", elsewhere.URL+"/x5u")
		return mintEd(header, goodPayload(), stranger)
	}
	for round := 1; round <= 3; round++ {
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				token := hostile(i)
				_, err := v.Verify(context.Background(), token)
				wantCodeOnly(t, err, CodeInvalid)
			})
		}
		wg.Wait()
		s.read(t)
		wantVerdict(t, v, hostile(round), CodeInvalid, false)
		if got := s.requests(); len(got) != 1+round {
			t.Fatalf("round %d: %d requests", round, len(got))
		}
		s.advance(10*time.Second - 1)
		wantVerdict(t, v, hostile(round), CodeInvalid, false)
		s.advance(1)
	}
	for _, path := range s.requests() {
		if path != "/jwks" {
			t.Errorf("%s was asked for", path)
		}
	}
	if got := elsewhere.requests(); len(got) != 0 {
		t.Errorf("a URL of the token was read: %v", got)
	}
	wantVerdict(t, v, sign(t, alice(), signer(t, k, "a")), "", false)
}

// wantCodeOnly is wantCode for other goroutines than the test's.
func wantCodeOnly(t *testing.T, err error, code string) {
	var e *refusal.Error
	if !errors.As(err, &e) || e.Code() != code {
		t.Errorf("%v, want %s", err, code)
	}
}

// Close ends a reading and those who wait for it; keys at hand stay good.
func TestClose(t *testing.T) {
	k := newEd25519(t)
	asked := make(chan struct{}, 1)
	s := newIssuer(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	cfg := s.config()
	cfg.Secrets = [][]byte{secret}
	v := open(t, cfg)
	<-asked
	token := sign(t, alice(), signer(t, k, "a"))
	waiting := make(chan error)
	go func() {
		_, err := v.Verify(context.Background(), token)
		waiting <- err
	}()
	v.Close()
	wantCode(t, <-waiting, CodeUnavailable, token)
	v.Close()
	wantVerdict(t, v, token, CodeUnavailable, false)
	wantVerdict(t, v, sign(t, alice(), secretKey(t)), "", false)
	if !errors.Is(statusOf(v).err, errClosed) {
		t.Errorf("%+v", statusOf(v))
	}
}

// A fixed key and the key set may both verify an algorithm: what the fixed one
// signed needs no key set, though its kid is not in it.
func TestFixedKeyBesideKeySet(t *testing.T) {
	fixed, published := newEd25519(t), newEd25519(t)
	s := newIssuer(t, nil)
	s.publish(keySet(t, map[string]crypto.PublicKey{"a": published.Public()}))
	cfg := s.config()
	cfg.PublicKeys, cfg.Secrets = publicPEM(t, fixed), [][]byte{secret}
	v := open(t, cfg)
	s.read(t)
	wantVerdict(t, v, sign(t, alice(), signer(t, fixed, "mine")), "", false)
	wantVerdict(t, v, sign(t, alice(), signer(t, published, "a")), "", false)
	late := alice()
	late.Expires = epoch.Add(-time.Hour)
	wantVerdict(t, v, sign(t, late, signer(t, fixed, "mine")), CodeExpired, false)
	wantVerdict(t, v, mint(`{"alg":"HS256","kid":"new"}`, goodPayload(), secret), "", false)
	wantVerdict(t, v, mint(`{"alg":"HS256","kid":"new"}`, goodPayload(), nil), CodeInvalid, false) // no key set helps
	if got := s.requests(); len(got) != 1 {
		t.Errorf("%d requests", len(got))
	}
}

// A token without kid is tried with few keys only, those of its algorithm.
func TestNoKidAmongMany(t *testing.T) {
	keys := map[string]crypto.PublicKey{"other": testKeys().ecdsa.Public()}
	var last SigningKey
	add := func() {
		k := newEd25519(t)
		last = signer(t, k, fmt.Sprint(len(keys)))
		keys[last.ID] = k.Public()
	}
	for range maxTries {
		add()
	}
	s := newIssuer(t, nil)
	s.publish(keySet(t, keys))
	v := open(t, s.config())
	s.read(t)
	anonymous := last
	anonymous.ID = ""
	wantVerdict(t, v, sign(t, alice(), anonymous), "", false)
	add()
	s.publish(keySet(t, keys))
	s.tick(t)
	wantVerdict(t, v, sign(t, alice(), last), "", false)
	last.ID = ""
	wantVerdict(t, v, sign(t, alice(), last), CodeInvalid, false)
}

// Readings, tokens and Close at the same time, for the race detector.
func TestStorm(t *testing.T) {
	a, b := newEd25519(t), newEd25519(t)
	sets := []string{
		keySet(t, map[string]crypto.PublicKey{"a": a.Public()}),
		keySet(t, map[string]crypto.PublicKey{"a": a.Public(), "b": b.Public()}),
	}
	s := newIssuer(t, nil)
	s.publish(sets[0])
	cfg := s.config()
	cfg.after = func(time.Duration) <-chan time.Time { return s.ticks }
	v := open(t, cfg)
	tokens := []string{sign(t, alice(), signer(t, a, "a")), sign(t, alice(), signer(t, b, "b")), sign(t, alice(), signer(t, newEd25519(t), "c"))}
	if _, err := v.Verify(context.Background(), tokens[0]); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for n := range 50 {
				s.advance(3 * time.Second)
				s.publish(sets[n%2])
				_, err := v.Verify(context.Background(), tokens[i%3])
				if i%3 == 0 && err != nil || i%3 == 2 && err == nil {
					t.Errorf("token %d: %v", i%3, err)
				}
				select {
				case s.ticks <- epoch:
				default:
				}
			}
		})
	}
	wg.Wait()
	deadline := time.Now().Add(20 * time.Second)
	for statusOf(v).readings != uint64(len(s.requests())) { // the last may be under way
		if time.Now().After(deadline) {
			t.Fatalf("%+v after %d requests", statusOf(v), len(s.requests()))
		}
		time.Sleep(time.Millisecond)
	}
	if st := statusOf(v); st.failed != 0 {
		t.Errorf("%+v", st)
	}
}

func TestReadingsWithoutKeySet(t *testing.T) {
	if good, failed := open(t, Config{Secrets: [][]byte{secret}}).Readings(); good != 0 || failed != 0 {
		t.Errorf("%d good, %d failed", good, failed)
	}
}

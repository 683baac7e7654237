package auth

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func noServer(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }

// The endpoint is down from the start: that says nothing about the tokens, and
// those with other keys do not suffer.
func TestDownAtStart(t *testing.T) {
	k := newEd25519(t)
	s := newIssuer(t, noServer)
	s.Close()
	cfg := s.config()
	cfg.Secrets = [][]byte{secret}
	v := open(t, cfg)
	wantWaits := []time.Duration{10, 20, 40, 80, 160, 300, 300}
	if wait := s.read(t); wait != wantWaits[0]*time.Second {
		t.Errorf("the next try is in %v", wait)
	}
	wantVerdict(t, v, sign(t, alice(), secretKey(t)), "", false)
	token := sign(t, alice(), signer(t, k, "a"))
	wantVerdict(t, v, token, CodeUnavailable, true)
	if wait := s.read(t); wait != wantWaits[1]*time.Second {
		t.Errorf("the next try is in %v", wait)
	}
	wantVerdict(t, v, token, CodeUnavailable, false)
	wantVerdict(t, v, sign(t, alice(), signer(t, k, "")), CodeUnavailable, false)
	for _, want := range wantWaits[2:] {
		if wait := s.tick(t); wait != want*time.Second {
			t.Errorf("the next try is in %v, want %ds", wait, want)
		}
	}
	st := statusOf(v)
	if st.err == nil || strings.Contains(st.err.Error(), "/jwks") || st.keys != 0 || st.failed != st.readings || st.readings != 7 {
		t.Errorf("%+v", st)
	}
}

// The endpoint was good once: whatever it does later, the keys stay.
func TestFaultsLater(t *testing.T) {
	k, stranger := newEd25519(t), newEd25519(t)
	set := keySet(t, map[string]crypto.PublicKey{"a": k.Public()})
	elsewhere := newIssuer(t, nil)
	elsewhere.publish(keySet(t, map[string]crypto.PublicKey{"x": stranger.Public()}))
	for _, fault := range []struct {
		name  string
		serve http.HandlerFunc
		err   string
	}{
		{"502", noServer, "answered 502"},
		{"404 with a set", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); fmt.Fprint(w, set) }, "answered 404"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "answered 302"},
		{"connection cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"body cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(set)))
			fmt.Fprint(w, set[:len(set)/2])
		}, "unexpected EOF"},
		{"oversized", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat(" ", 256<<10), set) }, "longer than 262144 bytes"},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := fmt.Fprint(w, strings.Repeat(" ", 64<<10)); err != nil {
					return
				}
			}
		}, "longer than 262144 bytes"},
		{"not JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "invalid character"},
		{"no keys", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[]}`) }, "no key"},
		{"too many keys", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"keys":[%s{}]}`, strings.Repeat("{},", maxKeys))
		}, "101 keys"},
	} {
		t.Run(fault.name, func(t *testing.T) {
			s := newIssuer(t, nil)
			s.publish(set)
			v := open(t, s.config())
			s.read(t)
			s.answer(fault.serve)
			if wait := s.tick(t); wait != 10*time.Second {
				t.Errorf("the next try is in %v", wait)
			}
			wantVerdict(t, v, sign(t, alice(), signer(t, k, "a")), "", false)
			wantVerdict(t, v, sign(t, alice(), signer(t, stranger, "x")), CodeUnavailable, true)
			s.read(t)
			st := statusOf(v)
			if st.err == nil || !strings.Contains(st.err.Error(), fault.err) || st.keys != 1 {
				t.Errorf("%+v", st)
			}
			s.publish(set)
			if wait := s.tick(t); wait != 5*time.Minute || statusOf(v).err != nil {
				t.Errorf("recovered: %v %+v", wait, statusOf(v))
			}
			wantVerdict(t, v, sign(t, alice(), signer(t, stranger, "x")), CodeInvalid, false)
		})
	}
	if got := elsewhere.requests(); len(got) != 0 {
		t.Errorf("a redirect was followed: %v", got)
	}
}

// The endpoint takes the request and says nothing.
func TestSlow(t *testing.T) {
	k := newEd25519(t)
	set := keySet(t, map[string]crypto.PublicKey{"a": k.Public()})
	s := newIssuer(t, nil)
	s.publish(set)
	cfg := s.config()
	cfg.JWKSTimeout = 10 * time.Millisecond
	v := open(t, cfg)
	for s.read(t); statusOf(v).err != nil; { // 10ms may be too short for a busy machine
		s.tick(t)
	}
	s.answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s.tick(t)
	if st := statusOf(v); !errors.Is(st.err, context.DeadlineExceeded) || st.keys != 1 {
		t.Errorf("%+v", st)
	}
	wantVerdict(t, v, sign(t, alice(), signer(t, k, "a")), "", false)
	wantVerdict(t, v, sign(t, alice(), signer(t, k, "b")), CodeUnavailable, true)
	s.read(t)
}

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"barrage/edge/auth/token"
)

const testSecret = "0123456789abcdef0123456789abcdef"

// runToken runs the token command as run does.
func runToken(t *testing.T, environ, stdin string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := tokenCommand(&process{environ: strings.Fields(environ), stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append([]string{}, args...)) // nil would be those of the test
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	code := exitOK
	if err := cmd.ExecuteContext(context.Background()); err != nil {
		complain(&stderr, err)
		code = exitUsage
		if e := (*exitError)(nil); errors.As(err, &e) {
			code = e.code
		}
	}
	return outcome{code, stdout.String(), stderr.String()}
}

// createToken makes a token that must succeed.
func createToken(t *testing.T, environ string, args ...string) string {
	t.Helper()
	got := runToken(t, environ, "", append([]string{"create"}, args...)...)
	if got.code != exitOK || got.stderr != "" || strings.Count(got.stdout, ".") != 2 {
		t.Fatalf("%+v", got)
	}
	return got.stdout
}

func keyPair(t *testing.T) (private *ecdsa.PrivateKey, privateFile, publicFile string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return k, writeFile(t, "key.pem", block("PRIVATE KEY", der)), writeFile(t, "public.pem", block("PUBLIC KEY", publicDER))
}

func TestTokenRoundTrip(t *testing.T) {
	env := "BARRAGE_AUTH_SECRET=" + testSecret
	file := writeFile(t, "secret", testSecret+"\n")
	severalFile := writeFile(t, "secrets", testSecret+"\n"+strings.Repeat("o", 32)+"\n")
	envFile := "BARRAGE_AUTH_SECRET_FILE=" + file
	k, privateFile, publicFile := keyPair(t)
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k.Public(), KeyID: "k1"}}})
	if err != nil {
		t.Fatal(err)
	}
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(set) }))
	defer issuer.Close()
	plain := token.Identity{User: "u1", Rooms: []string{"*"}, Publish: []string{"*"}, Direct: []string{"*"}}
	tests := []struct {
		name           string
		createEnv      string
		create         []string
		checkEnv       string
		check          []string
		want           token.Identity
		expiresWithinS int
	}{
		{"environment", env, []string{"--user", "u1"}, env, nil, plain, 3600},
		{"file", "", []string{"--user", "u1", "--secret-file", file}, env, nil, plain, 3600},
		{"file of the environment", envFile, []string{"--user", "u1"}, "", []string{"--secret-file", file}, plain, 3600},
		{"private key beats the environment", "BARRAGE_AUTH_SECRET=short", []string{"--user", "u1", "--key-file", privateFile}, "", []string{"--public-key-file", publicFile}, plain, 3600},
		{"the first of several secrets", "BARRAGE_AUTH_SECRET=" + testSecret + ",short", []string{"--user", "u1"}, "BARRAGE_AUTH_SECRET=" + strings.Repeat("n", 32) + "," + testSecret, nil, plain, 3600},
		{"the first of a file", "", []string{"--user", "u1", "--secret-file", severalFile}, env, nil, plain, 3600},
		{"key set", "", []string{"--user", "u1", "--key-file", privateFile, "--key-id", "k1"}, "", []string{"--jwks-url", issuer.URL}, plain, 3600},
		{"all claims", env, []string{
			"--user=u1", "--name=阿 <b>", "--avatar=https://a/b.png?c&d", "--rooms=live:*,lobby", "--pub=lobby,live:1,user:*", "--dm=bob,help-*", "--ttl=90s", "--audience=web", "--issuer=me",
		}, env, []string{"--audience=web", "--issuer=me", "--leeway=1s", "--algorithms=HS256"}, token.Identity{
			User: "u1", Name: "阿 <b>", Avatar: "https://a/b.png?c&d", Rooms: []string{"live:*", "lobby"}, Publish: []string{"lobby", "live:1", "user:*"},
			Direct: []string{"bob", "help-*"},
		}, 90},
		{"subscribe only", env, []string{"--user=u1", "--pub=false"}, env, nil, token.Identity{User: "u1", Rooms: []string{"*"}, Publish: []string{}, Direct: []string{"*"}}, 3600},
		{"writes to nobody", env, []string{"--user=u1", "--dm=false"}, env, nil, token.Identity{User: "u1", Rooms: []string{"*"}, Publish: []string{"*"}, Direct: []string{}}, 3600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := time.Now().Truncate(time.Second)
			text := createToken(t, tt.createEnv, tt.create...)
			args := append([]string{"check"}, tt.check...)
			got := runToken(t, tt.checkEnv, "", append(args, strings.TrimSpace(text))...)
			if got.code != exitOK || got.stderr != "" || strings.Contains(got.stdout, "\\u003c") {
				t.Fatalf("%+v", got)
			}
			for _, stdin := range [][]string{args, append(args, "-")} {
				if again := runToken(t, tt.checkEnv, text, stdin...); again != got {
					t.Errorf("from standard input: %+v", again)
				}
			}
			var id token.Identity
			if err := json.Unmarshal([]byte(got.stdout), &id); err != nil {
				t.Fatal(err)
			}
			ttl := time.Duration(tt.expiresWithinS) * time.Second
			if id.Expires.Before(before.Add(ttl)) || id.Expires.After(time.Now().Add(ttl)) {
				t.Errorf("expires %v, made after %v", id.Expires, before)
			}
			id.Expires = time.Time{}
			if !reflect.DeepEqual(id, tt.want) {
				t.Errorf("%+v, want %+v", id, tt.want)
			}
		})
	}
}

func TestTokenRefused(t *testing.T) {
	env := "BARRAGE_AUTH_SECRET=" + testSecret
	_, _, publicFile := keyPair(t)
	token := strings.TrimSpace(createToken(t, env, "--user=u1", "--audience=web", "--issuer=me"))
	down := httptest.NewServer(http.NotFoundHandler())
	defer down.Close()
	tests := []struct {
		name, environ, token string
		args                 []string
		holds                string
	}{
		{"audience", env, token, []string{"--audience=other"}, "token_invalid: the token is for another audience"},
		{"issuer", env, token, []string{"--issuer=other"}, "token_invalid: the token comes from another issuer"},
		{"another secret", "BARRAGE_AUTH_SECRET=" + testSecret + "x", token, nil, "token_invalid: "},
		{"another kind of key", "", token, []string{"--public-key-file", publicFile}, "token_invalid: "},
		{"nonsense", env, "nonsense", nil, "token_invalid: the token is not well-formed"},
		{"empty", env, "", nil, "token_invalid: the token is not well-formed"},
		{"64 KB", env, strings.Repeat("x", 64<<10), nil, "token_too_long: the token has 65536 bytes, want at most 8192"},
		{"no key set", "", "eyJhbGciOiJFZERTQSJ9.e30.AA", []string{"--jwks-url", down.URL}, "keys_unavailable: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := runToken(t, tt.environ, tt.token+"\n", append([]string{"check"}, tt.args...)...)
			if got.code != exitFailure || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 ||
				!strings.HasPrefix(got.stderr, "barrage: token check: "+tt.holds) {
				t.Errorf("%+v", got)
			}
			if tt.name == "no key set" && !strings.Contains(got.stderr, "answered 404") {
				t.Errorf("no cause: %s", got.stderr)
			}
		})
	}
}

func TestTokenUsage(t *testing.T) {
	env := "BARRAGE_AUTH_SECRET=" + testSecret
	file := writeFile(t, "secret", testSecret)
	_, privateFile, publicFile := keyPair(t)
	tests := []struct {
		name, environ string
		args          []string
		holds         string
	}{
		{"no verb", env, nil, "create or check"},
		{"unknown verb", env, []string{"make"}, `unknown command "make"`},
		{"no user", env, []string{"create"}, "--user is required"},
		{"no key", "", []string{"create", "--user=u"}, "BARRAGE_AUTH_SECRET"},
		{"two keys", "", []string{"create", "--user=u", "--key-file=a", "--secret-file=b"}, "secret-file"},
		{"two secrets", env + " BARRAGE_AUTH_SECRET_FILE=" + file, []string{"create", "--user=u"}, "set by both"},
		{"short secret", "BARRAGE_AUTH_SECRET=short", []string{"create", "--user=u"}, "5 bytes, want at least 32"},
		{"secret file missing", "", []string{"create", "--user=u", "--secret-file", file + "x"}, "--secret-file: "},
		{"secret file empty", "", []string{"create", "--user=u", "--secret-file", writeFile(t, "empty", "\n")}, "is empty"},
		{"key file missing", "", []string{"create", "--user=u", "--key-file", file + "x"}, "--key-file: "},
		{"key file not a key", "", []string{"create", "--user=u", "--key-file", file}, "not PEM"},
		{"public key", "", []string{"create", "--user=u", "--key-file", publicFile}, "want PRIVATE KEY"},
		{"ttl", env, []string{"create", "--user=u", "--ttl=0s"}, "--ttl is 0s"},
		{"ttl not a duration", env, []string{"create", "--user=u", "--ttl=1"}, "--ttl"},
		{"bad user", env, []string{"create", "--user=a b"}, "claim sub"},
		{"a user's room", env, []string{"create", "--user=user:a"}, "claim sub"},
		{"bad rooms", env, []string{"create", "--user=u", "--rooms=a,,b"}, "claim rooms"},
		{"bad pub", env, []string{"create", "--user=u", "--pub="}, "claim pub"},
		{"bad avatar", env, []string{"create", "--user=u", "--avatar=http://a/b"}, "claim avatar"},
		{"an argument", env, []string{"create", "--user=u", "x"}, "unknown command"},

		{"check without key", "", []string{"check", "x"}, "--jwks-url"},
		{"check with a private key", "", []string{"check", "x", "--public-key-file", privateFile}, "want PUBLIC KEY"},
		{"check, file missing", "", []string{"check", "x", "--public-key-file", file + "x"}, "--public-key-file: "},
		{"check, leeway", env, []string{"check", "x", "--leeway=6m"}, "Leeway"},
		{"check, no leeway", env, []string{"check", "x", "--leeway=0s"}, "--leeway"},
		{"check, algorithm", env, []string{"check", "x", "--algorithms=none"}, "Algorithms[0]"},
		{"check, URL", "", []string{"check", "x", "--jwks-url=ftp://x"}, "JWKSURL"},
		{"check, two arguments", env, []string{"check", "x", "y"}, "accepts at most 1 arg"},
		{"check, unknown flag", env, []string{"check", "--secret=x"}, "unknown flag"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := runToken(t, tt.environ, "", tt.args...)
			if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, tt.holds) || !strings.HasPrefix(got.stderr, "barrage: ") {
				t.Errorf("%+v", got)
			}
			if strings.Contains(fmt.Sprint(got), testSecret) {
				t.Error("the secret shows")
			}
		})
	}
}

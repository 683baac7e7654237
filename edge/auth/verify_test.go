package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

func allPEM(t testing.TB) []byte {
	k := testKeys()
	return bytes.Join([][]byte{publicPEM(t, k.rsa), publicPEM(t, k.ecdsa), publicPEM(t, k.ed)}, nil)
}

// What Sign says is what Verify hears, by each algorithm.
func TestRoundTrip(t *testing.T) {
	k := testKeys()
	v := open(t, Config{Secrets: [][]byte{[]byte("another secret, which comes first"), secret}, PublicKeys: allPEM(t), Issuer: "iss", Audience: "aud"})
	keys := map[string]SigningKey{
		HS256: secretKey(t), RS256: signer(t, k.rsa, ""), ES256: signer(t, k.ecdsa, "any kid"), EdDSA: signer(t, k.ed, ""),
	}
	full := alice()
	full.Name, full.Avatar = "阿丽丝 <b>", "https://cdn.example/a.png?s=1#x"
	full.Rooms, full.Publish = Patterns{"live:*", "lobby"}, Patterns{"lobby"}
	full.Direct = Patterns{"auth0|*", "bob"}
	mute := alice()
	mute.Publish, mute.Direct = nil, Patterns{}
	for alg, key := range keys {
		for name, c := range map[string]Claims{"least": alice(), "full": full, "mute": mute} {
			t.Run(alg+" "+name, func(t *testing.T) {
				c.Issuer, c.Audience, c.IssuedAt, c.NotBefore = "iss", "aud", epoch, epoch
				token := sign(t, c, key)
				if key.alg != alg {
					t.Errorf("a key for %s", key.alg)
				}
				want := c.Identity
				want.Expires = want.Expires.Add(30 * time.Second)
				got, err := v.Verify(context.Background(), token)
				wantCode(t, err, "", token)
				if !got.Expires.Equal(want.Expires) {
					t.Errorf("expires %v, want %v", got.Expires, want.Expires)
				}
				got.Expires = want.Expires
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%+v, want %+v", got, want)
				}
				if id, done, err := v.TryVerify(token); !done || err != nil || id.User != "alice" {
					t.Errorf("TryVerify: %+v %t %v", id, done, err)
				}
			})
		}
	}
}

// Row 42 of the fault list, as far as no key set is needed: see remote_test.go.
func TestHostileTokens(t *testing.T) {
	k := testKeys()
	rsaPEM := publicPEM(t, k.rsa)
	with := func(change func(*Claims)) string {
		c := alice()
		c.Issuer, c.Audience = "iss", "aud"
		change(&c)
		return sign(t, c, secretKey(t))
	}
	good := with(func(*Claims) {})
	payload := strings.Split(good, ".")[1]
	part := func(i int, text string) string {
		parts := strings.Split(good, ".")
		parts[i] = text
		return strings.Join(parts, ".")
	}
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	full := fmt.Sprintf(`{"sub":"alice","iss":"iss","aud":["x","aud"],"exp":%d}`, epoch.Unix()+60)
	block, _ := pem.Decode(rsaPEM)
	der := block.Bytes
	tests := []struct{ name, token, code string }{
		{"good", good, ""},
		{"aud in a list", mint(hsHeader, full, secret), ""},
		{"unknown claims and header members", mint(`{"alg":"HS256","x":[1]}`, strings.Replace(full, "{", `{"n":1e999,"o":{"sub":1},`, 1), secret), ""},

		{"alg none", b64(`{"alg":"none"}`) + "." + payload + ".", CodeInvalid},
		{"alg None", b64(`{"alg":"None"}`) + "." + payload + ".", CodeInvalid},
		{"alg none, signed", mint(`{"alg":"none"}`, full, secret), CodeInvalid},
		{"alg missing", mint(`{}`, full, secret), CodeInvalid},
		{"alg a number", mint(`{"alg":256}`, full, secret), CodeInvalid},
		{"alg twice", mint(`{"alg":"HS256","alg":"none"}`, full, secret), CodeInvalid},
		{"alg HS512", mint(`{"alg":"HS512"}`, full, secret), CodeInvalid},
		{"alg PS256", mint(`{"alg":"PS256"}`, full, secret), CodeInvalid},
		{"HS256 with the RSA key's PEM", mint(hsHeader, full, rsaPEM), CodeInvalid},
		{"HS256 with the RSA key's PEM, trimmed", mint(hsHeader, full, bytes.TrimSpace(rsaPEM)), CodeInvalid},
		{"HS256 with the RSA key's DER", mint(hsHeader, full, der), CodeInvalid},
		{"HS256 with an empty secret", mint(hsHeader, full, nil), CodeInvalid},
		{"RS256 header over HS256", mint(`{"alg":"RS256"}`, full, secret), CodeInvalid},
		{"ES256 key, not ours", sign(t, alice(), signer(t, newEd25519(t), "")), CodeInvalid},

		{"expired", with(func(c *Claims) { c.Expires = epoch.Add(-30 * time.Second) }), CodeExpired},
		{"expired within the leeway", with(func(c *Claims) { c.Expires = epoch.Add(-29 * time.Second) }), ""},
		{"nbf", with(func(c *Claims) { c.NotBefore = epoch.Add(31 * time.Second) }), CodeNotYetValid},
		{"nbf within the leeway", with(func(c *Claims) { c.NotBefore = epoch.Add(30 * time.Second) }), ""},
		{"iat in the future", with(func(c *Claims) { c.IssuedAt = epoch.Add(time.Hour) }), ""},
		{"wrong aud", with(func(c *Claims) { c.Audience = "other" }), CodeInvalid},
		{"no aud", with(func(c *Claims) { c.Audience = "" }), CodeInvalid},
		{"empty aud", mint(hsHeader, strings.Replace(full, `["x","aud"]`, "[]", 1), secret), CodeInvalid},
		{"wrong iss", with(func(c *Claims) { c.Issuer = "Iss" }), CodeInvalid},
		{"no iss", with(func(c *Claims) { c.Issuer = "" }), CodeInvalid},
		{"wrong iss and expired", with(func(c *Claims) { c.Issuer, c.Expires = "x", epoch.Add(-time.Hour) }), CodeInvalid},

		{"crit", mint(`{"alg":"HS256","crit":["b64"],"b64":false}`, full, secret), CodeInvalid},
		{"kid a path", mint(`{"alg":"HS256","kid":"../../etc/passwd"}`, full, secret), ""},
		{"kid a path, empty secret", mint(`{"alg":"HS256","kid":"../../dev/null"}`, full, nil), CodeInvalid},
		{"kid SQL", mint(`{"alg":"HS256","kid":"x' UNION SELECT 'k"}`, full, []byte("k")), CodeInvalid},
		{"kid a list", mint(`{"alg":"HS256","kid":["a"]}`, full, secret), CodeInvalid},
		{"kid null", mint(`{"alg":"HS256","kid":null}`, full, secret), CodeInvalid},

		{"64 KB", strings.Repeat("a", 64<<10), CodeTooLong},
		{"a byte too long", strings.Repeat("a", 8<<10+1), CodeTooLong},
		{"as long as may be", strings.Repeat("a", 8<<10), CodeInvalid},
		{"empty", "", CodeInvalid},
		{"dots", "..", CodeInvalid},
		{"many dots", strings.Repeat(".", 8000), CodeInvalid},
		{"four parts", good + ".x", CodeInvalid},
		{"two parts", strings.Join(strings.Split(good, ".")[:2], "."), CodeInvalid},
		{"blank before", " " + good, CodeInvalid},
		{"padding", good + "=", CodeInvalid},
		{"no signature", part(2, ""), CodeInvalid},
		{"another writing of the signature", part(2, looser(strings.Split(good, ".")[2])), CodeInvalid},
		{"another payload", part(1, b64(full)), CodeInvalid},
		{"header null", part(0, b64("null")), CodeInvalid},
		{"header a list", part(0, b64("[]")), CodeInvalid},
		{"payload null", mint(hsHeader, "null", secret), CodeInvalid},
		{"payload a list", mint(hsHeader, "[]", secret), CodeInvalid},
		{"payload not JSON", mint(hsHeader, "{", secret), CodeInvalid},
		{"payload deep", mint(hsHeader, strings.Repeat("[", 3000), secret), CodeInvalid},
		{"claims with capitals", mint(hsHeader, strings.ToUpper(full), secret), CodeInvalid},
	}
	v := open(t, Config{Secrets: [][]byte{secret}, PublicKeys: allPEM(t), Issuer: "iss", Audience: "aud"})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := v.Verify(context.Background(), tt.token)
			wantCode(t, err, tt.code, tt.token)
			if err != nil && !reflect.DeepEqual(id, Identity{}) {
				t.Errorf("refused, and yet %+v", id)
			}
			if _, done, err := v.TryVerify(tt.token); !done {
				t.Error("TryVerify wants to read a key set")
			} else {
				wantCode(t, err, tt.code, tt.token)
			}
		})
	}
	t.Run("RSA key only", func(t *testing.T) {
		v := open(t, Config{PublicKeys: rsaPEM})
		for _, key := range [][]byte{rsaPEM, der, secret, nil} {
			token := mint(hsHeader, goodPayload(), key)
			_, err := v.Verify(context.Background(), token)
			wantCode(t, err, CodeInvalid, token)
		}
	})
	t.Run("algorithm not on the list", func(t *testing.T) {
		v := open(t, Config{Secrets: [][]byte{secret}, PublicKeys: allPEM(t), Algorithms: []string{ES256}})
		for alg, key := range map[string]SigningKey{HS256: secretKey(t), RS256: signer(t, k.rsa, ""), ES256: signer(t, k.ecdsa, "")} {
			_, err := v.Verify(context.Background(), sign(t, alice(), key))
			if ok := alg == ES256; (err == nil) != ok {
				t.Errorf("%s: %v", alg, err)
			}
		}
	})
}

// looser sets a bit of the last character that decoders ignore unless they are
// strict (RFC 4648 section 3.5): 32 bytes leave two.
func looser(b64 string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(b64) - 1
	return b64[:last] + string(alphabet[strings.IndexByte(alphabet, b64[last])|1])
}

// FuzzVerify: whatever the token, there is an identity or a refusal, and the
// refusal quotes nothing of it.
func FuzzVerify(f *testing.F) {
	k := testKeys()
	v := open(f, Config{Secrets: [][]byte{secret}, PublicKeys: allPEM(f)})
	for _, key := range []SigningKey{secretKey(f), signer(f, k.rsa, "a"), signer(f, k.ecdsa, ""), signer(f, k.ed, "")} {
		f.Add(sign(f, alice(), key))
	}
	f.Add(mint(`{"alg":"none","kid":"../../etc/passwd"}`, goodPayload(), nil))
	f.Add(mint(`{"alg":"HS256","crit":[],"jku":"http://x"}`, goodPayload(), secret))
	f.Add("..")
	f.Add("eyJhbGciOiJIUzI1NiJ9.bnVsbA.")
	f.Fuzz(func(t *testing.T, token string) {
		id, err := v.Verify(context.Background(), token)
		judge(t, id, err, token)
	})
}

func isRoom(name string) bool {
	normal, err := broker.RoomName(name)
	return err == nil && normal == name
}

// judge fails the test unless a verification ended as it may.
func judge(t *testing.T, id Identity, err error, token string) {
	t.Helper()
	codes := []string{CodeInvalid, CodeExpired, CodeNotYetValid, CodeTooLong} // no key set here
	if err != nil {
		var e *refusal.Error
		if !reflect.DeepEqual(id, Identity{}) || !errors.As(err, &e) || !slices.Contains(codes, e.Code()) {
			t.Fatalf("%+v, %T %v", id, err, err)
		}
		wantCode(t, err, e.Code(), token)
		return
	}
	if err := id.check("sub"); err != nil {
		t.Fatalf("%+v: %v", id, err)
	}
	if !id.Rights().MayJoin(id.User, "user:"+id.User) || !isRoom("user:"+id.User) || id.Rights().MayJoin(id.User, "user:"+id.User+"x") || id.Rights().MayJoin(id.User, "user:") {
		t.Fatalf("%+v and its own room", id)
	}
	if !epoch.Before(id.Expires) || id.Expires.Year() > 10000 {
		t.Fatalf("expires %v", id.Expires)
	}
}

// FuzzClaims signs any payload, so that the claims are reached: what is accepted
// can be signed again and says the same.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(goodPayload()))
	for _, tt := range claimTests() {
		f.Add([]byte(tt.payload))
	}
	f.Add([]byte(`null`))
	f.Add([]byte(`{"sub":"a","exp":4e9,"exp":"x","aud":[],"iss":null}`))
	v := open(f, Config{Secrets: [][]byte{secret}, MaxToken: 64 << 10})
	f.Fuzz(func(t *testing.T, payload []byte) {
		token := mint(hsHeader, string(payload), secret)
		id, err := v.Verify(context.Background(), token)
		judge(t, id, err, token)
		if err != nil {
			return
		}
		if !json.Valid(payload) {
			t.Fatalf("%q is not JSON", payload)
		}
		again := id
		again.Expires = again.Expires.Add(-30 * time.Second)
		got, err := v.Verify(context.Background(), sign(t, Claims{Identity: again}, secretKey(t)))
		if err != nil {
			t.Fatal(err)
		}
		if len(id.Publish) == 0 { // false or a list of none
			id.Publish, got.Publish = nil, nil
		}
		if !got.Expires.Equal(id.Expires) {
			t.Fatalf("expires %v, want %v", got.Expires, id.Expires)
		}
		got.Expires = id.Expires
		if !reflect.DeepEqual(got, id) {
			t.Fatalf("%+v, want %+v", got, id)
		}
	})
}

func BenchmarkTryVerify(b *testing.B) {
	k := testKeys()
	v := open(b, Config{Secrets: [][]byte{secret}, PublicKeys: allPEM(b)})
	for _, key := range []SigningKey{secretKey(b), signer(b, k.rsa, ""), signer(b, k.ecdsa, ""), signer(b, k.ed, "")} {
		token := sign(b, alice(), key)
		b.Run("alg="+key.alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := v.TryVerify(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package auth

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"barrage/internal/broker"
)

type claimTest struct {
	name    string
	payload string
	claim   string // that the refusal names; "": accepted
}

// claimTests are payloads of which all but one claim is as it should be.
func claimTests() []claimTest {
	exp := epoch.Add(time.Hour).Unix()
	// with sets one claim, or leaves it out if the value is "".
	with := func(claim, value string) string {
		members := []string{`"sub":"u"`, fmt.Sprintf(`"exp":%d`, exp)}
		for i, m := range members {
			if strings.HasPrefix(m, `"`+claim+`"`) {
				members = append(members[:i], members[i+1:]...)
				break
			}
		}
		if value != "" {
			members = append(members, `"`+claim+`":`+value)
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	text := func(n int) string { return `"` + strings.Repeat("a", n) + `"` }
	patterns := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`"a*",`, n), ",") + "]" }
	avatar := func(n int) string { return `"https://a/` + strings.Repeat("a", n-len("https://a/")) + `"` }
	tests := []claimTest{
		{"twice, the last counts", `{"sub":1,"sub":"u","exp":` + fmt.Sprint(exp) + `}`, ""},
		{"twice, the last is wrong", `{"sub":"u","sub":1,"exp":` + fmt.Sprint(exp) + `}`, "sub"},
	}
	for _, c := range []struct {
		claim    string
		good     []string
		bad      []string
		optional bool
	}{
		{"sub", []string{`"A"`, `"0._:@-z"`, `"a:b@c"`, `"user"`, `"users:a"`, `"\u0061"`, `"auth0|5f7c8ec7"`, `"-a"`, `"_a"`, `":a"`, `"a/b"`, `"+86"`, `"{a}"`, `"ann@example.com"`, `"https://a.example/u/1"`, `"..."`, `"é"`, `"阿丽丝"`, text(256)},
			[]string{`""`, `"a b"`, `"."`, `".."`, `"a\u007f"`, `"*"`, `"a*"`, `"a\u00a0"`, `"a\u200b"`, `"\u202ea"`, `"\u0301a"`, `"a\u0000"`, `"a\n"`, `"\ud800"`, `"user:"`, `"user:a"`, text(257), text(8000 / 2), `1`, `true`, `null`, `["u"]`, `{}`}, false},
		{"exp", []string{fmt.Sprint(exp), fmt.Sprint(exp) + ".9", "4e9", "253402300799"},
			[]string{`"4000000000"`, "null", "true", "[]", "{}", "-1", "1e300", "1e999", "253402300800"}, false},
		{"nbf", []string{"0", fmt.Sprint(epoch.Unix())}, []string{`"0"`, "null", "[]", "1e999", "-1"}, true},
		{"name", []string{`""`, `"阿丽丝"`, `"<b>"`, `"\ud800"`, text(128), "null"},
			[]string{text(129), `"a\nb"`, `"\u0000"`, `"\u0085"`, "1", "[]"}, true},
		{"device", []string{`""`, `"phone"`, `"é"`, `"3b1f-9"`, text(128)},
			[]string{text(129), `"my phone"`, `"a*"`, `"a\n"`, "1", "null", "[]"}, true},
		{"avatar", []string{`""`, `"https://a/b.png"`, `"https://a:1/?b=c&d=%20#e"`, `"https://[::1]/"`, avatar(1024), "null"},
			[]string{`"http://a/"`, `"a"`, `"//a/b"`, `"javascript:alert(1)"`, `"data:image/png;base64,AA"`, `"https:///b"`, `"https://:1/b"`, `"https://u@a/"`, `"https://u:p@a/"`,
				`"https://a/\"onload"`, `"https://a/ b"`, `"https://a/<"`, `"https://a/\\"`, `"https://é/"`, `"https://a/%zz"`, avatar(1025), "1"}, true},
		{"rooms", []string{`["*"]`, `["a","b*"]`, `["*:live"]`, `["a**b"]`, `["user:auth0|*"]`, `["auth0|*"]`, `["-a?"]`, `["é*"]`, patterns(64), "[" + text(128) + "]", "[" + text(0)[:1] + "user:" + text(256)[1:] + "]"},
			[]string{`[]`, `"a"`, "null", "true", "{}", `[1]`, `["a",null]`, `[""]`, `["@a"]`, `["@*"]`, `["a b"]`, `["a\u200b*"]`, `["user:a b"]`, "[" + text(0)[:1] + "user:" + text(257)[1:] + "]", patterns(65), "[" + text(129) + "]"}, true},
		{"pub", []string{"true", "false", "[]", `["a","b*"]`, patterns(64)},
			[]string{`"true"`, "null", "0", "1", "{}", `[true]`, `[""]`, `["a\u2028b"]`, patterns(65), "[" + text(129) + "]"}, true},
		{"dm", []string{"[]", `["a","b*","auth0|7"]`, patterns(64), "[" + text(256) + "]"},
			[]string{"true", `"a"`, "null", "0", "{}", `[true]`, `[""]`, `["a b"]`, patterns(65), "[" + text(257) + "]"}, true},
		{"iat", []string{"0", `"x"`, "null"}, nil, true}, // not looked at
		{"jti", []string{"1"}, nil, true},
	} {
		for _, value := range c.good {
			tests = append(tests, claimTest{c.claim + " is " + brief(value), with(c.claim, value), ""})
		}
		for _, value := range c.bad {
			tests = append(tests, claimTest{c.claim + " is " + brief(value), with(c.claim, value), c.claim})
		}
		missing := claimTest{name: c.claim + " is missing", payload: with(c.claim, "")}
		if !c.optional {
			missing.claim = c.claim
		}
		tests = append(tests, missing)
	}
	return tests
}

func brief(s string) string {
	if len(s) > 30 {
		return fmt.Sprintf("%s… of %d", s[:20], len(s))
	}
	return s
}

// TestNamesInTokensAreNormal: an issuer may write é as two characters.
func TestNamesInTokensAreNormal(t *testing.T) {
	v := open(t, Config{Secrets: [][]byte{secret}})
	token := mint(hsHeader, `{"sub":"rene\u0301","exp":`+fmt.Sprint(epoch.Add(time.Hour).Unix())+`,"rooms":["e\u0301mission:*","直播*"],"pub":["*e\u0301"]}`, secret)
	id, err := v.Verify(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	r := id.Rights()
	if id.User != "ren\u00e9" || !r.MayJoin(id.User, "\u00e9mission:1") || !r.MayJoin(id.User, "直播间42") || r.MayJoin(id.User, "emission:1") ||
		!r.MayJoin(id.User, "user:ren\u00e9") || !r.MayPublish("\u00e9mission:\u00e9") || r.MayPublish("\u00e9mission:e") {
		t.Errorf("%+v", id)
	}
	all := Patterns{"a", "b"} // those of a default, say
	if same, err := normalPatterns("rooms", all, broker.RoomPattern, badClaim); err != nil || &same[0] != &all[0] {
		t.Error("normal patterns are copied", err)
	}
}

func TestClaims(t *testing.T) {
	v := open(t, Config{Secrets: [][]byte{secret}})
	for _, tt := range claimTests() {
		t.Run(tt.name, func(t *testing.T) {
			token := mint(hsHeader, tt.payload, secret)
			_, err := v.Verify(context.Background(), token)
			if tt.claim == "" {
				wantCode(t, err, "", token)
				return
			}
			wantCode(t, err, CodeInvalid, token)
			if !strings.Contains(err.Error(), "claim "+tt.claim+" ") && !strings.Contains(err.Error(), "here: "+tt.claim) {
				t.Errorf("%q does not name %s", err, tt.claim)
			}
		})
	}
}

// TestUserClaim: another claim than sub has the user, if that is set.
func TestUserClaim(t *testing.T) {
	const claim = "https://example.com/user"
	v := open(t, Config{Secrets: [][]byte{secret}, UserClaim: claim})
	for _, tt := range []struct{ value, user string }{
		{`"ann@example.com"`, "ann@example.com"}, {"17", "17"}, {"17.0", "17"}, {"18446744073709551615", "18446744073709551615"},
		{"-1", ""}, {"1.5", ""}, {"true", ""}, {"null", ""}, {`""`, ""}, {`["17"]`, ""},
	} {
		token := mint(hsHeader, `{"sub":"somebody else","exp":4e9,"`+claim+`":`+tt.value+`}`, secret)
		id, err := v.Verify(context.Background(), token)
		if tt.user == "" {
			wantCode(t, err, CodeInvalid, token)
			if !strings.Contains(err.Error(), "claim "+claim+" ") {
				t.Errorf("%s: %v", tt.value, err)
			}
		} else if err != nil || id.User != tt.user {
			t.Errorf("%s: %q, %v", tt.value, id.User, err)
		}
	}
	_, err := v.Verify(context.Background(), mint(hsHeader, goodPayload(), secret)) // with sub alone
	wantCode(t, err, CodeInvalid, "")
	c := alice()
	c.UserClaim = claim
	if id, err := v.Verify(context.Background(), sign(t, c, secretKey(t))); err != nil || id.User != "alice" {
		t.Errorf("signed for this claim: %+v, %v", id, err)
	}
	for _, taken := range []string{"exp", "rooms", "dm", "name"} {
		if _, err := New(Config{Secrets: [][]byte{secret}, UserClaim: taken}); err == nil || !strings.Contains(err.Error(), taken) {
			t.Errorf("%s: %v", taken, err)
		}
	}
}

// Claims of the wrong type are named where they are looked at at all.
func TestAudienceAndIssuerTypes(t *testing.T) {
	v := open(t, Config{Secrets: [][]byte{secret}, Audience: "a", Issuer: "i"})
	for _, tt := range []struct{ aud, iss, names string }{
		{`1`, `"i"`, "aud"}, {`null`, `"i"`, "aud"}, {`["a",1]`, `"i"`, "aud"}, {`{}`, `"i"`, "aud"},
		{`"a"`, `1`, "iss"}, {`"a"`, `null`, "iss"}, {`"a"`, `["i"]`, "iss"},
		{`["b","a"]`, `"i"`, ""},
	} {
		token := mint(hsHeader, fmt.Sprintf(`{"sub":"u","exp":4e9,"aud":%s,"iss":%s}`, tt.aud, tt.iss), secret)
		_, err := v.Verify(context.Background(), token)
		if tt.names == "" {
			wantCode(t, err, "", token)
			continue
		}
		wantCode(t, err, CodeInvalid, token)
		if !strings.Contains(err.Error(), "claim "+tt.names+" ") {
			t.Errorf("aud %s, iss %s: %v", tt.aud, tt.iss, err)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	for name, change := range map[string]func(*Claims){
		"exp missing":   func(c *Claims) { c.Expires = time.Time{} },
		"exp far":       func(c *Claims) { c.Expires = time.Unix(maxDate+1, 0) },
		"nbf too early": func(c *Claims) { c.NotBefore = time.Unix(-1, 0) },
		"sub missing":   func(c *Claims) { c.User = "" },
		"sub odd":       func(c *Claims) { c.User = "a b" },
		"name long":     func(c *Claims) { c.Name = strings.Repeat("é", 65) },
		"name not text": func(c *Claims) { c.Name = "\xff" },
		"avatar plain":  func(c *Claims) { c.Avatar = "http://a/b" },
		"rooms empty":   func(c *Claims) { c.Rooms = nil },
		"rooms odd":     func(c *Claims) { c.Rooms = Patterns{"a b"} },
		"pub odd":       func(c *Claims) { c.Publish = Patterns{""} },
		"dm odd":        func(c *Claims) { c.Direct = Patterns{""} },
	} {
		c := alice()
		change(&c)
		token, err := Sign(c, secretKey(t))
		wantCode(t, err, CodeInvalid, "")
		if claim, _, _ := strings.Cut(name, " "); token != "" || !strings.Contains(err.Error(), "claim "+claim+" ") {
			t.Errorf("%s: %q %v", name, token, err)
		}
	}
	if _, err := Sign(alice(), SigningKey{}); err == nil {
		t.Error("signed without a key")
	}
}

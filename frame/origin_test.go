// Which origins may connect.

package frame

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestCheckOrigin(t *testing.T) {
	list := func(entries ...string) []string { return entries }
	for _, tc := range []struct {
		name, origin, host string
		allowed            []string
		require, ok        bool
	}{
		{"none", "", "h", nil, false, true},
		{"none where required", "", "h", list("*"), true, false},
		{"same host", "http://h", "h", nil, true, true},
		{"same host and port", "http://h:8080", "h:8080", nil, false, true},
		{"same host of another case", "https://EXAMPLE.com", "example.COM", nil, false, true},
		{"default port in Host", "https://h", "h:443", nil, false, true},
		{"default port in Origin", "http://h:80", "h", nil, false, true},
		{"default port of the other scheme", "http://h", "h:443", nil, false, false},
		{"same host, other port", "http://h:8080", "h", nil, false, false},
		{"IPv6", "http://[::1]:8080", "[::1]:8080", nil, false, true},
		{"foreign", "https://evil.com", "h", nil, false, false},
		{"no Host", "https://evil.com", "", nil, false, false},
		{"port 0443", "https://h:0443", "h", nil, false, true},
		{"empty port in Host", "https://h", "h:", nil, false, true},
		{"empty port in both", "https://h:", "h:", nil, false, true},
		{"port over 65535", "http://h:65616", "h", nil, false, false},
		{"a second colon", "http://h:8080:8080", "h:8080:8080", nil, false, false},
		{"a second colon in Host", "http://h", "h:80:80", nil, false, false},
		{"IPv6 of another form", "http://[0:0::1]:80", "[::1]", nil, false, true},
		{"IPv6 without brackets", "http://::1", "::1", nil, false, false},
		{"same host, an app's scheme", "capacitor://h", "h", nil, false, false},
		{"same host, but for a dot at its end", "https://h.", "h", nil, false, false},

		{"listed", "https://example.com", "h", list("https://a.com", "https://example.com"), false, true},
		{"listed in another case", "https://example.com", "h", list("HTTPS://Example.com"), false, true},
		{"listed with another scheme", "http://example.com", "h", list("https://example.com"), false, false},
		{"listed with the default port", "https://example.com", "h", list("https://example.com:443"), false, true},
		{"listed with another port", "https://example.com:8443", "h", list("https://example.com"), false, false},
		{"listed with this port", "https://example.com:8443", "h", list("https://example.com:8443"), false, true},
		{"listed host", "http://example.com", "h", list("example.com"), false, true},
		{"listed host and port", "http://example.com:81", "h", list("example.com:81"), false, true},
		{"not the subdomain of a listed host", "https://a.example.com", "h", list("https://example.com", "example.com"), false, false},
		{"longer than listed", "https://example.com.evil.com", "h", list("https://example.com", "example.com"), false, false},
		{"an app's scheme", "capacitor://localhost", "h", list("capacitor://localhost"), false, true},
		{"an app's scheme with a port", "capacitor://localhost:80", "h", list("capacitor://localhost"), false, false},
		{"another app's scheme", "ionic://localhost", "h", list("capacitor://localhost"), false, false},
		{"a dot for a host", "app://.", "h", list("app://."), false, true},
		{"an extension", "chrome-extension://abcdefgh", "h", list("chrome-extension://abcdefgh"), false, true},
		{"another extension", "chrome-extension://ijklmnop", "h", list("chrome-extension://abcdefgh"), false, false},
		{"no host, listed", "file://", "h", list("file://"), false, true},
		{"no host, another listed", "file://", "h", list("app://."), false, false},
		{"listed IPv6 of another form", "http://[::1]:3000", "h", list("http://[0::1]:3000"), false, true},
		{"listed IPv6 host", "http://[::1]:3000", "h", list("[::1]:3000"), false, true},
		{"listed with port 080", "http://example.com", "h", list("http://example.com:080"), false, true},
		{"listed with the other scheme's port", "https://example.com:80", "h", list("http://example.com"), false, false},
		{"listed host with a scheme's own port", "https://example.com", "h", list("example.com:443"), false, true},
		{"listed host with the other scheme's own port", "http://example.com", "h", list("example.com:443"), false, false},
		{"listed in Unicode", "https://xn--fsqu00a.cn", "h", list("https://\u4f8b\u5b50.cn"), false, true},
		{"listed in Unicode with a port", "https://xn--bcher-kva.example:8443", "h", list("B\u00dcCHER.example:8443"), false, true},
		{"listed in ASCII", "https://XN--FSQU00A.cn", "h", list("https://xn--fsqu00a.cn"), false, true},
		{"subdomain of one in Unicode", "https://a.xn--fsqu00a.cn", "h", list("*.\u4f8b\u5b50.cn"), false, true},
		{"sent in Unicode", "https://\u4f8b\u5b50.cn", "h", list("https://\u4f8b\u5b50.cn"), false, false},

		{"subdomain", "https://a.example.com", "h", list("*.example.com"), false, true},
		{"deep subdomain of another case", "http://b.A.Example.com", "h", list("*.example.com"), false, true},
		{"an empty label", "https://a..example.com", "h", list("*.example.com"), false, false},
		{"an empty label first", "https://.a.example.com", "h", list("*.example.com"), false, false},
		{"an empty label at the star", "https://a..example.com", "a..example.com", nil, false, false},
		{"not the domain itself", "https://example.com", "h", list("*.example.com"), false, false},
		{"not a domain that ends so", "https://evilexample.com", "h", list("*.example.com"), false, false},
		{"not an empty subdomain", "https://.example.com", "h", list("*.example.com"), false, false},
		{"subdomain with a port", "https://a.example.com:8443", "h", list("*.example.com"), false, false},
		{"subdomain with a listed port", "https://a.example.com:8443", "h", list("*.example.com:8443"), false, true},
		{"subdomain with a scheme", "https://a.example.com", "h", list("https://*.example.com"), false, true},
		{"subdomain with another scheme", "http://a.example.com", "h", list("https://*.example.com"), false, false},
		{"path that ends so", "https://evil.com/.example.com", "h", list("*.example.com"), false, false},
		{"query that ends so", "https://evil.com?.example.com", "h", list("*.example.com"), false, false},
		{"user before the host", "https://a.example.com@evil.com", "h", list("*.example.com", "*.evil.org"), false, false},
		{"host behind a user", "https://evil.com@a.example.com", "h", list("*.example.com"), false, false},
		{"backslash", `https://evil.com\.example.com`, "h", list("*.example.com"), false, false},
		{"two origins", "https://evil.com https://a.example.com", "h", list("*.example.com"), false, false},

		{"any host of a scheme", "moz-extension://5d1b0d33-90ff", "h", list("moz-extension://*"), false, true},
		{"any host of another scheme", "chrome-extension://abc", "h", list("moz-extension://*"), false, false},
		{"any host of a scheme, its own port", "https://example.com", "h", list("https://*"), false, true},
		{"any host of a scheme, another port", "https://example.com:8443", "h", list("https://*"), false, false},
		{"any host and port of a scheme", "https://example.com:8443", "h", list("https://*:*"), false, true},
		{"any host with a port", "http://example.com:81", "h", list("*:81"), false, true},
		{"no host is any host", "file://", "h", list("file://*"), false, true},
		{"any port", "http://localhost:5173", "h", list("http://localhost:*"), false, true},
		{"any port, the scheme's own", "http://localhost", "h", list("http://localhost:*"), false, true},
		{"any port of another host", "http://localhost.evil.com:5173", "h", list("http://localhost:*"), false, false},
		{"any port of a subdomain", "http://a.example.com:5173", "h", list("*.example.com:*"), false, true},

		{"any", "https://evil.com", "h", list("*"), false, true},
		{"any, not the web's", "file://", "h", list("*"), false, true},
		{"any, malformed", "evil.com", "h", list("*"), false, true},
		{"null", "null", "h", nil, false, false},
		{"null is any", "null", "h", list("*"), false, true},
		{"null as a host", "null", "null", list("https://null"), false, false},
		{"null, listed", "null", "h", list("null"), false, true},
		{"null, listed in another case", "null", "h", list("Null"), false, true},
		{"null, listed is no other", "file://", "h", list("null"), false, false},
		{"no scheme", "://h", "h", nil, false, false},
		{"no host", "http://", "", nil, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			allowed, err := ParseOrigins(tc.allowed)
			if err != nil {
				t.Fatal(err)
			}
			err = CheckOrigin(tc.origin, tc.host, allowed, tc.require)
			if (err == nil) != tc.ok {
				t.Fatalf("%v", err)
			}
			if err != nil && status(t, err) != 403 {
				t.Errorf("status %d", status(t, err))
			}
		})
	}
}

// TestParseOrigins: entries that could never match what a browser sends are refused.
func TestParseOrigins(t *testing.T) {
	for entry, want := range map[string]string{
		"":                         "missing",
		"https://":                 "missing",
		"http://:8080":             "no host",
		"://example.com":           "scheme",
		"1http://example.com":      "scheme",
		"ht_tp://example.com":      "scheme",
		"https://example.com/":     "without a path",
		"https://\u4f8b\u5b50.cn/": "without a path",
		"example.com/path":         "without a path",
		"https://example.com?a":    "without a path",
		"https://a.*.example":      "a star may stand for",
		"*example.com":             "a star may stand for",
		"https://*.*.example":      "a star may stand for",
		"https://example.com:8*":   "a star may stand for",
		"https://*.":               "missing",
		"file://:*":                "missing",
		"http://example.com:1:*":   "no host",
		"http://a:b:c":             "no host",
		"https://a..example.com":   "no host",
		"https://*..example.com":   "no host",
		"http://::1":               "no host",
		"http://[::1":              "no host",
		"http://::1]":              "no host",
		"http://[127.0.0.1]":       "no host",
		"http://[fe80::1%25eth0]":  "no host",
		"http://[::1]8080":         "no host",
		"http://example.com:65536": "no host",
		"http://example.com:+80":   "no host",
		"http://u@example.com":     "no host",
		"https://exa mple.com":     "no host",
		"https://\u4f8b \u5b50.cn": "internationalized",
		"https://\xff.cn":          "internationalized",
	} {
		if _, err := ParseOrigins([]string{"https://ok.example", entry}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", entry, err, want)
		}
	}
}

// FuzzOrigin: only what net/url reads as the same host and port is the server's own
// page, and an entry without a star stands for itself.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"https://example.com:443", "http://[::1]:3000", "file://", "app://.", "null", "https://\u4f8b\u5b50.cn", "http://a:b:c", "HTTP://A.b:080"} {
		f.Add(s, "example.com")
		f.Add(s, strings.TrimPrefix(s, "http://"))
	}
	f.Fuzz(func(t *testing.T, origin, host string) {
		if origin == "" || origin == "*" {
			return
		}
		if CheckOrigin(origin, host, Origins{}, false) == nil {
			o, h := mustURL(t, origin), mustURL(t, strings.ToLower(origin[:strings.Index(origin, "://")])+"://"+host)
			if !sameHost(o, h) {
				t.Fatalf("%q is taken for a page of %q", origin, host)
			}
		}
		allowed, err := ParseOrigins([]string{origin})
		if err != nil || !isPrintable(origin) || strings.Contains(origin, "*") || !strings.Contains(origin, "://") {
			return
		}
		if err := CheckOrigin(origin, host, allowed, false); err != nil {
			t.Fatalf("%q does not stand for itself: %v", origin, err)
		}
	})
}

func sameHost(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		if p := strings.TrimLeft(u.Port(), "0"); p != "" {
			return p
		}
		return map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	name := func(u *url.URL) string {
		if a, err := netip.ParseAddr(u.Hostname()); err == nil {
			return a.String()
		}
		return strings.ToLower(u.Hostname())
	}
	return name(a) == name(b) && port(a) == port(b)
}

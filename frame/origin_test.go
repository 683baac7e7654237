// Which origins may connect.

package frame

import (
	"net/url"
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
		{"no host, listed", "file://", "h", list("file://"), false, true},

		{"subdomain", "https://a.example.com", "h", list("*.example.com"), false, true},
		{"deep subdomain of another case", "http://b.A.Example.com", "h", list("*.example.com"), false, true},
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
		{"star without a dot is no pattern", "https://evilexample.com", "h", list("*example.com"), false, false},

		{"any", "https://evil.com", "h", list("*"), false, true},
		{"any, but malformed", "evil.com", "h", list("*"), false, false},
		{"null", "null", "h", nil, false, false},
		{"null is not any", "null", "h", list("*"), false, false},
		{"null as a host", "null", "null", nil, false, false},
		{"null, listed", "null", "h", list("null"), false, true},
		{"no scheme", "://h", "h", nil, false, false},
		{"no host", "http://", "", nil, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := CheckOrigin(tc.origin, tc.host, tc.allowed, tc.require)
			if (err == nil) != tc.ok {
				t.Fatalf("%v", err)
			}
			if err != nil && status(t, err) != 403 {
				t.Errorf("status %d", status(t, err))
			}
		})
	}
}

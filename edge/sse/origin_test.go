// Pages of other origins.

package sse_test

import (
	"io"
	"strings"
	"testing"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/edgetest"
	"barrage/edge/hooks"
)

// TestOrigins: a page of an allowed origin may read the stream, and why it was refused; any
// other may not, nor does a cache give it what another was given.
func TestOrigins(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		c.AllowedOrigins, c.RequireOrigin = []string{"https://friend.example"}, true
	})
	for _, tc := range []struct {
		name, target, headers string
		status                int
		allowed               string
	}{
		{"allowed", "/sse?room=a", "Origin: https://friend.example\r\n", 200, "https://friend.example"},
		{"allowed, but a bad room", "/sse?room=a%20b", "Origin: https://friend.example\r\n", 400, "https://friend.example"},
		{"of the same host", "/sse?room=a", "Origin: https://example.com\r\n", 200, "https://example.com"},
		{"of the same host, as browsers ask", "/sse?room=a", "Sec-Fetch-Site: same-origin\r\n", 200, ""},
		{"without an origin", "/sse?room=a", "Sec-Fetch-Site: cross-site\r\n", 403, ""},
		{"foreign", "/sse?room=a", "Origin: https://evil.example\r\n", 403, ""},
		{"foreign, with a bad room", "/sse?room=a%20b", "Origin: https://evil.example\r\n", 403, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp := ask(t, s, get(tc.target, tc.headers)).resp
			if resp.StatusCode != tc.status || resp.Header.Get("Access-Control-Allow-Origin") != tc.allowed {
				t.Errorf("status %d, allowed %q", resp.StatusCode, resp.Header.Get("Access-Control-Allow-Origin"))
			}
			if tc.status != 403 && resp.Header.Get("Vary") != "Origin" {
				t.Errorf("Vary: %q", resp.Header.Get("Vary"))
			}
		})
	}
}

// TestCredentials: pages whose origin is allowed by name may bring cookies where one is read,
// also by a backend; elsewhere nobody may, nor where any page is let in.
func TestCredentials(t *testing.T) {
	t.Parallel()
	const page = "https://friend.example"
	tokens, err := auth.New(auth.Config{Secrets: [][]byte{[]byte(strings.Repeat("s", 32))}})
	edgetest.Must(t, err)
	t.Cleanup(tokens.Close)
	asked := edgetest.NewHooks(t, hooks.Config{Connect: hooks.ConnectConfig{URL: "http://127.0.0.1:1/", Cookies: []string{"session"}}})
	for _, tc := range []struct {
		name, allowed, cookie string
		hooks                 *hooks.Hooks
		want                  string
	}{
		{"a token", page, "live", nil, "true"},
		{"of a backend", page, "", asked, "true"},
		{"of a backend, and all pages", "*", "", asked, ""},
		{"none", page, "", nil, ""},
	} {
		s := edgetest.Start(t, func(c *edge.Config) {
			c.Auth, c.TokenCookie, c.Hooks, c.AllowedOrigins = tokens, tc.cookie, tc.hooks, []string{tc.allowed}
		})
		for what, request := range map[string]string{
			"a refusal":   get("/sse?room=a", "Origin: "+page+"\r\n"),
			"a preflight": "OPTIONS /publish HTTP/1.1\r\nHost: example.com\r\nOrigin: " + page + "\r\n\r\n",
		} {
			h := ask(t, s, request).resp.Header
			if got := h.Get("Access-Control-Allow-Credentials"); got != tc.want || h.Get("Access-Control-Allow-Origin") != page {
				t.Errorf("%s, %s: %q, want %q: %v", tc.name, what, got, tc.want, h)
			}
		}
		for _, headers := range []string{"Origin: https://evil.example\r\n", ""} {
			if got := ask(t, s, get("/sse?room=a", headers)).resp.Header.Get("Access-Control-Allow-Credentials"); got != "" {
				t.Errorf("%s, %q: %q", tc.name, headers, got)
			}
		}
	}
}

// TestPreflight: a page is told what it may send, if it may.
func TestPreflight(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { c.AllowedOrigins = []string{"https://friend.example"} })
	preflight := func(path, origin string) *stream {
		return ask(t, s, "OPTIONS "+path+" HTTP/1.1\r\nHost: example.com\r\nOrigin: "+origin+
			"\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n\r\n")
	}
	c := preflight("/sse?room=a", "https://friend.example")
	h := c.resp.Header
	if c.resp.StatusCode != 204 || h.Get("Access-Control-Allow-Origin") != "https://friend.example" ||
		h.Get("Access-Control-Allow-Methods") != "GET" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("status %d, %v", c.resp.StatusCode, h)
	}
	if body, _ := io.ReadAll(c.in); len(body) > 0 || h["Content-Length"] != nil {
		t.Errorf("with the body %q", body)
	}
	if resp := preflight("/sse?room=a", "https://evil.example").resp; resp.StatusCode != 403 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a foreign page: status %d, %v", resp.StatusCode, resp.Header)
	}
	if resp := preflight("/ws?room=a", "https://friend.example").resp; resp.StatusCode != 405 {
		t.Errorf("of a WebSocket: status %d", resp.StatusCode)
	}
}

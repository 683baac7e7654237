// Where a request's token may stand, and whose cookies count.

package edge_test

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/edgetest"
)

var tokenSecret = []byte("a secret of the tests, 32 bytes long")

// tokenFor is a token of a user, for the room named by pattern.
func tokenFor(t *testing.T, user, pattern string) string {
	t.Helper()
	key, err := auth.SecretKey(tokenSecret)
	edgetest.Must(t, err)
	token, err := auth.Sign(auth.Claims{
		Identity: auth.Identity{User: user, Rooms: auth.Patterns{pattern}, Expires: time.Now().Add(time.Hour)},
	}, key)
	edgetest.Must(t, err)
	return token
}

// withTokens has connections need one.
func withTokens(t *testing.T, c *edge.Config) {
	t.Helper()
	v, err := auth.New(auth.Config{Secrets: [][]byte{tokenSecret}})
	edgetest.Must(t, err)
	t.Cleanup(v.Close)
	c.Auth = v
}

// lockedLog is a log that may be read while it is written.
type lockedLog struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestTokenPlaces(t *testing.T) {
	t.Parallel()
	log := new(lockedLog)
	s := edgetest.Start(t, func(c *edge.Config) {
		withTokens(t, c)
		c.TokenCookie, c.AllowedOrigins = "__Host-live", []string{"https://ok.example"}
		c.SocketPaths = []string{"/ws/chat/{room}/{token}/", "/live/{room}"}
		c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	ann, bob := tokenFor(t, "ann", "a"), tokenFor(t, "bob", "a")
	ours, theirs := "Origin: http://example.com\r\n", "Origin: https://evil.example\r\n"
	cookie := func(tokens ...string) string {
		return "Cookie: x=1; y; __Host-live=" + strings.Join(tokens, "; __Host-live=") + "; z=\r\n"
	}
	subprotocols := func(list string) string { return "Sec-WebSocket-Protocol: " + list + "\r\n" }
	bearer := func(token string) string { return "Authorization: Bearer " + token + "\r\n" }
	in64 := base64.RawURLEncoding.EncodeToString([]byte(ann))
	for _, tc := range []struct {
		name, target string
		headers      string
		status       int
		subprotocol  string
	}{
		{"none", "/ws?room=a", "", 401, ""},
		{"query", "/ws?room=a&token=" + ann, "", 101, ""},
		{"empty query", "/ws?room=a&token=", bearer(ann), 101, ""},
		{"header", "/ws?room=a", bearer(ann), 101, ""},
		{"header of another kind", "/ws?room=a&token=" + ann, "Authorization: Basic eDp5\r\n", 101, ""},
		{"path", "/ws/chat/a/" + ann + "/", "", 101, ""},
		{"path without the last slash", "/ws/chat/a/" + ann, "", 101, ""},
		{"path, encoded", "/ws/ch%61t/%61/" + strings.ReplaceAll(ann, ".", "%2E"), "", 101, ""},
		{"path, encoded badly", "/ws/chat/a/%zz/", "", 400, ""},
		{"path with a room that the token is not for", "/ws/chat/b/" + ann + "/", "", 403, ""},
		{"path without a token", "/live/a", "", 401, ""},
		{"path with a query", "/live/a?token=" + ann, "", 101, ""},
		{"path, and the query is another's", "/ws/chat/a/" + ann + "/?token=" + bob, "", 400, ""},
		{"path for barrage.v1", "/ws/chat/a/" + ann, subprotocols("barrage.v1"), 101, "barrage.v1"},
		{"subprotocol", "/ws?room=a", subprotocols("barrage.v1, bearer." + ann), 101, "barrage.v1"},
		{"subprotocol first", "/ws?room=a", subprotocols("bearer."+ann) + subprotocols("barrage.v1"), 101, "barrage.v1"},
		{"subprotocol in base64url", "/ws?room=a", subprotocols("barrage.v1,bearer." + in64), 101, "barrage.v1"},
		{"subprotocol for raw", "/ws?room=a", subprotocols("barrage.raw, bearer." + ann), 101, "barrage.raw"},
		{"subprotocol alone", "/ws?room=a", subprotocols("bearer." + ann), 101, ""},
		{"subprotocol of rubbish", "/ws?room=a", subprotocols("barrage.raw, bearer.!!"), 401, "barrage.raw"},
		{"empty subprotocol", "/ws?room=a", subprotocols("barrage.raw, bearer."), 401, ""},
		{"cookie of our page", "/ws?room=a", ours + cookie(ann), 101, ""},
		{"cookie in quotes", "/ws?room=a", ours + cookie(`"`+ann+`"`), 101, ""},
		{"cookie of an allowed page", "/ws?room=a", "Origin: https://ok.example\r\n" + cookie(ann), 101, ""},
		{"cookie of another's page", "/ws?room=a", theirs + cookie(ann), 403, ""},
		{"cookie of a frame", "/ws?room=a", "Origin: null\r\n" + cookie(ann), 403, ""},
		{"cookie of nobody's page", "/ws?room=a", cookie(ann), 401, ""},
		{"cookie across sites", "/ws?room=a", "Sec-Fetch-Site: cross-site\r\n" + cookie(ann), 401, ""},
		{"cookie of our page without its name", "/ws?room=a", "Sec-Fetch-Site: same-origin\r\n" + cookie(ann), 101, ""},
		{"cookie of another name", "/ws?room=a", ours + "Cookie: live=" + ann + "\r\n", 401, ""},
		{"the same everywhere", "/ws?room=a&token=" + ann + "&token=" + ann, ours + bearer(ann) + cookie(ann, ann) + subprotocols("barrage.v1, bearer."+ann+", bearer."+in64), 101, "barrage.v1"},
		{"two queries", "/ws?room=a&token=" + ann + "&token=" + bob, "", 400, ""},
		{"query and header", "/ws?room=a&token=" + ann, bearer(bob), 400, ""},
		{"header and subprotocol", "/ws?room=a", bearer(bob) + subprotocols("barrage.v1, bearer."+ann), 400, ""},
		{"two subprotocols", "/ws?room=a", subprotocols("barrage.v1, bearer." + ann + ", bearer." + bob), 400, ""},
		{"two cookies", "/ws?room=a", ours + cookie(ann, bob), 400, ""},
		{"query and cookie", "/ws?room=a&token=" + ann, "Sec-Fetch-Site: same-origin\r\n" + cookie(bob), 400, ""},
		{"query and a cookie that does not count", "/ws?room=a&token=" + ann, cookie(bob), 101, ""},
	} {
		_, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest(tc.target, tc.headers))
		text := ""
		if resp.StatusCode != http.StatusSwitchingProtocols {
			text = edgetest.Body(resp)
		}
		// A page that is refused for its token is let in for a word about it.
		told := strings.Contains(tc.headers, "Origin") && tc.status == 400 && resp.StatusCode == 101
		if resp.StatusCode != tc.status && !told {
			t.Errorf("%s: status %d, want %d: %s", tc.name, resp.StatusCode, tc.status, text)
		}
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); resp.StatusCode == 101 && got != tc.subprotocol {
			t.Errorf("%s: subprotocol %q, want %q", tc.name, got, tc.subprotocol)
		}
		if tc.status == 400 && !told && !strings.Contains(text, "bad encoding") && !strings.Contains(text, "two different tokens, in ") {
			t.Errorf("%s: refused with %q", tc.name, text)
		}
		var head bytes.Buffer
		_ = resp.Header.Write(&head)
		if all := head.String() + text + log.String(); strings.Contains(all, ann) || strings.Contains(all, bob) || strings.Contains(all, in64) {
			t.Errorf("%s: the token is in %s", tc.name, all)
		}
	}
}

// TestCookieOfAnybody: a server that lets any page in takes nobody's cookie.
func TestCookieOfAnybody(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{"*", "null", "https://*", "moz-extension://*"} {
		if _, err := edge.New(edge.Config{MaxConnections: 1, TokenCookie: "live", AllowedOrigins: []string{origin}}); err == nil || !strings.Contains(err.Error(), "TokenCookie") {
			t.Errorf("%s: %v", origin, err)
		}
	}
	if _, err := edge.New(edge.Config{MaxConnections: 1, TokenCookie: "live", AllowedOrigins: []string{"https://*.ok.example"}}); err != nil {
		t.Error(err)
	}
}

// TestOwnPaths: nobody can take the server's own paths from it.
func TestOwnPaths(t *testing.T) {
	t.Parallel()
	for _, template := range []string{"/{room}", "/ws", "/echo/", "/healthz", "/static/{token}"} {
		_, err := edge.New(edge.Config{
			MaxConnections: 1, SocketPaths: []string{"/fine/{room}", template},
			Assets: []edge.Asset{{Path: "/static/viewer.js"}},
		})
		if err == nil || !strings.Contains(err.Error(), "ws_paths") || !strings.Contains(err.Error(), template) {
			t.Errorf("%s: %v", template, err)
		}
	}
}

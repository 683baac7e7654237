package edge

import (
	"net/http"
	"strings"
	"testing"

	"barrage/frame"
)

// TestRequests is what the public listener answers to well- and ill-formed
// requests.
func TestRequests(t *testing.T) {
	s := startServer(t, func(c *Config) {
		c.Assets = []Asset{{Path: "/", ContentType: "text/html", Body: []byte("<p>hello</p>")}}
		c.AssetHeaders = "X-Test: yes\r\n"
		c.AllowedOrigins = []string{"https://ok.example"}
		c.MaxRooms = 3
	})
	get := func(target string, headers ...string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: example.com\r\n" + strings.Join(headers, "") + "\r\n"
	}
	for _, tc := range []struct {
		name, request string
		status        int
		header, value string
	}{
		{"page", get("/"), 200, "X-Test", "yes"},
		{"head", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 200, "Content-Length", "12"},
		{"health", get("/healthz"), 200, "", ""},
		{"count", get("/count?room=a"), 200, "Content-Type", "application/json"},
		{"count of nothing", get("/count"), 400, "", ""},
		{"unknown", get("/nothing"), 404, "", ""},
		{"echo is off", upgradeRequest("/echo"), 404, "", ""},
		{"upgrade", upgradeRequest("/ws?room=a"), 101, "Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
		{"no room", upgradeRequest("/ws"), 400, "", ""},
		{"bad room", upgradeRequest("/ws?room=a/b"), 400, "", ""},
		{"empty room", upgradeRequest("/ws?room="), 400, "", ""},
		{"dots", upgradeRequest("/ws?room=.."), 400, "", ""},
		{"encoded line end", upgradeRequest("/ws?room=a%0d%0ab"), 400, "", ""},
		{"bad encoding", upgradeRequest("/ws?room=%zz"), 400, "", ""},
		{"long room", upgradeRequest("/ws?room=" + strings.Repeat("a", 129)), 400, "", ""},
		{"private room", upgradeRequest("/ws?room=user:7"), 403, "", ""},
		{"too many rooms", upgradeRequest("/ws?room=a&room=b&room=c&room=d"), 400, "", ""},
		{"not an upgrade", get("/ws?room=a"), 426, "Sec-Websocket-Version", "13"},
		{"old version", strings.Replace(upgradeRequest("/ws?room=a"), "Version: 13", "Version: 8", 1), 426, "Sec-Websocket-Version", "13"},
		{"post", "POST /ws?room=a HTTP/1.1\r\nHost: a\r\n\r\n", 405, "Allow", "GET, HEAD"},
		{"allowed origin", upgradeRequest("/ws?room=a", "Origin: https://ok.example\r\n"), 101, "", ""},
		{"own origin", upgradeRequest("/ws?room=a", "Origin: http://example.com\r\n"), 101, "", ""},
		{"foreign origin", upgradeRequest("/ws?room=a", "Origin: https://evil.example\r\n"), 403, "", ""},
		{"null origin", upgradeRequest("/ws?room=a", "Origin: null\r\n"), 403, "", ""},
		{"two hosts", strings.Replace(upgradeRequest("/ws?room=a"), "Host: example.com", "Host: a\r\nHost: b", 1), 400, "", ""},
		{"two keys", upgradeRequest("/ws?room=a", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 400, "", ""},
		{"body announced", upgradeRequest("/ws?room=a", "Content-Length: 5\r\n"), 400, "", ""},
		{"chunked", upgradeRequest("/ws?room=a", "Transfer-Encoding: chunked\r\n"), 400, "", ""},
		{"old http", strings.Replace(upgradeRequest("/ws?room=a"), "HTTP/1.1", "HTTP/1.0", 1), 400, "", ""},
		{"endless header", get("/", "X: "+strings.Repeat("x", 1<<20)), 431, "", ""},
		{"many headers", get("/", strings.Repeat("X: y\r\n", 1000)), 431, "", ""},
		{"endless target", get("/" + strings.Repeat("x", 1<<20)), 414, "", ""},
		{"garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, resp := shake(t, s, tc.request)
			if resp.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, tc.status, body(resp))
			}
			if tc.header != "" && resp.Header.Get(tc.header) != tc.value {
				t.Errorf("%s is %q, want %q", tc.header, resp.Header.Get(tc.header), tc.value)
			}
		})
	}
}

// TestSplitRequest: the request may come in any pieces.
func TestSplitRequest(t *testing.T) {
	s := startServer(t, nil)
	req := upgradeRequest("/ws?room=a")
	c := &viewer{t: t, c: dialTCP(t, s)}
	for i := range req {
		c.write([]byte(req[i : i+1]))
	}
	buf := make([]byte, 12)
	if _, err := c.c.Read(buf); err != nil || string(buf) != "HTTP/1.1 101" {
		t.Errorf("got %q, %v", buf, err)
	}
}

// TestGluedFrame: a frame behind the request in the same segment is not lost,
// and nothing behind a refused request is looked at.
func TestGluedFrame(t *testing.T) {
	s := startServer(t, nil)
	glued := string(frame.AppendMasked(nil, frame.Text, [4]byte{9, 8, 7, 6}, []byte("early bird")))
	c, resp := shake(t, s, upgradeRequest("/ws?room=a")+glued)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", resp.StatusCode)
	}
	c.want(frame.Text, "early bird")
	if _, resp := shake(t, s, upgradeRequest("/ws?room=")+glued); resp.StatusCode != 400 {
		t.Errorf("status %d, want 400", resp.StatusCode)
	}
	if got := s.Stats().Received; got != 1 {
		t.Errorf("%d messages received, want 1", got)
	}
}

func TestConnectionLimit(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxConnections = 3 })
	var cs []*viewer
	for range 3 {
		cs = append(cs, join(t, s, "/ws?room=a"))
	}
	c, resp := shake(t, s, upgradeRequest("/ws?room=a"))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Fatalf("status %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	_ = body(resp)
	c.wantEnd()
	if _, resp := shake(t, s, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"); resp.StatusCode != 200 {
		t.Errorf("a full server is not healthy: %d", resp.StatusCode)
	}
	_ = cs[0].c.Close()
	waitMembers(t, s, "a", 2)
	join(t, s, "/ws?room=a")
}

func TestPerAddressLimit(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxPerIP = 2 })
	a := join(t, s, "/ws?room=a")
	join(t, s, "/ws?room=a")
	if _, resp := shake(t, s, upgradeRequest("/ws?room=a")); resp.StatusCode != 429 {
		t.Fatalf("status %d, want 429", resp.StatusCode)
	}
	_ = a.c.Close()
	waitMembers(t, s, "a", 1)
	join(t, s, "/ws?room=a")
}

func TestDefaultRoom(t *testing.T) {
	s := startServer(t, func(c *Config) { c.DefaultRoom = "lobby" })
	c := join(t, s, "/ws")
	publishTo(t, s, "lobby", "hi")
	c.want(frame.Text, "hi")
}

package edge_test

import (
	"net/http"
	"strings"
	"testing"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/frame"
)

// TestRequests is what the public listener answers to well- and ill-formed
// requests.
func TestRequests(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) {
		c.Assets = []edge.Asset{
			{Path: "/", ContentType: "text/html", Body: []byte("<p>hello</p>")},
			{Path: "/other", ContentType: "text/javascript", Headers: "X-Own: yes\r\n", Body: []byte("0")},
			{Path: "/long", ContentType: "text/html", Body: []byte(strings.Repeat("worth compressing, ", 20))},
		}
		c.AssetHeaders = "X-Test: yes\r\n"
		c.AllowedOrigins = []string{"https://ok.example", "file://", "https://\u4f8b\u5b50.cn"}
		c.MaxRooms = 3
	})
	const tag = `W/"a5652be1ca864d36d25cfb54a41f384e"`
	get := func(target string, headers ...string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: example.com\r\n" + strings.Join(headers, "") + "\r\n"
	}
	for _, tc := range []struct {
		name, request string
		status        int
		header, value string
	}{
		{"page", get("/"), 200, "X-Test", "yes"},
		{"file with headers of its own", get("/other"), 200, "X-Own", "yes"},
		{"file with no others", get("/other"), 200, "X-Test", ""},
		{"head", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 200, "Content-Length", "12"},
		{"page's tag", get("/"), 200, "Etag", tag},
		{"page that is known", get("/", "If-None-Match: "+tag+"\r\n"), 304, "Etag", tag},
		{"head of a page that is known", "HEAD / HTTP/1.1\r\nHost: a\r\nIf-None-Match: " + tag + "\r\n\r\n", 304, "Vary", "Accept-Encoding"},
		{"page that is known otherwise", get("/long", "If-None-Match: "+tag+"\r\n"), 200, "Content-Length", "380"},
		{"page of which no length is told", get("/", "If-None-Match: "+tag+"\r\n"), 304, "Content-Length", ""},
		{"page, compressed", get("/long", "Accept-Encoding: br, gzip\r\n"), 200, "Content-Encoding", "gzip"},
		{"page, shorter as it is", get("/", "Accept-Encoding: gzip\r\n"), 200, "Content-Length", "12"},
		{"page, not compressed", get("/long", "Accept-Encoding: gzip;q=0\r\n"), 200, "Content-Encoding", ""},
		{"health", get("/healthz"), 200, "", ""},
		{"count", get("/count?room=a"), 200, "Content-Type", "application/json"},
		{"count of a quote", get("/count?room=a%22%5C"), 200, "", `{"room":"a\"\\","members":0}`},
		{"count in another form", get("/count?room=e%CC%81"), 200, "", `{"room":"é","members":0}`},
		{"count of nothing", get("/count"), 400, "", ""},
		{"unknown", get("/nothing"), 404, "", ""},
		{"echo is off", edgetest.UpgradeRequest("/echo"), 404, "", ""},
		{"upgrade", edgetest.UpgradeRequest("/ws?room=a"), 101, "Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
		{"two lines of a list", edgetest.UpgradeRequest("/ws?room=a", "Connection: keep-alive\r\n", "Upgrade: h2c\r\n"), 101, "Upgrade", "websocket"},
		{"page with two lines of a list", get("/", "Connection: keep-alive\r\nConnection: x\r\n"), 200, "", ""},
		{"no room", edgetest.UpgradeRequest("/ws"), 400, "", ""},
		{"bad room", edgetest.UpgradeRequest("/ws?room=a*b"), 400, "", ""},
		{"empty room", edgetest.UpgradeRequest("/ws?room="), 400, "", ""},
		{"dots", edgetest.UpgradeRequest("/ws?room=.."), 400, "", ""},
		{"encoded line end", edgetest.UpgradeRequest("/ws?room=a%0d%0ab"), 400, "", ""},
		{"bad encoding", edgetest.UpgradeRequest("/ws?room=%zz"), 400, "", ""},
		{"long room", edgetest.UpgradeRequest("/ws?room=" + strings.Repeat("a", 129)), 400, "", ""},
		{"private room", edgetest.UpgradeRequest("/ws?room=user:7"), 403, "", ""},
		{"too many rooms", edgetest.UpgradeRequest("/ws?room=a&room=b&room=c&room=d"), 400, "", ""},
		{"not an upgrade", get("/ws?room=a"), 426, "Sec-Websocket-Version", "13"},
		{"old version", strings.Replace(edgetest.UpgradeRequest("/ws?room=a"), "Version: 13", "Version: 8", 1), 426, "Sec-Websocket-Version", "13"},
		{"post", "POST /ws?room=a HTTP/1.1\r\nHost: a\r\n\r\n", 405, "Allow", "GET, HEAD"},
		{"allowed origin", edgetest.UpgradeRequest("/ws?room=a", "Origin: https://ok.example\r\n"), 101, "", ""},
		{"own origin", edgetest.UpgradeRequest("/ws?room=a", "Origin: http://example.com\r\n"), 101, "", ""},
		{"foreign origin", edgetest.UpgradeRequest("/ws?room=a", "Origin: https://evil.example\r\n"), 403, "", ""},
		{"origin without a host", edgetest.UpgradeRequest("/ws?room=a", "Origin: file://\r\n"), 101, "", ""},
		{"allowed origin in ASCII", edgetest.UpgradeRequest("/ws?room=a", "Origin: https://xn--fsqu00a.cn\r\n"), 101, "", ""},
		{"null origin", edgetest.UpgradeRequest("/ws?room=a", "Origin: null\r\n"), 403, "", ""},
		{"two hosts", strings.Replace(edgetest.UpgradeRequest("/ws?room=a"), "Host: example.com", "Host: a\r\nHost: b", 1), 400, "", ""},
		{"two keys", edgetest.UpgradeRequest("/ws?room=a", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 400, "", ""},
		{"body announced", edgetest.UpgradeRequest("/ws?room=a", "Content-Length: 5\r\n"), 400, "", ""},
		{"chunked", edgetest.UpgradeRequest("/ws?room=a", "Transfer-Encoding: chunked\r\n"), 400, "", ""},
		{"old http", strings.Replace(edgetest.UpgradeRequest("/ws?room=a"), "HTTP/1.1", "HTTP/1.0", 1), 400, "", ""},
		{"16 KiB of cookies", edgetest.UpgradeRequest("/ws?room=a&token="+strings.Repeat("x", 7<<10), "Cookie: "+strings.Repeat("x", 16<<10)+"\r\n"), 101, "", ""},
		{"endless header", get("/", "X: "+strings.Repeat("x", 1<<20)), 431, "", ""},
		{"many headers", get("/", strings.Repeat("X: y\r\n", 1000)), 431, "", ""},
		{"endless target", get("/" + strings.Repeat("x", 1<<20)), 414, "", ""},
		{"garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, resp := edgetest.Shake(t, s, tc.request)
			if resp.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, tc.status, edgetest.Body(resp))
			}
			if body := edgetest.Body(resp); tc.header == "" && tc.value != "" && body != tc.value+"\n" {
				t.Errorf("body %s, want %s", body, tc.value)
			}
			if tc.header != "" && resp.Header.Get(tc.header) != tc.value {
				t.Errorf("%s is %q, want %q", tc.header, resp.Header.Get(tc.header), tc.value)
			}
		})
	}
}

// TestSplitRequest: the request may come in any pieces.
func TestSplitRequest(t *testing.T) {
	s := edgetest.Start(t, nil)
	req := edgetest.UpgradeRequest("/ws?room=a")
	c := &edgetest.Viewer{T: t, Conn: edgetest.DialTCP(t, s)}
	for i := range req {
		c.Write([]byte(req[i : i+1]))
	}
	buf := make([]byte, 12)
	if _, err := c.Conn.Read(buf); err != nil || string(buf) != "HTTP/1.1 101" {
		t.Errorf("got %q, %v", buf, err)
	}
}

// TestGluedFrame: a frame behind the request in the same segment is not lost,
// and nothing behind a refused request is looked at.
func TestGluedFrame(t *testing.T) {
	s := edgetest.Start(t, nil)
	glued := string(frame.AppendMasked(nil, frame.Text, [4]byte{9, 8, 7, 6}, []byte("early bird")))
	c, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=a")+glued)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", resp.StatusCode)
	}
	c.Want(frame.Text, "early bird")
	if _, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=")+glued); resp.StatusCode != 400 {
		t.Errorf("status %d, want 400", resp.StatusCode)
	}
	if got := s.Stats().Received; got != 1 {
		t.Errorf("%d messages received, want 1", got)
	}
}

func TestConnectionLimit(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) { c.MaxConnections = 3 })
	var cs []*edgetest.Viewer
	for range 3 {
		cs = append(cs, edgetest.Join(t, s, "/ws?room=a"))
	}
	c, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=a"))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Fatalf("status %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	_ = edgetest.Body(resp)
	c.WantEnd()
	if _, resp := edgetest.Shake(t, s, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"); resp.StatusCode != 200 {
		t.Errorf("a full server is not healthy: %d", resp.StatusCode)
	}
	_ = cs[0].Conn.Close()
	edgetest.WaitMembers(t, s, "a", 2)
	edgetest.Join(t, s, "/ws?room=a")
}

func TestPerAddressLimit(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) { c.MaxPerIP = 2 })
	a := edgetest.Join(t, s, "/ws?room=a")
	edgetest.Join(t, s, "/ws?room=a")
	if _, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=a")); resp.StatusCode != 429 {
		t.Fatalf("status %d, want 429", resp.StatusCode)
	}
	_ = a.Conn.Close()
	edgetest.WaitMembers(t, s, "a", 1)
	edgetest.Join(t, s, "/ws?room=a")
}

func TestDefaultRoom(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) { c.DefaultRoom = "lobby" })
	c := edgetest.Join(t, s, "/ws")
	edgetest.PublishTo(t, s, "lobby", "hi")
	c.Want(frame.Text, "hi")
}

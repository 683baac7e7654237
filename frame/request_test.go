// Requests: what is refused, and why.

package frame

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// chromeRequest is what a browser sends, about 600 bytes.
const chromeRequest = "GET /ws?room=music%2F1&room=news&token=abc HTTP/1.1\r\n" +
	"Host: live.example.com\r\n" +
	"Connection: Upgrade\r\n" +
	"Pragma: no-cache\r\n" +
	"Cache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n" +
	"Upgrade: websocket\r\n" +
	"Origin: https://live.example.com\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: zh-CN,zh;q=0.9,en;q=0.8\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
	"Sec-WebSocket-Protocol: barrage.v1, other\r\n" +
	"\r\n"

// status is the status of an *HTTPError, 0 for nil.
func status(t testing.TB, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *HTTPError
	if !errors.As(err, &e) || e.Reason == "" {
		t.Fatalf("error %v (%T) is not an *HTTPError with a reason", err, err)
	}
	return e.Status
}

func TestParseRequest(t *testing.T) {
	glued := "\x81\x85frame behind the head\r\n\r\n"
	buf := []byte(chromeRequest + glued)
	r, n, err := ParseRequest(buf)
	if err != nil || n != len(chromeRequest) || string(buf[n:]) != glued {
		t.Fatalf("n %d, error %v", n, err)
	}
	clear(buf) // the request must not depend on the read buffer
	got := []string{r.Method, r.Target, r.Path, r.RawQuery, r.Host, r.Origin}
	want := []string{"GET", "/ws?room=music%2F1&room=news&token=abc", "/ws", "room=music%2F1&room=news&token=abc",
		"live.example.com", "https://live.example.com"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for name, want := range map[string]string{
		"sec-websocket-protocol": "barrage.v1, other", "PRAGMA": "no-cache", "Authorization": "", "Host": "live.example.com",
		"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8", "": "", "Pragma:": "",
	} {
		if got := r.Header(name); got != want {
			t.Errorf("Header(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestParseRequestCut: no prefix of a good head is refused or taken as whole.
func TestParseRequestCut(t *testing.T) {
	for i := range len(chromeRequest) {
		if _, n, err := ParseRequest([]byte(chromeRequest[:i])); n != 0 || err != nil {
			t.Fatalf("cut at %d: n %d, error %v", i, n, err)
		}
	}
}

func TestParseRequestRules(t *testing.T) {
	host := "Host: h\r\n"
	get := "GET / HTTP/1.1\r\n"
	for _, tc := range []struct {
		name, head string // without the empty line
		want       int
	}{
		{"minimal", get + host, 0},
		{"HEAD", "HEAD / HTTP/1.1\r\n" + host, 0},
		{"empty value", get + host + "X:\r\n", 0},
		{"space around a value", get + "Host: \t h \t\r\n", 0},
		{"tab in a value", get + host + "X: a\tb\r\n", 0},
		{"UTF-8 in a value", get + host + "X: \u00fc\r\n", 0},
		{"token characters", get + host + "!#$%&'*+-.^_`|~09azAZ: x\r\n", 0},
		{"repeated header of a list", get + host + "Accept: a\r\nAccept: b\r\n", 0},
		{"absolute form", "GET http://other:80/p?q HTTP/1.1\r\n" + host, 0},
		{"IPv6 host", get + "Host: [::1]:8080\r\n", 0},
		{"HTTP/1.0 without Host", "GET /healthz HTTP/1.0\r\n", 0},
		{"no body said", get + host + "Content-Length: 0\r\n", 0},
		{"same length as Content-Length", get + host + "Accept-Charset: x\r\n", 0},
		{"same length as Key", get + host + "X-Seventeen-Chars: x\r\n", 0},

		{"empty line first", "\r\n" + get + host, 400},
		{"no request line", "", 400},
		{"no version", "GET /\r\n" + host, 400},
		{"two spaces", "GET  / HTTP/1.1\r\n" + host, 400},
		{"space in the target", "GET /a b HTTP/1.1\r\n" + host, 400},
		{"space after the version", "GET / HTTP/1.1 \r\n" + host, 400},
		{"tab for a space", "GET\t/ HTTP/1.1\r\n" + host, 400},
		{"version in lower case", "GET / http/1.1\r\n" + host, 400},
		{"version HTTP/1", "GET / HTTP/1\r\n" + host, 400},
		{"version HTTP/11.1", "GET / HTTP/11.1\r\n" + host, 400},
		{"version HTTP/1.x", "GET / HTTP/1.x\r\n" + host, 400},
		{"HTTP/2.0", "GET / HTTP/2.0\r\n" + host, 505},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n", 505},
		{"HTTP/0.9 with a version", "GET / HTTP/0.9\r\n" + host, 505},
		{"method with a slash", "GE/T / HTTP/1.1\r\n" + host, 400},
		{"TLS hello", "\x16\x03\x01\x02\x00\x01", 400},
		{"NUL in the target", "GET /\x00 HTTP/1.1\r\n" + host, 400},
		{"UTF-8 in the target", "GET /\u00fc HTTP/1.1\r\n" + host, 400},
		{"fragment in the target", "GET /#x HTTP/1.1\r\n" + host, 400},
		{"target is no path", "GET ws HTTP/1.1\r\n" + host, 400},
		{"asterisk", "GET * HTTP/1.1\r\n" + host, 400},
		{"absolute form without a host", "GET http:///p HTTP/1.1\r\n" + host, 400},
		{"absolute form with a user", "GET http://u@h/p HTTP/1.1\r\n" + host, 400},
		{"absolute form of another scheme", "GET ftp://h/p HTTP/1.1\r\n" + host, 400},

		{"POST", "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n", 0},
		{"POST without a body", "POST / HTTP/1.1\r\n" + host, 0},
		{"POST in chunks", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: Chunked\r\n", 0},
		{"POST in chunks with a length", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400},
		{"POST in chunks with HTTP/1.0", "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n", 400},
		{"POST in chunks twice", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
		{"POST compressed", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n", 400},
		{"POST with two lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 5\r\n", 400},
		{"POST with a list of lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 5, 5\r\n", 400},
		{"POST with a negative length", "POST / HTTP/1.1\r\n" + host + "Content-Length: -5\r\n", 400},
		{"POST with a length past all numbers", "POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n", 0},
		{"PUT", "PUT / HTTP/1.1\r\n" + host, 405},
		{"OPTIONS", "OPTIONS * HTTP/1.1\r\n" + host, 400},
		{"OPTIONS of a path", "OPTIONS / HTTP/1.1\r\n" + host, 0},
		{"OPTIONS with a body", "OPTIONS / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n", 400},
		{"method in lower case", "get / HTTP/1.1\r\n" + host, 405},

		{"bare LF in the request line", "GET / HTTP/1.1\n" + host, 400},
		{"bare LF after a header", get + "Host: h\nX: y\r\n", 400},
		{"bare LF alone on a line", get + host + "\n", 400},
		{"bare LF before a header", get + "\n" + host, 400},
		{"bare CR in a value", get + host + "X: a\rb\r\n", 400},
		{"NUL in a value", get + host + "X: a\x00b\r\n", 400},
		{"DEL in a value", get + host + "X: a\x7fb\r\n", 400},
		{"control character in a name", get + host + "X\x01: a\r\n", 400},
		{"folded line", get + host + "X: a\r\n b\r\n", 400},
		{"folded with a tab", get + host + "X: a\r\n\tb: c\r\n", 400},
		{"folded first header", get + " Host: h\r\n", 400},
		{"space before the colon", get + host + "X : a\r\n", 400},
		{"no colon", get + host + "X\r\n", 400},
		{"no name", get + host + ": x\r\n", 400},
		{"UTF-8 in a name", get + host + "\u00fc: x\r\n", 400},

		{"no Host", get, 400},
		{"absolute form without Host", "GET http://h/ HTTP/1.1\r\n", 400},
		{"empty Host", get + "Host:\r\n", 400},
		{"Host with a path", get + "Host: a/b\r\n", 400},
		{"two hosts in one line", get + "Host: a, b\r\n", 400},
		{"two hosts in one line, without a space", get + "Host: a,b\r\n", 400},
		{"Host with a port", get + "Host: a:080\r\n", 0},
		{"Host with an empty port", get + "Host: a:\r\n", 0},
		{"Host with _ and ~", get + "Host: my_app~x\r\n", 0},
		{"Host with a second colon", get + "Host: a:1:2\r\n", 400},
		{"Host with a port that is none", get + "Host: a:http\r\n", 400},
		{"Host with a port over 65535", get + "Host: a:65536\r\n", 400},
		{"Host with only a port", get + "Host: :80\r\n", 400},
		{"IPv6 host without brackets", get + "Host: ::1\r\n", 400},
		{"IPv6 host without its end", get + "Host: [::1\r\n", 400},
		{"IPv4 host in brackets", get + "Host: [127.0.0.1]\r\n", 400},
		{"absolute form with a second colon", "GET http://h:80:80/p HTTP/1.1\r\n" + host, 400},
		{"duplicate Host", get + host + host, 400},
		{"duplicate Host of another case", get + host + "hOST: h\r\n", 400},
		{"duplicate Host, the same as the target's", "GET http://h/ HTTP/1.1\r\n" + host + host, 400},
		{"duplicate Sec-WebSocket-Key", get + host + "Sec-WebSocket-Key: x\r\nSec-WebSocket-Key: x\r\n", 400},
		{"duplicate Sec-WebSocket-Version", get + host + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n", 400},
		{"two lines of Upgrade", get + host + "Upgrade: websocket\r\nUpgrade: h2c\r\n", 0},
		{"two lines of Connection", get + host + "Connection: keep-alive\r\nConnection: Upgrade\r\n", 0},
		{"duplicate Origin", get + host + "Origin: http://h\r\nOrigin: http://x\r\n", 400},
		{"duplicate Authorization", get + host + "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", 400},
		{"duplicate Content-Length", get + host + "Content-Length: 0\r\nContent-Length: 0\r\n", 400},
		{"Content-Length", get + host + "Content-Length: 5\r\n", 400},
		{"Content-Length 00", get + host + "Content-Length: 00\r\n", 0},
		{"Content-Length +0", get + host + "Content-Length: +0\r\n", 400},
		{"empty Content-Length", get + host + "Content-Length:\r\n", 400},
		{"Transfer-Encoding", get + host + "Transfer-Encoding: chunked\r\n", 400},
		{"Transfer-Encoding identity", get + host + "transfer-encoding: identity\r\n", 400},
		{"100 headers", get + host + strings.Repeat("X: y\r\n", 99), 0},
		{"101 headers", get + host + strings.Repeat("X: y\r\n", 100), 431},
	} {
		t.Run(tc.name, func(t *testing.T) {
			head := tc.head + "\r\n"
			_, n, err := ParseRequest([]byte(head + "glued"))
			if got := status(t, err); got != tc.want {
				t.Fatalf("status %d (%v), want %d", got, err, tc.want)
			}
			if err != nil && n != 0 || err == nil && n != len(head) {
				t.Errorf("n %d of %d", n, len(head))
			}
			checkPrefixes(t, []byte(head))
		})
	}
}

func checkPrefixes(t *testing.T, b []byte) {
	t.Helper()
	for i := range b {
		checkPrefix(t, b, i)
	}
}

// checkPrefix: a head is refused early only as it would be refused whole.
func checkPrefix(t *testing.T, b []byte, cut int) {
	t.Helper()
	_, n, err := ParseRequest(b)
	want := status(t, err)
	_, m, err := ParseRequest(b[:cut])
	if got := status(t, err); got != 0 && got != want {
		t.Fatalf("%q: status %d after %d bytes, %d after all", b, got, cut, want)
	}
	if m != 0 && m != n {
		t.Fatalf("%q: a head of %d bytes after %d bytes, of %d after all", b, m, cut, n)
	}
}

// TestParseRequestEarly: what is wrong already is not waited for.
func TestParseRequestEarly(t *testing.T) {
	for _, tc := range []struct {
		name, begin string
		want        int
	}{
		{"TLS hello", "\x16\x03\x01", 400},
		{"LF line ends", "GET / HTTP/1.1\n", 400},
		{"LF line ends in the headers", "GET / HTTP/1.1\r\nHost: h\n", 400},
		{"LF after the request line", "GET / HTTP/1.1\r\n\n", 400},
		{"malformed header", "GET / HTTP/1.1\r\nHost h\r\n", 400},
		{"two keys", "GET / HTTP/1.1\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Key: a\r\n", 400},
		{"too many headers", "GET / HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", maxHeaders+1), 431},
		{"as many headers as may be", "GET / HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", maxHeaders), 0},
		{"PUT", "PUT / HTTP/1.1\r\n", 405},
		{"HTTP/2", "PRI * HTTP/2.0\r\n", 505},
		{"request line at the cap", "GET /" + strings.Repeat("x", maxRequestLine-5), 414},
		{"request line one below the cap", "GET /" + strings.Repeat("x", maxRequestLine-6), 0},
		{"request line that ends at the cap", "GET /" + strings.Repeat("x", maxRequestLine-16) + " HTTP/1.1\r\n", 0},
		{"request line that ends past the cap", "GET /" + strings.Repeat("x", maxRequestLine-15) + " HTTP/1.1\r\n", 414},
		{"whole head with such a line", "GET /" + strings.Repeat("x", maxRequestLine-15) + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
		{"request line of the whole cap", "GET /" + strings.Repeat("x", MaxRequest), 414},
		{"16 KiB of cookies", "GET / HTTP/1.1\r\nHost: h\r\nCookie: " + strings.Repeat("x", 16<<10) + "\r\n\r\n", 0},
		{"head at the cap", sized(MaxRequest + 1)[:MaxRequest], 431},
		{"head one below the cap", sized(MaxRequest + 1)[:MaxRequest-1], 0},
		{"head ending past the cap", sized(MaxRequest + 1), 431},
		{"megabytes", sized(2 << 20), 431},
		{"head just in the cap", sized(MaxRequest), 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, n, err := ParseRequest([]byte(tc.begin))
			if got := status(t, err); got != tc.want {
				t.Errorf("status %d, want %d", got, tc.want)
			}
			if whole := err == nil && strings.HasSuffix(tc.begin, "\r\n\r\n"); (n > 0) != whole {
				t.Errorf("n %d", n)
			}
		})
	}
}

// sized is a good head of n bytes but for its length.
func sized(n int) string {
	begin := "GET / HTTP/1.1\r\nHost: h\r\nX: "
	return begin + strings.Repeat("x", n-len(begin)-4) + "\r\n\r\n"
}

func TestSplitTarget(t *testing.T) {
	for _, tc := range []struct{ target, host, path, query string }{
		{"/", "h", "/", ""},
		{"/a/b?c=d&e", "h", "/a/b", "c=d&e"},
		{"/?", "h", "/", ""},
		{"/a?b?c", "h", "/a", "b?c"},
		{"/a?u=http://x/y", "h", "/a", "u=http://x/y"},
		{"//a", "h", "//a", ""},
		{"http://other", "other", "/", ""},
		{"HTTPS://other:8443/a?b", "other:8443", "/a", "b"},
		{"http://other?b", "other", "/", "b"},
	} {
		r, _, err := ParseRequest([]byte("GET " + tc.target + " HTTP/1.1\r\nHost: h\r\n\r\n"))
		if err != nil || r.Host != tc.host || r.Path != tc.path || r.RawQuery != tc.query || r.Target != tc.target {
			t.Errorf("%s: %q %q %q, %v", tc.target, r.Host, r.Path, r.RawQuery, err)
		}
	}
}

func TestHeaderJoined(t *testing.T) {
	r, _, err := ParseRequest([]byte("GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\na: 3 \r\nA:\r\n\r\n"))
	if err != nil || r.Header("A") != "1, 3, " || r.Header("b") != "2" || r.Header("C") != "" {
		t.Errorf("%q %q, %v", r.Header("A"), r.Header("b"), err)
	}
}

func TestQuery(t *testing.T) {
	for _, tc := range []struct {
		query, key string
		want       []string
		bad        bool
	}{
		{"room=a&room=b&x=c", "room", []string{"a", "b"}, false},
		{"x=c", "room", nil, false},
		{"", "room", nil, false},
		{"room", "room", []string{""}, false},
		{"room=", "room", []string{""}, false},
		{"&&room=a&", "room", []string{"a"}, false},
		{"&", "", nil, false},
		{"room=a=b", "room", []string{"a=b"}, false},
		{"room=%E5%BC%B9+%2B&ro%6fm=2", "room", []string{"\u5f39 +", "2"}, false},
		{"room=%00", "room", []string{"\x00"}, false},
		{"room=a;room=b", "room", []string{"a;room=b"}, false},
		{"Room=a", "room", nil, false},
		{"room=%zz", "room", nil, true},
		{"room=a&x=%1", "room", nil, true},
		{"%=a&room=b", "room", nil, true},
	} {
		r := Request{RawQuery: tc.query}
		got, err := r.Query(tc.key)
		if !slices.Equal(got, tc.want) || (err != nil) != tc.bad {
			t.Errorf("%q: %q, %v", tc.query, got, err)
		}
		if tc.bad && status(t, err) != 400 {
			t.Errorf("%q: %v", tc.query, err)
		}
	}
}

// TestRequestCopies: what a session keeps of a request must not keep the head.
func TestRequestCopies(t *testing.T) {
	r, _, err := ParseRequest([]byte(chromeRequest))
	if err != nil {
		t.Fatal(err)
	}
	rooms, err := r.Query("token")
	if err != nil || len(rooms) != 1 {
		t.Fatalf("%q, %v", rooms, err)
	}
	for s, whole := range map[string]string{rooms[0]: r.RawQuery, r.Header("User-Agent"): r.headers} {
		at := strings.Index(whole, s)
		if unsafe.StringData(s) == unsafe.StringData(whole[at:]) {
			t.Errorf("%q is part of the head", s)
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		chromeRequest,
		"GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n\x81\x80",
		"HEAD / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nX:\ty\r\n\r\n",
		"GET / HTTP/1.1\nHost: h\n\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\r\n folded: x\r\n\r\n",
		"GET / HTTP/2.0\r\n\r\n",
	} {
		f.Add([]byte(s), uint16(len(s)/2))
		f.Add([]byte(s), uint16(20))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		checkPrefix(t, b, int(cut)%(len(b)+1))
		r, n, err := ParseRequest(b)
		if err != nil {
			out := AppendError(nil, errAs(t, err))
			if n != 0 || !strings.HasPrefix(string(out), fmt.Sprintf("HTTP/1.1 %d ", status(t, err))) {
				t.Fatalf("n %d, response %q", n, out)
			}
			return
		}
		if n == 0 {
			if len(b) >= MaxRequest {
				t.Fatalf("waits for more than %d bytes", len(b))
			}
			return
		}
		checkAgainstNetHTTP(t, b[:n], &r)
		if err := r.CheckUpgrade(); err == nil {
			AppendUpgrade(nil, &r, "", true)
		} else {
			status(t, err)
		}
		if _, err := r.Query("room"); err != nil {
			status(t, err)
		}
		if err := CheckOrigin(r.Origin, r.Host, Origins{}, true); err != nil {
			status(t, err)
		}
	})
}

func errAs(t testing.TB, err error) *HTTPError {
	t.Helper()
	var e *HTTPError
	if !errors.As(err, &e) {
		t.Fatalf("%T is not an *HTTPError", err)
	}
	return e
}

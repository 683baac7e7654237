// The server's side of the handshake.

package frame

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// checkAgainstNetHTTP: what we accept, the standard library reads the same way.
func checkAgainstNetHTTP(t *testing.T, head []byte, r *Request) {
	t.Helper()
	ref, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		if strings.Contains(err.Error(), "invalid URL escape") || strings.Contains(err.Error(), "parse ") {
			return // it decodes paths, we do not
		}
		t.Fatalf("%q: accepted, but net/http says %v", head, err)
	}
	if ref.Method != r.Method || ref.RequestURI != r.Target || ref.Host != r.Host || ref.URL.RawQuery != r.RawQuery {
		t.Fatalf("%q: got %+v, net/http %+v", head, r, ref)
	}
	for name, values := range ref.Header {
		if name == "Cache-Control" && ref.Header.Get("Pragma") != "" {
			continue // net/http may have made it up from the Pragma
		}
		if got, want := r.Header(name), strings.Join(values, ", "); got != want {
			t.Fatalf("%q: header %s is %q, in net/http %q", head, name, got, want)
		}
	}
}

// edit returns chromeRequest with one line replaced, or removed if with is empty.
func edit(name, with string) string {
	var out strings.Builder
	for line := range strings.SplitAfterSeq(chromeRequest, "\r\n") {
		if !strings.HasPrefix(line, name+":") {
			out.WriteString(line)
		} else if with != "" {
			out.WriteString(with + "\r\n")
		}
	}
	return out.String()
}

func TestCheckUpgrade(t *testing.T) {
	line := func(method, version string) string {
		return strings.NewReplacer("GET ", method+" ", " HTTP/1.1", " "+version).Replace(chromeRequest)
	}
	for _, tc := range []struct {
		name, request string
		upgrade       bool
		want          int
	}{
		{"browser", chromeRequest, true, 0},
		{"other case", edit("Upgrade", "uPGRADE: WebSocket"), true, 0},
		{"Firefox", edit("Connection", "Connection: keep-alive, Upgrade"), true, 0},
		{"several protocols to upgrade to", edit("Upgrade", "Upgrade: h2c , websocket"), true, 0},
		{"two lines of Connection", edit("Connection", "Connection: keep-alive\r\nX: y\r\nconnection: Upgrade"), true, 0},
		{"the same line of Connection twice", edit("Connection", "Connection: Upgrade\r\nConnection: Upgrade"), true, 0},
		{"an empty line of Connection", edit("Connection", "Connection:\r\nConnection: , foo ,Upgrade\r\nConnection:"), true, 0},
		{"two lines of Upgrade", edit("Upgrade", "Upgrade: h2c\r\nUpgrade: websocket"), true, 0},
		{"two lines of Upgrade, the other way round", edit("Upgrade", "Upgrade: websocket\r\nUpgrade: h2c/2"), true, 0},
		{"two lines of Upgrade to something else", edit("Upgrade", "Upgrade: h2c\r\nUpgrade: TLS/1.0"), false, 426},
		{"two lines of Connection without upgrade", edit("Connection", "Connection: keep-alive\r\nConnection: close"), true, 400},
		{"upgrade cut by a line's end", edit("Connection", "Connection: Up\r\nConnection: grade"), true, 400},
		{"no Origin", edit("Origin", ""), true, 0},
		{"no upgrade at all", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", false, 426},
		{"no Upgrade header", edit("Upgrade", ""), false, 426},
		{"upgrade to something else", edit("Upgrade", "Upgrade: h2c"), false, 426},
		{"upgrade to something longer", edit("Upgrade", "Upgrade: websockets"), false, 426},
		{"upgrade with a long s", edit("Upgrade", "Upgrade: web\u017focket"), false, 426},
		{"no Connection", edit("Connection", ""), true, 400},
		{"Connection: close", edit("Connection", "Connection: close"), true, 400},
		{"HEAD", line("HEAD", "HTTP/1.1"), true, 405},
		{"HTTP/1.0", line("GET", "HTTP/1.0"), true, 400},
		{"no version", edit("Sec-WebSocket-Version", ""), true, 426},
		{"version 12", edit("Sec-WebSocket-Version", "Sec-WebSocket-Version: 12"), true, 426},
		{"version 013", edit("Sec-WebSocket-Version", "Sec-WebSocket-Version: 013"), true, 426},
		{"two versions", edit("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8"), true, 426},
		{"no key", edit("Sec-WebSocket-Key", ""), true, 400},
		{"empty key", edit("Sec-WebSocket-Key", "Sec-WebSocket-Key:"), true, 400},
		{"key of 15 bytes", edit("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"), true, 400},
		{"key of 17 bytes", edit("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZXg="), true, 400},
		{"key of 18 bytes", edit("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZXh5"), true, 400},
		{"key with a bad character", edit("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q=="), true, 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, n, err := ParseRequest([]byte(tc.request))
			if err != nil || n != len(tc.request) {
				t.Fatalf("n %d of %d, %v", n, len(tc.request), err)
			}
			if got := r.IsUpgrade(); got != tc.upgrade {
				t.Errorf("IsUpgrade %v", got)
			}
			err = r.CheckUpgrade()
			if got := status(t, err); got != tc.want {
				t.Fatalf("status %d (%v), want %d", got, err, tc.want)
			}
			if err != nil {
				checkRefusal(t, errAs(t, err))
			}
		})
	}
}

// checkRefusal reads a refusal back with net/http and looks for the headers that
// belong to its status.
func checkRefusal(t *testing.T, e *HTTPError) {
	t.Helper()
	resp, body := readResponse(t, AppendError(nil, e), http.MethodGet)
	if resp.StatusCode != e.Status || !resp.Close || body != e.Reason+"\n" {
		t.Errorf("response %+v, body %q", resp, body)
	}
	switch e.Status {
	case 426:
		if resp.Header.Get("Sec-WebSocket-Version") != "13" || resp.Header.Get("Upgrade") != "websocket" {
			t.Errorf("426 without its headers: %v", resp.Header)
		}
	case 405:
		if resp.Header.Get("Allow") == "" {
			t.Errorf("405 without Allow: %v", resp.Header)
		}
	}
}

func readResponse(t *testing.T, b []byte, method string) (*http.Response, string) {
	t.Helper()
	r := bufio.NewReader(bytes.NewReader(b))
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || r.Buffered() != 0 {
		t.Fatalf("%q: %v, %d bytes left", b, err, r.Buffered())
	}
	return resp, string(body)
}

func TestAppendUpgrade(t *testing.T) {
	for _, subprotocol := range []string{"", "barrage.v1"} {
		r, _, err := ParseRequest([]byte(chromeRequest))
		if err != nil {
			t.Fatal(err)
		}
		resp, _ := readResponse(t, AppendUpgrade(nil, &r, subprotocol, false), http.MethodGet)
		want := map[string]string{
			"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Protocol": subprotocol,
			"Sec-Websocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", // of the key in RFC 6455 section 1.3
		}
		for name, value := range want {
			if got := resp.Header.Get(name); got != value {
				t.Errorf("%s: %q, want %q", name, got, value)
			}
		}
		if resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
			t.Errorf("%+v", resp)
		}
	}
}

// TestUpgradeAgainstWS lets the library's client shake hands with us.
func TestUpgradeAgainstWS(t *testing.T) {
	conn := answering(t, func(r *Request) []byte {
		if !r.Offers("barrage.v1") {
			t.Error("subprotocol not seen")
		}
		return AppendFrame(AppendUpgrade(nil, r, "barrage.v1", false), Text, []byte("hello"))
	})
	d := ws.Dialer{Protocols: []string{"other", "barrage.v1"}}
	u := mustURL(t, "ws://h:1234/ws?room=a")
	br, hs, err := d.Upgrade(conn, u)
	if err != nil || hs.Protocol != "barrage.v1" {
		t.Fatalf("%+v, %v", hs, err)
	}
	var r io.Reader = conn
	if br != nil {
		r = br
	}
	if _, payload := readFrame(t, r); string(payload) != "hello" {
		t.Errorf("%q", payload)
	}
}

// answering is a connection on which answer is what comes back for a request.
func answering(t *testing.T, answer func(*Request) []byte) io.ReadWriter {
	var request []byte
	answered := new(bytes.Buffer)
	return struct {
		io.Reader
		io.Writer
	}{readerFunc(func(p []byte) (int, error) {
		if answered.Len() == 0 {
			r, n, err := ParseRequest(request)
			if err != nil || n != len(request) {
				t.Fatalf("n %d, %v", n, err)
			}
			if err := r.CheckUpgrade(); err != nil {
				t.Fatal(err)
			}
			answered.Write(answer(&r))
		}
		return answered.Read(p)
	}), writerFunc(func(p []byte) (int, error) {
		request = append(request, p...)
		return len(p), nil
	})}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestOffers(t *testing.T) {
	r, _, err := ParseRequest([]byte("GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Protocol: Barrage.v1 ,barrage.v1\r\nSec-WebSocket-Protocol: x,,y\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"barrage.v1": true, "Barrage.v1": true, "BARRAGE.V1": false, "x": true, "y": true, "": false, "barrage": false} {
		if got := r.Offers(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestAppendResponse(t *testing.T) {
	out := AppendResponse([]byte("before"), 200, "text/html", "X-A: 1\r\nX-B: 2\r\n", []byte("<p>"))
	resp, body := readResponse(t, bytes.TrimPrefix(out, []byte("before")), http.MethodGet)
	if resp.StatusCode != 200 || resp.Status != "200 OK" || body != "<p>" || resp.ContentLength != 3 || !resp.Close ||
		resp.Header.Get("Content-Type") != "text/html" || resp.Header.Get("X-A") != "1" || resp.Header.Get("X-B") != "2" {
		t.Errorf("%+v, %q", resp, body)
	}
	head := AppendResponse(nil, 200, "text/html", "", []byte("<p>"))
	resp, _ = readResponse(t, head[:len(head)-3], http.MethodHead)
	if resp.ContentLength != 3 {
		t.Errorf("HEAD: %+v", resp)
	}
	resp, _ = readResponse(t, AppendResponse(nil, 404, "", "", nil), http.MethodGet)
	if resp.StatusCode != 404 || resp.Header["Content-Type"] != nil || resp.ContentLength != 0 {
		t.Errorf("%+v", resp)
	}
	e := &HTTPError{Status: 503, Reason: "too many connections", Header: "Retry-After: 5\r\n"}
	resp, body = readResponse(t, AppendError(nil, e), http.MethodGet)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "5" || body != "too many connections\n" {
		t.Errorf("%+v, %q", resp, body)
	}
}

func TestErrors(t *testing.T) {
	for want, err := range map[string]error{
		"frame: continuation of no message (close code 1002)":     protocolError("continuation of no message"),
		"frame: request refused with 400: malformed request line": errRequestLine(),
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
	for op, want := range map[Opcode]string{Continuation: "continuation", Text: "text", Binary: "binary", Close: "close",
		Ping: "ping", Pong: "pong", 3: "reserved(3)"} {
		if op.String() != want {
			t.Errorf("%q, want %q", op, want)
		}
	}
}

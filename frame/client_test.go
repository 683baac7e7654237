// The client's side of the handshake.

package frame

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ==" // RFC 6455 section 1.3, with its answer
	sampleAnswer = "HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"Sec-WebSocket-Protocol: barrage.v1\r\n" +
		"\r\n"
)

func sampleRequest() ClientRequest {
	return ClientRequest{
		Target:       "/ws?room=music%2F1",
		Host:         "live.example.com:8080",
		Key:          NewKey([16]byte([]byte("the sample nonce"))),
		Subprotocols: []string{"other", "barrage.v1"},
		Header:       []string{"Origin: https://example.com", "X-Empty:", "X-Tab: a\tb"},
	}
}

// TestAppendClientRequest: what is sent, our server's side reads as it was meant.
func TestAppendClientRequest(t *testing.T) {
	out, err := AppendClientRequest([]byte("before"), sampleRequest())
	if err != nil {
		t.Fatal(err)
	}
	head, ok := bytes.CutPrefix(out, []byte("before"))
	r, n, err := ParseRequest(head)
	if !ok || err != nil || n != len(head) {
		t.Fatalf("%q: n %d, %v", out, n, err)
	}
	if err := r.CheckUpgrade(); err != nil {
		t.Error(err)
	}
	checkAgainstNetHTTP(t, head, &r)
	if r.Target != "/ws?room=music%2F1" || r.Host != "live.example.com:8080" || r.Origin != "https://example.com" ||
		r.key == "" || r.Header("Sec-WebSocket-Protocol") != "other, barrage.v1" || r.Header("X-Tab") != "a\tb" {
		t.Errorf("%q", head)
	}
	least := ClientRequest{Target: "/", Host: "h", Key: r.key}
	if out, err = AppendClientRequest(nil, least); err != nil || strings.Contains(string(out), "Protocol") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestAppendClientRequestRefuses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(*ClientRequest)
		field string
	}{
		{"line break in the target", func(r *ClientRequest) { r.Target = "/\r\nX: y" }, "Target"},
		{"space in the target", func(r *ClientRequest) { r.Target = "/a b" }, "Target"},
		{"fragment", func(r *ClientRequest) { r.Target = "/#a" }, "Target"},
		{"bytes over ASCII in the target", func(r *ClientRequest) { r.Target = "/\u5f39" }, "Target"},
		{"absolute target", func(r *ClientRequest) { r.Target = "http://h/" }, "Target"},
		{"no target", func(r *ClientRequest) { r.Target = "" }, "Target"},
		{"line break in the host", func(r *ClientRequest) { r.Host = "h\r\n" }, "Host"},
		{"no host", func(r *ClientRequest) { r.Host = "" }, "Host"},
		{"no key", func(r *ClientRequest) { r.Key = "" }, "Key"},
		{"short key", func(r *ClientRequest) { r.Key = "AAAA" }, "Key"},
		{"line break in a subprotocol", func(r *ClientRequest) { r.Subprotocols = []string{"a", "b\n"} }, "Subprotocols"},
		{"empty subprotocol", func(r *ClientRequest) { r.Subprotocols = []string{""} }, "Subprotocols"},
		{"list as a subprotocol", func(r *ClientRequest) { r.Subprotocols = []string{"a,b"} }, "Subprotocols"},
		{"same subprotocol twice", func(r *ClientRequest) { r.Subprotocols = []string{"a", "b", "a"} }, "Subprotocols"},
		{"line break in a header", func(r *ClientRequest) { r.Header = []string{"A: b\r\nC: d"} }, "Header"},
		{"NUL in a header", func(r *ClientRequest) { r.Header = []string{"A: \x00"} }, "Header"},
		{"no colon", func(r *ClientRequest) { r.Header = []string{"A"} }, "Header"},
		{"no name", func(r *ClientRequest) { r.Header = []string{": b"} }, "Header"},
		{"space after the name", func(r *ClientRequest) { r.Header = []string{"A : b"} }, "Header"},
		{"second host", func(r *ClientRequest) { r.Header = []string{"hOST: b"} }, "Header"},
		{"extension", func(r *ClientRequest) { r.Header = []string{"sec-websocket-extensions: permessage-deflate"} }, "Header"},
		{"body", func(r *ClientRequest) { r.Header = []string{"Content-Length: 0"} }, "Header"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := sampleRequest()
			tc.spoil(&r)
			out, err := AppendClientRequest([]byte("before"), r)
			if err == nil || !strings.HasPrefix(err.Error(), "frame: invalid "+tc.field) {
				t.Errorf("error is %v, want one about %s", err, tc.field)
			}
			if string(out) != "before" {
				t.Errorf("%q was appended", out)
			}
		})
	}
}

// handshakeErr is err as a *HandshakeError, nil for nil.
func handshakeErr(t testing.TB, err error) *HandshakeError {
	t.Helper()
	if err == nil {
		return nil
	}
	var e *HandshakeError
	if !errors.As(err, &e) || e.Reason == "" || len(e.Line) > maxLine {
		t.Fatalf("error %v (%T) is not a *HandshakeError with a reason", err, err)
	}
	return e
}

func TestParseResponse(t *testing.T) {
	glued := "\x81\x05frame behind the head\r\n\r\n"
	buf := []byte(sampleAnswer + glued)
	r, n, err := ParseResponse(buf)
	if err != nil || n != len(sampleAnswer) || string(buf[n:]) != glued {
		t.Fatalf("n %d, error %v", n, err)
	}
	clear(buf) // the response must not depend on the read buffer
	if r.Status != 101 || r.Reason != "Switching Protocols" || r.Header("sec-websocket-PROTOCOL") != "barrage.v1" || r.Header("X") != "" {
		t.Errorf("%+v", r)
	}
	if err := r.CheckAccept(sampleKey, []string{"barrage.v1"}); err != nil {
		t.Error(err)
	}
}

func TestParseResponseRules(t *testing.T) {
	ok := "HTTP/1.1 200 OK\r\n"
	for _, tc := range []struct {
		name, head string // without the empty line
		status     int
		wrong      string
	}{
		{"no headers", ok, 200, ""},
		{"no reason", "HTTP/1.1 200 \r\n", 200, ""},
		{"no reason and no space", "HTTP/1.1 200\r\n", 200, ""},
		{"reason of several words", "HTTP/1.0 503 Come again later\r\nRetry-After: 5\r\n", 503, ""},
		{"reason in UTF-8", "HTTP/1.1 404 \u5f39\t!\r\n", 404, ""},
		{"status without a class", "HTTP/1.1 999 x\r\n", 999, ""},
		{"later version", "HTTP/1.2 200 OK\r\n", 200, ""},
		{"list in two lines", ok + "A: 1\r\na: 2\r\n", 200, ""},
		{"most headers", ok + strings.Repeat("A: 1\r\n", maxHeaders), 200, ""},

		{"no status line", "", 0, "not HTTP/1"},
		{"another protocol", "SSH-2.0-OpenSSH_9\r\n", 0, "not HTTP/1"},
		{"empty line first", "\r\n" + ok, 0, "not HTTP/1"},
		{"HTTP/2", "HTTP/2 200\r\n", 0, "not HTTP/1"},
		{"HTTP/0.9 with a version", "HTTP/0.9 200 OK\r\n", 0, "not HTTP/1"},
		{"version in lower case", "http/1.1 200 OK\r\n", 0, "not HTTP/1"},
		{"version without its digit", "HTTP/1. 200 OK\r\n", 0, "malformed status line"},
		{"version of two digits", "HTTP/1.10 200 OK\r\n", 0, "malformed status line"},
		{"no status", "HTTP/1.1\r\n", 0, "malformed status line"},
		{"two spaces", "HTTP/1.1  200 OK\r\n", 0, "malformed status line"},
		{"tab for a space", "HTTP/1.1\t200 OK\r\n", 0, "malformed status line"},
		{"status of two digits", "HTTP/1.1 20 OK\r\n", 0, "malformed status line"},
		{"status of four digits", "HTTP/1.1 0200 OK\r\n", 0, "malformed status line"},
		{"status below 100", "HTTP/1.1 099 OK\r\n", 0, "malformed status line"},
		{"status with a sign", "HTTP/1.1 +20 OK\r\n", 0, "malformed status line"},
		{"status with a letter", "HTTP/1.1 20x OK\r\n", 0, "malformed status line"},
		{"NUL in the reason", "HTTP/1.1 200 O\x00K\r\n", 0, "malformed status line"},
		{"LF for CR LF after the status line", "HTTP/1.1 200 OK\nA: 1\r\n", 0, "malformed status line"},
		{"LF for CR LF in the headers", ok + "A: 1\nB: 2\r\n", 200, "line not ended by CR LF"},
		{"LF before a header", ok + "\nA: 1\r\n", 200, "line not ended by CR LF"},
		{"no colon", ok + "A\r\n", 200, "malformed header line"},
		{"folded line", ok + "A: 1\r\n 2\r\n", 200, "malformed header line"},
		{"space before the colon", ok + "A : 1\r\n", 200, "malformed header line"},
		{"NUL in a header", ok + "A: \x00\r\n", 200, "control character in a header"},
		{"too many headers", ok + strings.Repeat("A: 1\r\n", maxHeaders+1), 200, "too many headers"},
		{"long status line", "HTTP/1.1 20 " + strings.Repeat("x", 200) + "\r\n", 0, "malformed status line"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			head := tc.head + "\r\n"
			if tc.head == "" {
				head = "\r\n\r\n"
			}
			checkResponseCuts(t, []byte(head))
			r, n, err := ParseResponse([]byte(head))
			if e := handshakeErr(t, err); e != nil {
				line, _, _ := strings.Cut(tc.head, "\r\n")
				if e.Reason != tc.wrong || e.Status != tc.status || n != 0 || !strings.HasPrefix(line, e.Line) {
					t.Errorf("n %d, %+v", n, e)
				}
				return
			}
			if tc.wrong != "" || r.Status != tc.status || n != len(head) {
				t.Errorf("n %d of %d, %+v", n, len(head), r)
			}
		})
	}
}

func checkResponseCuts(t *testing.T, b []byte) {
	t.Helper()
	for i := range b {
		checkResponseCut(t, b, i)
	}
}

// checkResponseCut: a head fails early only as it would fail whole, and is whole
// only where it is.
func checkResponseCut(t *testing.T, b []byte, cut int) {
	t.Helper()
	_, n, err := ParseResponse(b)
	_, m, early := ParseResponse(b[:cut])
	if e, want := handshakeErr(t, early), handshakeErr(t, err); e != nil &&
		(want == nil || e.Status != want.Status || e.Reason != want.Reason || !strings.HasPrefix(want.Line, e.Line)) {
		t.Fatalf("%q: %v after %d bytes, %v after all", b, early, cut, err)
	}
	if m != 0 && m != n {
		t.Fatalf("%q: a head of %d bytes after %d bytes, of %d after all", b, m, cut, n)
	}
}

// TestParseResponseEarly: what is wrong already is not waited for.
func TestParseResponseEarly(t *testing.T) {
	long := func(n int) string {
		begin := "HTTP/1.1 200 OK\r\nX: "
		return begin + strings.Repeat("x", n-len(begin)-4) + "\r\n\r\n"
	}
	for _, tc := range []struct{ name, begin, wrong string }{
		{"nothing", "", ""},
		{"beginning", "HTT", ""},
		{"whole status line", "HTTP/1.1 200 OK\r\n", ""},
		{"TLS alert", "\x15\x03\x01", "not HTTP/1"},
		{"another protocol", "SSH-2.0-OpenSSH_9\r\n", "not HTTP/1"},
		{"LF line ends", "HTTP/1.1 200 OK\n", "malformed status line"},
		{"bad status line", "HTTP/1.1 20\r\n", "malformed status line"},
		{"bad header", "HTTP/1.1 200 OK\r\nA\r\nB", "malformed header line"},
		{"half a header", "HTTP/1.1 200 OK\r\nA: 1\r\nB", ""},
		{"LF line ends in the headers", "HTTP/1.1 200 OK\r\nA: 1\n", "line not ended by CR LF"},
		{"head at the cap", long(MaxRequest + 1)[:MaxRequest], "response head too large"},
		{"head one below the cap", long(MaxRequest + 1)[:MaxRequest-1], ""},
		{"head ending past the cap", long(MaxRequest + 1), "response head too large"},
		{"head just in the cap", long(MaxRequest), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, n, err := ParseResponse([]byte(tc.begin))
			got := ""
			if e := handshakeErr(t, err); e != nil {
				got = e.Reason
			}
			if whole := strings.HasSuffix(tc.begin, "\r\n\r\n") && tc.wrong == ""; got != tc.wrong || (n > 0) != whole {
				t.Errorf("n %d, %v", n, err)
			}
		})
	}
}

func TestCheckAccept(t *testing.T) {
	with := func(line, other string) string { return strings.Replace(sampleAnswer, line+"\r\n", other, 1) }
	const (
		status   = "HTTP/1.1 101 Switching Protocols"
		upgrade  = "Upgrade: websocket"
		conn     = "Connection: Upgrade"
		accept   = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
		protocol = "Sec-WebSocket-Protocol: barrage.v1"
	)
	for _, tc := range []struct{ name, head, wrong string }{
		{"sample", sampleAnswer, ""},
		{"other words", with(status, "HTTP/1.1 101 Web Socket Protocol Handshake\r\n"), ""},
		{"other case", with(upgrade, "uPGRADE: WebSocket\r\n"), ""},
		{"Connection list", with(conn, "Connection: keep-alive, upgrade\r\n"), ""},
		{"space around the answer", with(accept, "Sec-WebSocket-Accept: \t s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\n"), ""},
		{"no subprotocol chosen", with(protocol, ""), ""},
		{"no extension chosen", with(protocol, "Sec-WebSocket-Extensions:\r\n"), ""},

		{"refused", with(status, "HTTP/1.1 503 Service Unavailable\r\n"), "upgrade refused"},
		{"early hints", with(status, "HTTP/1.1 103 Early Hints\r\n"), "upgrade refused"},
		{"success of another kind", with(status, "HTTP/1.1 200 OK\r\n"), "upgrade refused"},
		{"HTTP/1.0", with(status, "HTTP/1.0 101 Switching Protocols\r\n"), "upgrade needs HTTP/1.1"},
		{"no Upgrade", with(upgrade, ""), "no upgrade to websocket"},
		{"upgrade to something else", with(upgrade, "Upgrade: h2c\r\n"), "no upgrade to websocket"},
		{"several upgrades", with(upgrade, "Upgrade: websocket, h2c\r\n"), "no upgrade to websocket"},
		{"two Upgrades", with(upgrade, "Upgrade: websocket\r\nUpgrade: websocket\r\n"), "no upgrade to websocket"},
		{"long s", with(upgrade, "Upgrade: web\u017focket\r\n"), "no upgrade to websocket"},
		{"no Connection", with(conn, ""), "no upgrade in the Connection header"},
		{"Connection: close", with(conn, "Connection: close\r\n"), "no upgrade in the Connection header"},
		{"no answer", with(accept, ""), "Sec-WebSocket-Accept does not answer the key"},
		{"answer in another case", with(accept, strings.ToLower(accept)+"\r\n"), "Sec-WebSocket-Accept does not answer the key"},
		{"answer twice", with(accept, accept+"\r\n"+accept+"\r\n"), "Sec-WebSocket-Accept does not answer the key"},
		{"the key itself", with(accept, "Sec-WebSocket-Accept: "+sampleKey+"\r\n"), "Sec-WebSocket-Accept does not answer the key"},
		{"extension", with(protocol, "Sec-WebSocket-Extensions: permessage-deflate\r\n"), "extension that was not offered"},
		{"other subprotocol", with(protocol, "Sec-WebSocket-Protocol: mqtt\r\n"), "subprotocol that was not offered"},
		{"subprotocol in another case", with(protocol, "Sec-WebSocket-Protocol: Barrage.v1\r\n"), "subprotocol that was not offered"},
		{"empty subprotocol", with(protocol, "Sec-WebSocket-Protocol:\r\n"), "subprotocol that was not offered"},
		{"two subprotocols", with(protocol, "Sec-WebSocket-Protocol: other, barrage.v1\r\n"), "subprotocol that was not offered"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, n, err := ParseResponse([]byte(tc.head))
			if err != nil || n != len(tc.head) {
				t.Fatalf("n %d of %d, %v", n, len(tc.head), err)
			}
			err = r.CheckAccept(sampleKey, []string{"other", "barrage.v1"})
			e := handshakeErr(t, err)
			if e == nil {
				e = new(HandshakeError)
			} else if line, _, _ := strings.Cut(tc.head, "\r\n"); e.Line != line || e.Status != r.Status {
				t.Errorf("says %d %q of %q", e.Status, e.Line, line)
			}
			if e.Reason != tc.wrong {
				t.Errorf("%v, want %q", err, tc.wrong)
			}
		})
	}
	r, _, _ := ParseResponse([]byte(sampleAnswer))
	if e := handshakeErr(t, r.CheckAccept(sampleKey, nil)); e == nil || e.Reason != "subprotocol that was not offered" {
		t.Errorf("%v, though nothing was offered", e)
	}
}

func TestHandshakeErrorSaysWhatServerSaid(t *testing.T) {
	out := AppendError(nil, &HTTPError{Status: 503, Reason: "too many connections"})
	r, n, err := ParseResponse(out)
	if err != nil || string(out[n:]) != "too many connections\n" {
		t.Fatalf("%q, %v", out[n:], err)
	}
	const want = `frame: handshake failed: upgrade refused: server said "HTTP/1.1 503 Service Unavailable"`
	if err := r.CheckAccept(sampleKey, nil); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

// TestClientAgainstWS lets the library's server, and ours, answer our client.
func TestClientAgainstWS(t *testing.T) {
	request := sampleRequest()
	out, err := AppendClientRequest(nil, request)
	if err != nil {
		t.Fatal(err)
	}
	var theirs bytes.Buffer
	u := ws.Upgrader{Protocol: func(p []byte) bool { return string(p) == "barrage.v1" }}
	if _, err := u.Upgrade(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(out), &theirs}); err != nil {
		t.Fatal(err)
	}
	r, _, err := ParseRequest(out)
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string][]byte{"library": theirs.Bytes(), "own": AppendUpgrade(nil, &r, "barrage.v1", false)} {
		res, n, err := ParseResponse(answer)
		if err != nil || n != len(answer) {
			t.Fatalf("%s: n %d of %d, %v", name, n, len(answer), err)
		}
		if err := res.CheckAccept(request.Key, request.Subprotocols); err != nil || res.Header("Sec-WebSocket-Protocol") != "barrage.v1" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

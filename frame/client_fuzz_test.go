// The client's parser of responses against the standard library's.

package frame

import (
	"bufio"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
)

func FuzzParseResponse(f *testing.F) {
	for _, s := range []string{
		sampleAnswer + "\x81\x00",
		"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nRetry-After: 5\r\n\r\nno",
		"HTTP/1.0 200\r\nA:\r\na: \t b \r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + sampleAnswer,
		"HTTP/1.1 200 OK\nA: b\n\n",
		"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
		"SSH-2.0-OpenSSH_9\r\n",
	} {
		f.Add([]byte(s), uint16(len(s)/2))
		f.Add([]byte(s), uint16(5))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		checkResponseCut(t, b, int(cut)%(len(b)+1))
		r, n, err := ParseResponse(b)
		if err != nil {
			if handshakeErr(t, err); n != 0 {
				t.Fatalf("n %d", n)
			}
			return
		}
		if n == 0 {
			if len(b) >= MaxRequest {
				t.Fatalf("waits for more than %d bytes", len(b))
			}
			return
		}
		checkResponseAgainstNetHTTP(t, b[:n], &r)
		err = r.CheckAccept(sampleKey, []string{"barrage.v1"})
		if handshakeErr(t, err) == nil && r.Header("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
			t.Fatalf("%q was accepted", b)
		}
	})
}

// checkResponseAgainstNetHTTP: what we accept, the standard library reads the
// same way, as far as the head goes.
func checkResponseAgainstNetHTTP(t *testing.T, head []byte, r *Response) {
	t.Helper()
	line, rest, _ := strings.Cut(string(head), "\r\n")
	bare, err := http.ReadResponse(bufio.NewReader(strings.NewReader(line+"\r\n\r\n")), nil)
	if err != nil || bare.StatusCode != r.Status {
		t.Fatalf("%q: status %d, net/http says %+v, %v", head, r.Status, bare, err)
	}
	// net/http trims more of the reason than one space.
	if got, want := strings.TrimSpace(bare.Status), fmt.Sprint(r.Status, " ", r.Reason); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Fatalf("%q: %q, in net/http %q", head, want, got)
	}
	ref, err := textproto.NewReader(bufio.NewReader(strings.NewReader(rest))).ReadMIMEHeader()
	if err != nil {
		t.Fatalf("%q: accepted, but net/textproto says %v", head, err)
	}
	for name, values := range ref {
		if got, want := r.Header(name), strings.Join(values, ", "); got != want {
			t.Fatalf("%q: header %s is %q, in net/textproto %q", head, name, got, want)
		}
	}
}

package frame

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

// readBody feeds a body in two pieces, and returns what it is and what is behind it.
func readBody(t testing.TB, r *Request, text string, cut int) (body, rest string, done bool, err error) {
	t.Helper()
	b, err := NewBody(r, 100)
	if err != nil {
		return "", text, false, err
	}
	at := 0
	for _, end := range []int{cut, len(text)} {
		n, done, err := b.Feed([]byte(text[at:end]))
		at += n
		if done || err != nil {
			return string(b.Bytes), text[at:], done, err
		}
		if at != end {
			t.Fatalf("%q: %d of %d bytes were taken of a body that goes on", text, at, end)
		}
	}
	return string(b.Bytes), "", false, nil
}

func TestBody(t *testing.T) {
	chunked := &Request{Chunked: true}
	for _, tc := range []struct {
		name       string
		r          *Request
		text       string
		body, rest string
		done       bool
		status     int
	}{
		{"by its length", &Request{Length: 3}, "abcd", "abc", "d", true, 0},
		{"none", &Request{}, "x", "", "x", true, 0},
		{"not whole", &Request{Length: 3}, "ab", "ab", "", false, 0},
		{"over the limit", &Request{Length: 101}, "", "", "", false, 413},
		{"chunks", chunked, "3\r\nabc\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nT: x\r\n\r\nGET", "abc0123456789", "GET", true, 0},
		{"a space before the end", chunked, "1 \r\na\r\n0\r\n\r\n", "a", "", true, 0},
		{"no data", chunked, "0\r\n\r\n", "", "", true, 0},
		{"not the last chunk", chunked, "1\r\na\r\n", "a", "", false, 0},
		{"no end of the trailers", chunked, "0\r\nT: x\r\n", "", "", false, 0},
		{"over the limit in chunks", chunked, "40\r\n" + strings.Repeat("x", 64) + "\r\n25\r\n", "", "", false, 413},
		{"an endless size", chunked, "fffffffffffffffffff\r\n", "", "", false, 413},
		{"no size", chunked, "\r\n", "", "", false, 400},
		{"no hexadecimal", chunked, "x\r\n", "", "", false, 400},
		{"a sign", chunked, "+1\r\na\r\n", "", "", false, 400},
		{"a prefix", chunked, "0x1\r\na\r\n", "", "", false, 400},
		{"a bare line end", chunked, "1\na\r\n", "", "", false, 400},
		{"a bare return in an extension", chunked, "1;\r x\r\na\r\n", "", "", false, 400},
		{"more than its size", chunked, "1\r\nab\r\n", "", "", false, 400},
		{"a bare line end behind the data", chunked, "1\r\na\n", "", "", false, 400},
		{"an endless line", chunked, "1;" + strings.Repeat("x", maxChunkLine), "", "", false, 400},
		{"endless trailers", chunked, "0\r\n" + strings.Repeat("T: x\r\n", maxTrailers/6+1), "", "", false, 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for cut := range len(tc.text) + 1 {
				body, rest, done, err := readBody(t, tc.r, tc.text, cut)
				if got := status(t, err); got != tc.status {
					t.Fatalf("cut at %d: status %d (%v), want %d", cut, got, err, tc.status)
				}
				if err == nil && (body != tc.body || done != tc.done || rest != tc.rest) {
					t.Fatalf("cut at %d: %q, behind it %q, whole: %v", cut, body, rest, done)
				}
			}
		})
	}
}

// FuzzBody: a body is the same however it is cut, and net/http has no other.
func FuzzBody(f *testing.F) {
	f.Add("3\r\nabc\r\n0\r\n\r\n", 4)
	f.Add("1;x\r\na\r\n0\r\nT: x\r\n\r\nrest", 1)
	f.Add("ffffffff\r\n", 2)
	f.Add("0\r\n\r", 2)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		r := &Request{Chunked: true}
		whole, rest, done, err := readBody(t, r, text, len(text))
		cut = min(max(cut, 0), len(text))
		again, restAgain, doneAgain, errAgain := readBody(t, r, text, cut)
		if status(t, err) != status(t, errAgain) || err == nil && (whole != again || rest != restAgain || done != doneAgain) {
			t.Fatalf("%q: %q, %q, %v, %v; cut at %d %q, %q, %v, %v", text, whole, rest, done, err, cut, again, restAgain, doneAgain, errAgain)
		}
		if !done {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + text)))
		if err != nil {
			t.Fatal(err)
		}
		if other, err := io.ReadAll(req.Body); err == nil && string(other) != whole {
			t.Fatalf("%q: %q, and %q to net/http", text, whole, other)
		}
	})
}

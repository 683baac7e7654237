// The client's side of the opening handshake (RFC 6455 section 4.1).

package frame

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// ClientRequest is what a client asks for.
type ClientRequest struct {
	Target       string   // path and query, as sent
	Host         string   // host, with the port unless it is the scheme's own
	Key          string   // see NewKey
	Subprotocols []string // offered, the preferred one first
	Deflate      bool     // offers permessage-deflate; see CheckAcceptDeflate
	Plain        bool     // asks for no upgrade: a GET, without the fields above but Target and Host
	Header       []string // further lines, "Name: value", such as Origin or Authorization
}

// NewKey returns the key made of a nonce, which should be random and a new one
// for each connection.
func NewKey(nonce [keyBytes]byte) string {
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// AppendClientRequest appends the request for an upgrade. A field with what must
// not be in it, a line break above all, is an error that names it, and dst is
// returned as it was.
func AppendClientRequest(dst []byte, r ClientRequest) ([]byte, error) {
	if err := r.check(); err != nil {
		return dst, err
	}
	dst = append(dst, "GET "...)
	dst = append(dst, r.Target...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, r.Host...)
	if !r.Plain {
		dst = append(dst, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
		dst = append(dst, r.Key...)
	}
	for i, name := range r.Subprotocols {
		if i == 0 {
			dst = append(dst, "\r\nSec-WebSocket-Protocol: "...)
		} else {
			dst = append(dst, ", "...)
		}
		dst = append(dst, name...)
	}
	if r.Deflate {
		dst = appendExtension(dst, deflateTerms)
	}
	for _, line := range r.Header {
		dst = append(dst, "\r\n"...)
		dst = append(dst, line...)
	}
	return append(dst, "\r\n\r\n"...), nil
}

func (r *ClientRequest) check() error {
	switch {
	case !strings.HasPrefix(r.Target, "/") || !isPrintable(r.Target) || strings.ContainsAny(r.Target, " #"):
		return fmt.Errorf("frame: invalid Target %q: not a path, or with what must be encoded", r.Target)
	case !isHost(r.Host):
		return fmt.Errorf("frame: invalid Host %q", r.Host)
	case !r.Plain && !validKey(r.Key):
		return fmt.Errorf("frame: invalid Key %q: not 16 bytes in base64", r.Key)
	}
	for i, name := range r.Subprotocols {
		if !isToken(name) || slices.Contains(r.Subprotocols[:i], name) {
			return fmt.Errorf("frame: invalid Subprotocols: %q is no token, or is there twice", name)
		}
	}
	for _, line := range r.Header {
		name, value, _ := strings.Cut(line, ":")
		if !isToken(name) || len(name) == len(line) || !isFieldValue(value) {
			return fmt.Errorf("frame: invalid Header: %q is no header line", line)
		}
		if isOurs(name) {
			return fmt.Errorf("frame: invalid Header: %q is not for the caller to send", name)
		}
	}
	return nil
}

// isOurs reports whether a header belongs to the handshake, which has it already
// or, as with another extension, could not keep what it promises; or announces a
// body.
func isOurs(name string) bool {
	const prefix = "Sec-WebSocket-"
	if len(name) > len(prefix) && equalASCII(name[:len(prefix)], prefix) {
		return true
	}
	return slices.ContainsFunc([]string{"Host", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding"},
		func(s string) bool { return equalASCII(name, s) })
}

// Response is the head of an HTTP response. Its strings share one copy of the
// head, so they stay valid when the read buffer is reused.
type Response struct {
	Status int
	Reason string // the status line's own words; may be empty

	http10  bool
	line    string // the status line
	headers string // the checked header lines, each with its CRLF
}

// HandshakeError says why a response does not open a WebSocket.
type HandshakeError struct {
	Status int    // the response's, 0 if it has none that could be read
	Line   string // what the server said: its first line, or what had arrived of it, cut at 100 bytes
	Reason string // what is wrong with it
}

// Error returns the reason and the server's own line, quoted.
func (e *HandshakeError) Error() string {
	return fmt.Sprintf("frame: handshake failed: %s: server said %q", e.Reason, e.Line)
}

// maxLine is how much of a status line an error repeats.
const maxLine = 100

const (
	httpPrefix    = "HTTP/1."
	errNotHTTP    = "not HTTP/1"
	errStatusLine = "malformed status line"
)

// ParseResponse looks for a whole response head at the beginning of b, of at
// most MaxRequest bytes. n is its length: what follows it in b is not touched,
// and is already WebSocket if CheckAccept is content. n == 0 without an error
// means that more bytes are needed; the next call starts again with all of
// them. An error is always a *HandshakeError.
//
// A body is not looked for; after an informational response (any other status
// below 200) the next head begins at n.
func ParseResponse(b []byte) (res Response, n int, err error) {
	b = b[:min(len(b), MaxRequest)]
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return Response{}, 0, failEarly(b)
	}
	res.line, res.headers, _ = strings.Cut(string(b[:end+2]), "\r\n")
	reason := res.parseLine()
	if reason == "" {
		reason = checkHeaders(res.headers)
	}
	if reason != "" {
		return Response{}, 0, res.fail(reason)
	}
	return res, end + 4, nil
}

// failEarly decides about a head that has no end yet: nil to wait for more. What
// is wrong already fails as it would in the end, since a server that speaks
// another protocol may never send an empty line.
func failEarly(b []byte) error {
	line, headers, found := strings.Cut(string(b), "\r\n")
	if !found {
		line = strings.TrimSuffix(line, "\r") // it may be half of the line's end
	}
	res := Response{line: line}
	start := min(len(line), len(httpPrefix))
	reason := ""
	switch {
	case found:
		if reason = res.parseLine(); reason == "" {
			reason = checkHeaders(headers[:strings.LastIndexByte(headers, '\n')+1])
		}
	case line[:start] != httpPrefix[:start]:
		reason = errNotHTTP
	case strings.Contains(line, "\n"):
		reason = errStatusLine
	}
	if reason == "" && len(b) == MaxRequest {
		reason = "response head too large"
	}
	if reason == "" {
		return nil
	}
	return res.fail(reason)
}

// parseLine parses "version SP status [SP reason]" (RFC 9112 section 4; the
// second space is often left out with the reason) and says what is wrong.
func (r *Response) parseLine() (wrong string) {
	version, rest, _ := strings.Cut(r.line, " ")
	status, reason, _ := strings.Cut(rest, " ")
	if !strings.HasPrefix(r.line, httpPrefix) {
		return errNotHTTP
	}
	n, err := strconv.ParseUint(status, 10, 16)
	if !isHTTPVersion(version) || err != nil || len(status) != 3 || n < 100 || !isFieldValue(reason) {
		return errStatusLine
	}
	r.Status, r.Reason, r.http10 = int(n), reason, version == "HTTP/1.0"
	return ""
}

// checkHeaders says what is wrong with header lines, of which the last ends in LF.
func checkHeaders(lines string) (wrong string) {
	for count := 0; lines != ""; count++ {
		if count == maxHeaders {
			return "too many headers"
		}
		if _, _, lines, wrong = cutHeader(lines); wrong != "" {
			return wrong
		}
	}
	return ""
}

func (r *Response) fail(reason string) error {
	line := strings.Clone(r.line[:min(len(r.line), maxLine)]) // not the whole head
	return &HandshakeError{Status: r.Status, Line: line, Reason: reason}
}

// Header returns the value of any header, by its name in any case; several
// lines of one name are joined by ", ". It is empty if there is none.
func (r *Response) Header(name string) string {
	value, _ := findHeader(r.headers, name)
	return value
}

// CheckAccept checks by RFC 6455 section 4.1 that the response accepts the
// request made with this key and these subprotocols. Which one was chosen is
// told by the header Sec-WebSocket-Protocol; a server may choose none. The error
// is a *HandshakeError.
func (r *Response) CheckAccept(key string, offered []string) error {
	if err := r.checkAccept(key, offered); err != nil {
		return err
	}
	if r.Header(extensionsHeader) != "" {
		return r.fail("extension that was not offered")
	}
	return nil
}

// CheckAcceptDeflate is CheckAccept for a request with Deflate set. It also
// tells whether the server agreed to compress.
func (r *Response) CheckAcceptDeflate(key string, offered []string) (deflate bool, err error) {
	if err := r.checkAccept(key, offered); err != nil {
		return false, err
	}
	deflate, wrong := acceptsDeflate(r.Header(extensionsHeader))
	if wrong != "" {
		return false, r.fail(wrong)
	}
	return deflate, nil
}

func (r *Response) checkAccept(key string, offered []string) error {
	if r.Status != http.StatusSwitchingProtocols {
		return r.fail("upgrade refused")
	}
	if r.http10 { // which knows no upgrade (RFC 9110 section 7.8)
		return r.fail("upgrade needs HTTP/1.1")
	}
	if !equalASCII(r.Header("Upgrade"), "websocket") {
		return r.fail("no upgrade to websocket")
	}
	if !hasToken(r.Header("Connection"), "upgrade") {
		return r.fail("no upgrade in the Connection header")
	}
	var room [32]byte
	if r.Header("Sec-WebSocket-Accept") != string(appendAccept(room[:0], key)) {
		return r.fail("Sec-WebSocket-Accept does not answer the key")
	}
	chosen, found := findHeader(r.headers, "Sec-WebSocket-Protocol")
	if found && !slices.Contains(offered, chosen) {
		return r.fail("subprotocol that was not offered")
	}
	return nil
}

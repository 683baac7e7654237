// The head of an HTTP request, parsed strictly: what two parsers could read differently
// is refused (RFC 9112).

package frame

import (
	"bytes"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	// MaxRequest is the largest request head in bytes, its empty line included: 16 KiB
	// of cookies, of which a browser sends all that the whole domain has set, and as much
	// again as the request line may have.
	MaxRequest = 24 << 10

	maxRequestLine = 8 << 10 // bytes, its end included
	maxHeaders     = 100
)

// Request is the head of an HTTP request. Only that of a POST may announce a body;
// ParseRequest refuses others that do.
//
// Its strings share one copy of the head, made when the head was complete, so
// they stay valid when the read buffer is reused; but keeping one of the fields
// keeps the whole head. Header and Query return strings of their own.
type Request struct {
	Method   string // GET, HEAD, OPTIONS or POST
	Target   string // as sent
	Path     string // of the target, not decoded; begins with a slash
	RawQuery string // of the target, without the question mark
	Host     string // may be empty with HTTP/1.0
	Origin   string // empty if there is none
	Length   int    // of the body in bytes, if it is not Chunked
	Chunked  bool   // the body is in chunks; see Body

	http10     bool
	headers    string // the checked header lines, each with its CRLF
	upgrade    string // list
	connection string // list
	key        string
	version    string
	seen       field // the single-valued headers so far
}

// field is a set of headers that may be given only once: for these a second
// line is either ambiguous or an attack.
type field uint16

const (
	fieldHost field = 1 << iota
	fieldOrigin
	fieldKey
	fieldVersion
	fieldContentLength
	fieldAuthorization
)

// ParseRequest looks for a whole request head at the beginning of b. n is its
// length: what follows it in b is not touched, and is already WebSocket after
// an upgrade. n == 0 without an error means that more bytes are needed; the
// next call starts again with all of them. An error is always an *HTTPError;
// nothing after it should be parsed, and the connection is to be closed.
func ParseRequest(b []byte) (req Request, n int, err error) {
	end := bytes.Index(b[:min(len(b), MaxRequest)], []byte("\r\n\r\n"))
	if end < 0 {
		return Request{}, 0, refuseEarly(b)
	}
	if _, _, _, err := cutLine(b); err != nil {
		return Request{}, 0, err
	}
	line, headers, _ := strings.Cut(string(b[:end+2]), "\r\n")
	req.headers = headers
	if err := req.parseLine(line); err != nil {
		return Request{}, 0, err
	}
	if err := req.parseHeaders(headers); err != nil {
		return Request{}, 0, err
	}
	switch {
	case req.seen&fieldHost == 0 && !req.http10:
		err = badRequest("no Host header")
	case req.Chunked && (req.seen&fieldContentLength != 0 || req.http10): // RFC 9112 section 6.1
		err = badRequest("Transfer-Encoding beside Content-Length, or with HTTP/1.0")
	}
	if err != nil {
		return Request{}, 0, err
	}
	return req, end + 4, nil
}

// refuseEarly decides about a head that has no end yet: nil to wait for more.
// Where the beginning is wrong already there is no need to wait, and beyond the
// cap there is no end to come.
func refuseEarly(b []byte) error {
	b = b[:min(len(b), MaxRequest)]
	line, headers, found, err := cutLine(b)
	if !found {
		return err
	}
	var req Request
	if err := req.parseLine(string(line)); err != nil {
		return err
	}
	complete := headers[:bytes.LastIndexByte(headers, '\n')+1]
	if err := req.parseHeaders(string(complete)); err != nil {
		return err
	}
	if len(b) == MaxRequest {
		return &HTTPError{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: "request head too large"}
	}
	return nil
}

// cutLine cuts the request line off. One that has no end yet is an error if it can be
// none any more.
func cutLine(b []byte) (line, rest []byte, found bool, err error) {
	begin := b[:min(len(b), maxRequestLine)]
	if end := bytes.Index(begin, []byte("\r\n")); end >= 0 {
		return b[:end], b[end+2:], true, nil
	}
	switch {
	case !isPrintable(string(bytes.TrimSuffix(begin, []byte("\r")))):
		err = errRequestLine()
	case len(begin) == maxRequestLine:
		err = &HTTPError{Status: http.StatusRequestURITooLong, Reason: "request line too long"}
	}
	return nil, nil, false, err
}

// parseLine parses "method SP target SP version" (RFC 9112 section 3).
func (r *Request) parseLine(line string) error {
	method, rest, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(rest, " ")
	if !isPrintable(line) || !isToken(method) || !isHTTPVersion(version) {
		return errRequestLine()
	}
	switch version {
	case "HTTP/1.1":
	case "HTTP/1.0":
		r.http10 = true
	default:
		return &HTTPError{Status: http.StatusHTTPVersionNotSupported, Reason: "HTTP version not supported"}
	}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost:
	default:
		return methodNotAllowed("GET, HEAD")
	}
	r.Method, r.Target = method, target
	return r.splitTarget()
}

// splitTarget takes the origin form, "/path?query", and the absolute form, which
// also names the host (RFC 9112 section 3.2, RFC 6455 section 4.2.1).
func (r *Request) splitTarget() error {
	path := r.Target
	if strings.Contains(path, "#") { // RFC 6455 section 3
		return badRequest("fragment in the request target")
	}
	if scheme, rest, ok := strings.Cut(path, "://"); ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		r.Host, path = rest[:end], rest[end:]
		if !isHost(r.Host) {
			return badRequest("invalid host in the request target")
		}
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
	}
	if !strings.HasPrefix(path, "/") {
		return badRequest("request target is not a path")
	}
	r.Path, r.RawQuery, _ = strings.Cut(path, "?")
	return nil
}

// parseHeaders checks every line and picks out the headers that matter here.
func (r *Request) parseHeaders(lines string) error {
	for count := 0; len(lines) > 0; count++ {
		if count == maxHeaders {
			return &HTTPError{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: "too many headers"}
		}
		name, value, rest, wrong := cutHeader(lines)
		if wrong != "" {
			return badRequest(wrong)
		}
		lines = rest
		if err := r.set(name, value); err != nil {
			return err
		}
	}
	return nil
}

// set takes one header. The switch on the length is for speed: few headers
// reach a comparison.
func (r *Request) set(name, value string) error {
	switch len(name) {
	case len("Host"):
		if strings.EqualFold(name, "Host") {
			return r.setHost(value)
		}
	case len("Origin"):
		return r.setOnce(name, "Origin", fieldOrigin, &r.Origin, value)
	case len("Upgrade"):
		addToList(name, "Upgrade", &r.upgrade, value)
	case len("Connection"):
		addToList(name, "Connection", &r.connection, value)
	case len("Authorization"):
		var unused string // see Header
		return r.setOnce(name, "Authorization", fieldAuthorization, &unused, value)
	case len("Content-Length"):
		length := "0"
		if err := r.setOnce(name, "Content-Length", fieldContentLength, &length, value); err != nil {
			return err
		}
		return r.setLength(length)
	case len("Sec-WebSocket-Key"): // and of Transfer-Encoding
		if strings.EqualFold(name, "Transfer-Encoding") {
			if r.Method != http.MethodPost || r.Chunked || !strings.EqualFold(value, "chunked") {
				return badRequest("request with a body")
			}
			r.Chunked = true
			return nil
		}
		return r.setOnce(name, "Sec-WebSocket-Key", fieldKey, &r.key, value)
	case len("Sec-WebSocket-Version"):
		return r.setOnce(name, "Sec-WebSocket-Version", fieldVersion, &r.version, value)
	}
	return nil
}

// setLength is for the length of a body, which only a POST may have. One past what can be
// counted is past every limit.
func (r *Request) setLength(length string) error {
	if length == "" || strings.Trim(length, "0123456789") != "" {
		return badRequest("malformed Content-Length")
	}
	length = strings.TrimLeft(length, "0")
	switch {
	case length == "":
	case r.Method != http.MethodPost:
		return badRequest("request with a body")
	case len(length) > 9:
		r.Length = math.MaxInt
	default:
		r.Length, _ = strconv.Atoi(length) // digits
	}
	return nil
}

// Size is about how many bytes the request takes.
func (r *Request) Size() int { return 256 + len(r.Target) + len(r.headers) }

// KeepsAlive tells whether the client will use the connection for further requests.
func (r *Request) KeepsAlive() bool {
	return !r.http10 && !hasToken(r.connection, "close")
}

// setOnce stores value in dst if name is want, and refuses a second one.
func (r *Request) setOnce(name, want string, f field, dst *string, value string) error {
	if !strings.EqualFold(name, want) {
		return nil
	}
	if r.seen&f != 0 {
		return badRequest("more than one " + want + " header")
	}
	r.seen |= f
	*dst = value
	return nil
}

// addToList stores value in list if name is want. Several lines of a header whose
// value is a list are one list, as some proxies and clients send them (RFC 9110
// section 5.3).
func addToList(name, want string, list *string, value string) {
	switch {
	case !strings.EqualFold(name, want):
	case *list == "":
		*list = value
	default:
		*list += ", " + value
	}
}

// setHost is setOnce for Host, which must be valid and yields to the host in a
// target in absolute form (RFC 9112 section 3.2.2).
func (r *Request) setHost(value string) error {
	var host string
	if err := r.setOnce("Host", "Host", fieldHost, &host, value); err != nil {
		return err
	}
	if !isHost(host) {
		return badRequest("invalid Host header")
	}
	if r.Host == "" {
		r.Host = host
	}
	return nil
}

// Header returns the value of any header, by its name in any case; several
// lines of one name are joined by ", " (RFC 9110 section 5.3). It is empty if
// there is none. The string is a copy.
func (r *Request) Header(name string) string {
	value, _ := findHeader(r.headers, name)
	return strings.Clone(value)
}

// Query returns all values of a key in the query, decoded, in their order. The
// strings are copies. Bad encoding anywhere in the query is an *HTTPError,
// because a key that cannot be read may be the one asked for.
func (r *Request) Query(key string) ([]string, error) {
	var values []string
	for rest := r.RawQuery; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		k, v, _ := strings.Cut(pair, "=")
		k, err := url.QueryUnescape(k)
		if err == nil {
			v, err = url.QueryUnescape(v)
		}
		if err != nil {
			return nil, badRequest("bad encoding in the query")
		}
		if pair != "" && k == key {
			values = append(values, strings.Clone(v))
		}
	}
	return values, nil
}

// HTTP responses, and the error that becomes one.

package frame

import (
	"fmt"
	"net/http"
	"strconv"
)

// HTTPError refuses a request. Reason is one sentence without its dot for the
// body of the response; it never quotes the request.
type HTTPError struct {
	Status int
	Reason string
	// Header is extra header lines, each with its CRLF, for the statuses that
	// need them, such as "Retry-After: 5\r\n" with 503.
	Header string
}

// Error returns the status and the reason.
func (e *HTTPError) Error() string {
	return fmt.Sprintf("frame: request refused with %d: %s", e.Status, e.Reason)
}

func badRequest(reason string) error {
	return &HTTPError{Status: http.StatusBadRequest, Reason: reason}
}

func errRequestLine() error { return badRequest("malformed request line") }

func methodNotAllowed(allow string) error {
	return &HTTPError{
		Status: http.StatusMethodNotAllowed,
		Reason: "method not allowed",
		Header: "Allow: " + allow + "\r\n",
	}
}

// AppendResponse appends a whole response, after which the connection is to be
// closed. extraHeaders are whole lines, each with its CRLF. For a HEAD request
// cut the body off the end again: the head must be that of a GET.
func AppendResponse(dst []byte, status int, contentType string, extraHeaders string, body []byte) []byte {
	return appendResponse(dst, status, contentType, "Connection: close\r\n"+extraHeaders, body)
}

// AppendAnswer is AppendResponse for a connection that goes on.
func AppendAnswer(dst []byte, status int, contentType string, extraHeaders string, body []byte) []byte {
	return appendResponse(dst, status, contentType, extraHeaders, body)
}

func appendResponse(dst []byte, status int, contentType, headers string, body []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(status)...)
	if contentType != "" {
		dst = append(dst, "\r\nContent-Type: "...)
		dst = append(dst, contentType...)
	}
	if status != http.StatusNotModified && status != http.StatusNoContent { // RFC 9110 section 8.6
		dst = append(dst, "\r\nContent-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(body)), 10)
	}
	dst = append(dst, "\r\n"...)
	dst = append(dst, headers...)
	dst = append(dst, "\r\n"...)
	return append(dst, body...)
}

// AppendError appends the response that refuses a request.
func AppendError(dst []byte, e *HTTPError) []byte {
	return AppendResponse(dst, e.Status, "text/plain; charset=utf-8", e.Header, []byte(e.Reason+"\n"))
}

// Reading the bodies of requests, bounded and checked.

package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"barrage/internal/refusal"
)

const (
	octetStream = "application/octet-stream"
	jsonMedia   = "application/json"

	maxCommand = 16 << 10 // bytes of a body that is a command
)

var (
	errBodyCut   = refusal.New(http.StatusBadRequest, "body_incomplete", "body: it ended before its announced length")
	errBodySlow  = refusal.New(http.StatusRequestTimeout, "body_timeout", "body: it did not arrive within "+readTimeout.String())
	errBodyEmpty = refusal.New(http.StatusBadRequest, "invalid_json", "body: must be a JSON object, but there is none")
	errNotJSON   = refusal.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "Content-Type: must be "+jsonMedia)
	errCommand   = tooLarge("body_too_large", maxCommand, "")
)

func tooLarge(code string, limit int, setting string) error {
	return refusal.New(http.StatusRequestEntityTooLarge, code, fmt.Sprintf("body: larger than %d bytes%s", limit, setting))
}

// byteOrderMark is what some platforms write before any text of theirs. RFC 8259
// (section 8.1) lets readers of JSON ignore it.
var byteOrderMark = []byte("\ufeff")

// readBody appends the request's body to buf; over is the error for more than
// limit bytes. It never holds much more than that, whatever length the client
// announces.
func readBody(buf []byte, r *http.Request, limit int, over error) ([]byte, error) {
	if r.ContentLength > int64(limit) {
		return buf, over
	}
	if r.ContentLength > 0 {
		buf = slices.Grow(buf, int(r.ContentLength))
	}
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, 512)
		}
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > limit {
			return buf, over
		}
		switch {
		case err == nil:
		case err == io.EOF:
			return buf, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return buf, errBodySlow
		default:
			return buf, errBodyCut
		}
	}
}

// mediaType is the request's Content-Type without parameters; empty if there is
// none.
func mediaType(h http.Header) string {
	values := h["Content-Type"]
	if len(values) == 0 {
		return ""
	}
	t, _, _ := strings.Cut(values[0], ";")
	return strings.TrimSpace(t)
}

// wantJSON refuses bodies that say to be something else.
func wantJSON(h http.Header) error {
	if t := mediaType(h); t != "" && !strings.EqualFold(t, jsonMedia) {
		return errNotJSON
	}
	return nil
}

// readCommand reads a body that is one JSON object into v. An empty body is
// errBodyEmpty and leaves v alone.
func readCommand(r *http.Request, v any) error {
	body, err := readBody(nil, r, maxCommand, errCommand)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return errBodyEmpty
	}
	if err := wantJSON(r.Header); err != nil {
		return err
	}
	return decode(body, v)
}

// readOption is readCommand for a body that may be left out.
func readOption(r *http.Request, v any) error {
	if err := readCommand(r, v); err != errBodyEmpty {
		return err
	}
	return nil
}

// decode is json.Unmarshal for input from outside: a mistyped name is an error,
// and so are bytes that are not UTF-8, which would be replaced silently.
func decode(body []byte, v any) error {
	if !utf8.Valid(body) {
		return invalidJSON("must be valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, byteOrderMark)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return jsonFailure(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return invalidJSON("must be a single JSON value")
	}
	return nil
}

func invalidJSON(text string) error {
	return refusal.New(http.StatusBadRequest, "invalid_json", "body: "+text)
}

// jsonFailure says what encoding/json found, without the names of Go's types.
func jsonFailure(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return invalidJSON(wrong.Field + " must not be a JSON " + wrong.Value)
	case errors.As(err, &wrong):
		return invalidJSON("must not be a JSON " + wrong.Value)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return invalidJSON("ends within a JSON value")
	default:
		return invalidJSON(strings.TrimPrefix(err.Error(), "json: "))
	}
}

package api

// This file is the publish path, the one that is hot: thousands of requests a
// second over kept-alive connections. It reads into a pooled buffer, uses no
// reflection and appends its answer to the same buffer.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const octetStream = "application/octet-stream"

var (
	errNotUTF8  = &failure{http.StatusBadRequest, "invalid_utf8", "body: a text message must be valid UTF-8; send other bytes as Content-Type " + octetStream}
	errBodyCut  = &failure{http.StatusBadRequest, "body_incomplete", "body: it ended before its announced length"}
	errBodySlow = &failure{http.StatusRequestTimeout, "body_timeout", "body: it did not arrive within " + readTimeout.String()}
)

// answer is what a publish gave.
type answer struct {
	id          string
	offset      uint64
	deliveredTo int
	localOnly   bool
}

// publish handles POST /v1/rooms/{room}/messages.
func (a *API) publish(x *exchange, r *http.Request, room string) error {
	if err := a.checkRoom(room); err != nil {
		return err
	}
	key, err := idempotencyKey(r.Header)
	if err != nil {
		return err
	}
	buf := a.bodies.Get()
	defer func() {
		// The pool learns sizes from the length, so give it the capacity.
		buf.B = buf.B[:cap(buf.B)]
		a.bodies.Put(buf)
	}()
	if buf.B, err = readBody(buf.B[:0], r, a.cfg.MaxBody); err != nil {
		return err
	}
	binary := isBinary(r.Header)
	if !binary && !utf8.Valid(buf.B) {
		return errNotUTF8
	}
	ans, replayed, err := a.send(r.Context(), room, key, binary, buf.B)
	if err != nil {
		return err
	}
	if replayed {
		x.Header()["Idempotent-Replayed"] = isTrue
	}
	buf.B = appendAnswer(buf.B[:0], ans)
	writeBody(x, http.StatusOK, buf.B)
	return nil
}

// send publishes, once per key where there is one.
func (a *API) send(ctx context.Context, room, key string, binary bool, payload []byte) (ans answer, replayed bool, err error) {
	if key == "" {
		ans, err = a.sendNow(ctx, room, binary, payload)
		return ans, false, err
	}
	return a.dedup.do(ctx, room, key, digest(binary, payload), func(ctx context.Context) (answer, error) {
		return a.sendNow(ctx, room, binary, payload)
	})
}

func (a *API) sendNow(ctx context.Context, room string, binary bool, payload []byte) (answer, error) {
	id, offset, n, local, err := a.server.Publish(ctx, room, binary, payload)
	return answer{id: id, offset: offset, deliveredTo: n, localOnly: local}, err
}

// checkRoom applies the server's rules for room names; an error without an
// answer of its own is a 400.
func (a *API) checkRoom(room string) error {
	err := a.server.CheckRoom(room)
	if err == nil {
		return nil
	}
	var c coded
	if errors.As(err, &c) {
		return err
	}
	return &failure{http.StatusBadRequest, "invalid_room", err.Error()}
}

// readBody appends the request's body to buf. It never holds much more than
// limit, whatever length the client announces.
func readBody(buf []byte, r *http.Request, limit int) ([]byte, error) {
	if r.ContentLength > int64(limit) {
		return buf, errTooLarge(limit)
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
			return buf, errTooLarge(limit)
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

func errTooLarge(limit int) error {
	return &failure{http.StatusRequestEntityTooLarge, "message_too_large",
		fmt.Sprintf("body: larger than %d bytes (max_message_bytes)", limit)}
}

// isBinary tells whether the body is to be sent as a binary frame.
func isBinary(h http.Header) bool {
	values := h["Content-Type"]
	if len(values) == 0 {
		return false
	}
	mediaType, _, _ := strings.Cut(values[0], ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), octetStream)
}

// appendAnswer appends ans as JSON.
func appendAnswer(b []byte, ans answer) []byte {
	b = append(b, `{"id":`...)
	b = appendString(b, ans.id)
	b = append(b, `,"offset":`...)
	b = strconv.AppendUint(b, ans.offset, 10)
	b = append(b, `,"delivered_to":`...)
	b = strconv.AppendInt(b, int64(ans.deliveredTo), 10)
	if ans.localOnly {
		b = append(b, `,"local_only":true`...)
	}
	return append(b, "}\n"...)
}

// appendString appends s as a JSON string. Identifiers need no escaping, so the
// general case may be slow.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil { // not for a string, whatever it holds
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// The body of a request, as it arrives: by its length or in chunks (RFC 9112 section 7.1).

package frame

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
)

const (
	maxChunkLine = 256     // bytes of a line with a chunk's size, its end included
	maxTrailers  = 4 << 10 // bytes
)

// Body collects the body of a request. What is kept grows with what arrives, not with what
// is announced.
type Body struct {
	Bytes []byte

	limit   int
	chunked bool
	left    int      // of the body, or of the chunk at hand
	part    bodyPart // of a body in chunks
	line    []byte   // that has no end yet
	trailer int      // bytes so far
}

type bodyPart uint8

const (
	partSize bodyPart = iota
	partData
	partEnd // of the data: a line's
	partTrailer
)

// NewBody returns the empty body of a request, which may have limit bytes.
func NewBody(r *Request, limit int) (*Body, error) {
	b := &Body{limit: limit, chunked: r.Chunked, left: r.Length}
	if r.Length > limit {
		return nil, b.tooLarge()
	}
	return b, nil
}

func (b *Body) tooLarge() error {
	return &HTTPError{Status: http.StatusRequestEntityTooLarge, Reason: "the body may have " + strconv.Itoa(b.limit) + " bytes"}
}

// Feed takes bytes that arrived. n are those of the body, and done tells that it is whole.
// After an error, an *HTTPError, nothing should be parsed any more.
func (b *Body) Feed(p []byte) (n int, done bool, err error) {
	if !b.chunked {
		n = b.take(p)
		return n, b.left == 0, nil
	}
	for n < len(p) {
		if b.part == partData {
			n += b.take(p[n:])
			if b.left == 0 {
				b.part = partEnd
			}
			continue
		}
		rest := p[n:]
		end := bytes.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		b.line = append(b.line, rest[:min(end, maxTrailers)]...)
		n += end
		if done, err = b.lineSoFar(); done || err != nil {
			return n, done, err
		}
	}
	return n, false, nil
}

// take takes data.
func (b *Body) take(p []byte) int {
	n := min(len(p), b.left)
	b.Bytes = append(b.Bytes, p[:n]...)
	b.left -= n
	return n
}

// lineSoFar looks at a line, or at one that has no end yet.
func (b *Body) lineSoFar() (done bool, err error) {
	text, whole := strings.CutSuffix(string(b.line), "\r\n")
	switch {
	case b.part == partTrailer && b.trailer+len(b.line) > maxTrailers, b.part != partTrailer && len(b.line) > maxChunkLine:
		return false, badRequest("a line of the chunked body is too long")
	case !whole && strings.HasSuffix(text, "\n"):
		return false, errChunk()
	case !whole:
		return false, nil
	}
	b.line = b.line[:0]
	switch b.part {
	case partSize:
		return false, b.begin(text)
	case partEnd:
		b.part = partSize
		if text != "" {
			return false, errChunk()
		}
		return false, nil
	}
	b.trailer += len(text) + 2
	return text == "", nil
}

// begin begins a chunk; one of 0 bytes is the last. Extensions mean nothing here.
func (b *Body) begin(line string) error {
	size, ext, _ := strings.Cut(line, ";")
	size = strings.TrimRight(size, " \t") // RFC 9112 section 7.1.1
	n, err := strconv.ParseUint(size, 16, 31)
	switch {
	case err != nil && len(size) > 7 && strings.Trim(size, "0123456789abcdefABCDEF") == "":
		return b.tooLarge()
	case err != nil, strings.ContainsRune(ext, '\r'), size[0] == '+':
		return errChunk()
	case int(n) > b.limit-len(b.Bytes):
		return b.tooLarge()
	}
	b.left, b.part = int(n), partData
	if n == 0 {
		b.part = partTrailer
	}
	return nil
}

func errChunk() error { return badRequest("malformed chunk of the body") }

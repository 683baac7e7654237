// Package document is texts that never change while the process runs, such as a page and
// its scripts: a client that has one is told so instead of getting it again, and those
// that can take it get it compressed, once for all.
//
// net/http.ServeContent has the first half, for net/http only, and the handlers that
// compress do so for each request.
package document

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// Document is fixed once made; any goroutine may use it.
type Document struct {
	ContentType string
	ETag        string // weak, as both forms have the same

	body, gzipped []byte // gzipped is nil where it would not be shorter
}

// New makes a document of a body, which is not to be changed afterwards.
func New(contentType string, body []byte) *Document {
	sum := sha256.Sum256(body)
	d := &Document{ContentType: contentType, ETag: `W/"` + hex.EncodeToString(sum[:16]) + `"`, body: body}
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is a good one
	_, _ = w.Write(body)                                  // into memory
	_ = w.Close()
	if b.Len() < len(body) {
		d.gzipped = b.Bytes()
	}
	return d
}

// Answer is what a client gets that sent these two headers: 304 without a body, or the
// body and its Content-Encoding, "" for none. All answers are to have the header
// "Vary: Accept-Encoding".
func (d *Document) Answer(ifNoneMatch, acceptEncoding string) (status int, body []byte, encoding string) {
	switch {
	case d.isOneOf(ifNoneMatch):
		return http.StatusNotModified, nil, ""
	case d.gzipped != nil && takesGzip(acceptEncoding):
		return http.StatusOK, d.gzipped, "gzip"
	}
	return http.StatusOK, d.body, ""
}

// isOneOf compares weakly, as If-None-Match asks (RFC 9110, section 13.1.2).
func (d *Document) isOneOf(tags string) bool {
	own := strings.TrimPrefix(d.ETag, "W/")
	for tag := range strings.SplitSeq(tags, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == own {
			return true
		}
	}
	return false
}

// takesGzip reads Accept-Encoding (RFC 9110, section 12.5.3). What is written there for
// gzip counts more than what is for all.
func takesGzip(accept string) bool {
	takes := false
	for item := range strings.SplitSeq(accept, ",") {
		coding, parameter, _ := strings.Cut(item, ";")
		name, weight, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		ok := !strings.EqualFold(strings.TrimSpace(name), "q") || strings.Trim(strings.TrimSpace(weight), "0.") != ""
		switch coding = strings.TrimSpace(coding); {
		case strings.EqualFold(coding, "gzip"), strings.EqualFold(coding, "x-gzip"):
			return ok
		case coding == "*":
			takes = ok
		}
	}
	return takes
}

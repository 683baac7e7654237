// What the tests of compression share: a compressor and an inflater that are not
// those under test, and messages to compress.

package frame

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"unicode/utf8"
)

// rfcHello is "Hello" as RFC 7692 section 7.2.3.1 compresses it.
const rfcHello = "\xf2\x48\xcd\xc9\xc9\x07\x00"

// packed compresses with the standard library.
func packed(message string) string { return packedAt(message, flate.DefaultCompression) }

func packedAt(message string, level int) string {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err == nil {
		_, err = io.WriteString(w, message)
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		panic(err) // level is a constant, and a Buffer takes all
	}
	return strings.TrimSuffix(out.String(), syncMarker)
}

// referenceInflate inflates with the standard library, by the letter of RFC 7692
// section 7.2.2. code is 0, or that of the failure.
func referenceInflate(packed []byte, most int64) (message []byte, code uint16) {
	in := bytes.NewReader(append(bytes.Clone(packed), inflateTail...))
	r := flate.NewReader(in)
	for {
		part, err := io.ReadAll(io.LimitReader(r, most+1-int64(len(message))))
		message = append(message, part...)
		switch {
		case int64(len(message)) > most:
			return nil, CloseTooBig
		case err != nil:
			return nil, CloseInvalidPayload
		case in.Len() == 0 || in.Len() == len(inflateTail):
			return message, 0
		case in.Len() < len(inflateTail):
			return nil, CloseInvalidPayload
		}
		if err := r.(flate.Resetter).Reset(in, nil); err != nil {
			return nil, closeInternal
		}
	}
}

// inFragments is a masked message whose first frame begins with b0, cut into
// frames of at most size bytes.
func inFragments(b0 byte, payload string, size int) []byte {
	var out []byte
	for len(payload) > size {
		out = append(out, fragment(b0&^fin, payload[:size])...)
		b0, payload = fin|cont, payload[size:]
	}
	return append(out, fragment(b0, payload)...)
}

// chat is n bytes of JSON such as a room gets: comments that came together.
func chat(n int) string {
	rnd := rand.New(rand.NewPCG(7, uint64(n)))
	words := []string{"\u524d\u65b9\u9ad8\u80fd", "666", "lol", "\u54c8\u54c8\u54c8\u54c8", "what a play", "GG", "\u4e3b\u64ad\u52a0\u6cb9",
		"first!", "this song again", "\u6253call", "see you tomorrow", "\u6765\u4e86\u6765\u4e86", "\U0001f602\U0001f602", "no way"}
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, `{"type":"message","room":"live-%d","offset":%d,"user":{"id":"u%07d","nick":"viewer %d"},"text":"%s %s","time":17%011d}`+"\n",
			42, 1_000_000+b.Len(), rnd.IntN(10_000_000), rnd.IntN(100_000), words[rnd.IntN(len(words))], words[rnd.IntN(len(words))], rnd.Int64N(100_000_000_000))
	}
	s := b.String()[:n]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + strings.Repeat(".", n-len(s))
}

// noise is n bytes that do not compress.
func noise(n int) string {
	b := make([]byte, n)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(b) // never fails
	return string(b)
}

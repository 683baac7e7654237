package document

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
)

var text = []byte(strings.Repeat("some text that is longer than its compressed form, ", 20))

func TestEncoding(t *testing.T) {
	d := New("text/plain", text)
	for accept, want := range map[string]string{
		"": "", "gzip": "gzip", "GZIP": "gzip", "x-gzip": "gzip", "br, gzip;q=0.5": "gzip", "deflate, br": "", "identity": "",
		"gzip;q=0": "", "gzip; q=0.000": "", "gzip ; Q = 0": "", "gzip;q=0.001": "gzip", "gzip;q=1.0": "gzip", "gzipped": "",
		"*": "gzip", "*;q=0": "", "*, gzip;q=0": "", "*;q=0, gzip": "gzip", "gzip, *;q=0": "gzip", ", ,gzip": "gzip",
	} {
		status, body, encoding := d.Answer("", accept)
		if status != 200 || encoding != want {
			t.Errorf("%q: %d, %q, want %q", accept, status, encoding, want)
		}
		if encoding == "gzip" {
			r, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(body, text) {
			t.Errorf("%q: another body", accept)
		}
	}
	if _, body, encoding := New("text/plain", []byte("short")).Answer("", "gzip"); encoding != "" || string(body) != "short" {
		t.Errorf("what gzip makes longer: %q, %q", body, encoding)
	}
}

func TestNotModified(t *testing.T) {
	d, other := New("text/plain", text), New("text/plain", text[1:])
	strong := strings.TrimPrefix(d.ETag, "W/")
	for tags, want := range map[string]int{
		"": 200, d.ETag: 304, strong: 304, "*": 304, `"a", ` + d.ETag: 304, d.ETag + `,"b"`: 304, other.ETag: 200, strings.Trim(strong, `"`): 200, `"`: 200,
	} {
		if status, body, encoding := d.Answer(tags, "gzip"); status != want || status == 304 && (body != nil || encoding != "") {
			t.Errorf("%q: %d with %d bytes, want %d", tags, status, len(body), want)
		}
	}
}

// Package textfile reads what people and tools write into files: certificates, keys, secrets,
// settings. Some editors begin such a file with a byte order mark, which is no part of it.
package textfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
)

// Mark is the byte order mark of UTF-8.
const Mark = "\ufeff"

// Read reads a file in UTF-8, without its byte order mark. The error is an *fs.PathError.
func Read(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err == nil && (bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff"))) {
		err = &fs.PathError{Op: "read", Path: path, Err: errUTF16}
	}
	return bytes.TrimPrefix(text, []byte(Mark)), err
}

var errUTF16 = errors.New("it is UTF-16: save it as UTF-8")

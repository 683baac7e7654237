// The framing of messages: a length and JSON. net/rpc's JSON has no
// bound on a message, and its calls no end before the answer.

package agent

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	// maxFrame bounds a message. Snapshots have a histogram of up to some 200 KiB.
	maxFrame = 16 << 20
	// maxHandshake bounds a message of somebody who has proved nothing yet.
	maxHandshake = 4 << 10
)

var errEmptyFrame = errors.New("a message of 0 bytes")

// readFrame reads one message. Its error is io.EOF only if there is nothing to
// read. Memory grows with what arrives, not with what is announced.
func readFrame(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	switch {
	case n == 0:
		return nil, errEmptyFrame
	case n > int64(limit):
		return nil, fmt.Errorf("a message of %d bytes is larger than %d", n, limit)
	}
	var body bytes.Buffer
	switch _, err := io.CopyN(&body, r, n); {
	case err == io.EOF:
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	}
	return body.Bytes(), nil
}

// encode makes a message, as readFrame reads it.
func encode(v any, limit int) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(body) > limit {
		return nil, fmt.Errorf("a message of %d bytes is larger than %d", len(body), limit)
	}
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body))), body...), nil
}

// send writes v as one message.
func send(w io.Writer, v any, limit int) error {
	b, err := encode(v, limit)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// receive reads one message into v.
func receive(r io.Reader, v any, limit int) error {
	b, err := readFrame(r, limit)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("malformed message: %w", err)
	}
	return nil
}

// duplex is two one-way streams as one.
type duplex struct {
	io.ReadCloser
	w io.WriteCloser
}

func (d duplex) Write(p []byte) (int, error) { return d.w.Write(p) }

func (d duplex) Close() error { return errors.Join(d.w.Close(), d.ReadCloser.Close()) }

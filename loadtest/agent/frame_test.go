// Tests the framing on what comes from a network.

package agent

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestReadFrame(t *testing.T) {
	for _, test := range []struct {
		name, in, want string
		err            string
	}{
		{"whole", "\x00\x00\x00\x02{}rest", "{}", ""},
		{"at the limit", "\x00\x00\x00\x08{\"a\":12}", "{\"a\":12}", ""},
		{"above the limit", "\x00\x00\x00\x09{\"a\":123}", "", "a message of 9 bytes is larger than 8"},
		{"far above the limit", "\xff\xff\xff\xff", "", "a message of 4294967295 bytes is larger than 8"},
		{"empty", "\x00\x00\x00\x00{}", "", "a message of 0 bytes"},
		{"nothing", "", "", "EOF"},
		{"part of a length", "\x00\x00", "", "unexpected EOF"},
		{"no body", "\x00\x00\x00\x02", "", "unexpected EOF"},
		{"part of a body", "\x00\x00\x00\x02{", "", "unexpected EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, r := range []io.Reader{bytes.NewBufferString(test.in), iotest.OneByteReader(bytes.NewBufferString(test.in))} {
				got, err := readFrame(r, 8)
				if string(got) != test.want || (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
}

func FuzzReadFrame(f *testing.F) {
	for _, seed := range []string{"", "\x00\x00\x00\x02{}", "\x00\x00\x00\x02{}\x00\x00\x00\x01", "\x00\x00\x10\x00abc", "\xff\xff\xff\xff", "\x00\x00\x00\x00", "GET / HTTP/1.1\r\n\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 1 << 10
		r := bytes.NewReader(in)
		var again []byte
		for {
			body, err := readFrame(r, limit)
			if err != nil {
				if errors.Is(err, io.EOF) && len(again) != len(in) {
					t.Fatalf("an end after %d of %d bytes", len(again), len(in))
				}
				break
			}
			if len(body) == 0 || len(body) > limit {
				t.Fatalf("%d bytes", len(body))
			}
			again = append(again, byte(len(body)>>24), byte(len(body)>>16), byte(len(body)>>8), byte(len(body)))
			again = append(again, body...)
		}
		if !bytes.HasPrefix(in, again) {
			t.Fatalf("%q gives %q", in, again)
		}
	})
}

// FuzzSession: no bytes of a controller, after a good handshake, break an agent.
func FuzzSession(f *testing.F) {
	message := func(v any) []byte {
		b, err := encode(v, maxFrame)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	f.Add([]byte{})
	f.Add(message(request{ID: 1, Method: methodTime}))
	f.Add(message(map[string]any{"id": 1, "method": "prepare", "params": testJob()}))
	f.Add(append(message(map[string]any{"id": 1, "method": "prepare", "params": testJob()}),
		message(map[string]any{"id": 2, "method": "begin", "params": testWindow()})...))
	f.Add([]byte("\x00\x00\x00\x04null"))
	f.Fuzz(func(t *testing.T, in []byte) {
		rw := struct {
			io.Reader
			io.Writer
			io.Closer
		}{bytes.NewReader(in), io.Discard, io.NopCloser(nil)}
		s := &session{rw: rw, newDriver: newFake, clock: ProcessClock()}
		_ = s.requests() // errors are for the log
		if s.driver != nil {
			t.Error("a driver was not closed")
		}
	})
}

package tcp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"barrage/frame"
)

// cutAll is what a stream's messages are that comes in parts of these lengths, and then all
// the rest. As the transport does, it looks at no byte of a line twice.
func cutAll(f Framing, stream []byte, parts []int, most int) (messages []string, err error) {
	var held []byte
	for parts = append(parts, len(stream)); len(stream) > 0; parts = parts[1:] {
		n := min(parts[0], len(stream))
		seen := len(held)
		held, stream = append(held, stream[:n]...), stream[n:]
		for {
			m, n, err := f.cut(held, seen, most)
			if err != nil {
				return messages, err
			}
			if n == 0 {
				break
			}
			messages = append(messages, string(m))
			held, seen = held[n:], 0
		}
	}
	return messages, nil
}

// oracle is the same, read slowly from the documentation.
func oracle(f Framing, stream []byte, most int) (messages []string, err error) {
	if f == Lengths {
		for len(stream) >= 4 {
			n := uint64(binary.BigEndian.Uint32(stream))
			if n > uint64(most) {
				return messages, errTooBig
			}
			if uint64(len(stream)-4) < n {
				break
			}
			messages, stream = append(messages, string(stream[4:4+n])), stream[4+n:]
		}
		return messages, nil
	}
	lines := strings.Split(string(stream), "\n")
	for i, line := range lines {
		if line != "" && line[0] != '{' && line[0] != '\r' {
			return messages, errNoLine
		}
		text := strings.TrimSuffix(line, "\r")
		if len(text) > most {
			return messages, errTooBig
		}
		if i < len(lines)-1 {
			messages = append(messages, text)
		}
	}
	return messages, nil
}

// FuzzFraming: however the bytes are cut, the messages are the same, and as the oracle says.
func FuzzFraming(f *testing.F) {
	for _, s := range []string{
		"", "\n", "\r\n", "{}\n", "{}\r\n{}\n\n{\"a\":1}", "GET / HTTP/1.1\r\n\r\n{}\n", "\xef\xbb\xbf{}\n", "{}\n\xef", "{}\n x\n", "\r{}\n", "{\r\r\n",
		"{" + strings.Repeat("x", 30) + "\r\n", "{" + strings.Repeat("x", 31) + "\r\n", "{" + strings.Repeat("x", 31) + "\r{", "{" + strings.Repeat("x", 40),
		"\x00\x00\x00\x02{}\x00\x00\x00\x00\x00\x00\x00\x20", "\x00\x00\x00\x21{}", "\xff\xff\xff\xff", "\x80\x00\x00\x00", "\x00\x00",
	} {
		f.Add([]byte(s), uint64(len(s)))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		parts := make([]int, len(stream))
		for i := range parts {
			parts[i] = 1 + r.IntN(1+r.IntN(8))
		}
		for _, framing := range Framings() {
			want, wantErr := oracle(framing, stream, 32)
			for _, p := range [][]int{nil, parts, slices.Repeat([]int{1}, len(stream))} {
				got, err := cutAll(framing, stream, p, 32)
				if !slices.Equal(got, want) || !errors.Is(err, wantErr) {
					t.Fatalf("%s: %q in %v: %q, %v, want %q, %v", framing, stream, p, got, err, want, wantErr)
				}
			}
		}
	})
}

// TestWritten: what is written is read as it was, whoever writes it.
func TestWritten(t *testing.T) {
	for _, f := range Framings() {
		var stream []byte
		var want []string
		for _, m := range []string{`{"a":1}`, "{" + strings.Repeat("x", 70_000) + "}", ping} {
			shared := f.Message(false, []byte(m)).(*frame.Frame)
			if alone := f.appendMessage(nil, []byte(m)); !bytes.Equal(alone, shared.Bytes()) {
				t.Errorf("%s: to one %q, to many %q", f, alone, shared.Bytes())
			}
			stream, want = append(stream, shared.Bytes()...), append(want, m)
			shared.Release()
		}
		got, err := cutAll(f, stream, nil, 80_000)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %d messages, %v", f, len(got), err)
		}
	}
	if Framing("x").Check() == nil || Lines.Check() != nil || Lengths.Check() != nil {
		t.Error("Check")
	}
}

// TestCutAllocatesNothing: messages are handed on where they lie.
func TestCutAllocatesNothing(t *testing.T) {
	for _, f := range Framings() {
		stream := bytes.Repeat(f.appendMessage(nil, []byte(`{"cmd":"ping"}`)), 10)
		if n := testing.AllocsPerRun(100, func() {
			for p := stream; len(p) > 0; {
				_, n, err := f.cut(p, 0, 64)
				if err != nil || n == 0 {
					t.Fatal(n, err)
				}
				p = p[n:]
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", f, n)
		}
	}
}

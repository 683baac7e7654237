//go:build !race

// The sections of the Autobahn test suite on compression, 12 and 13, with its
// sizes: an echo over a connection that negotiated permessage-deflate. Like the large
// messages, without the race detector.

package frame

import (
	"bytes"
	"compress/flate"
	"fmt"
	"testing"
)

// autobahnSizes are of messages and of fragments, 0 for none.
var autobahnSizes = [][2]int{
	{16, 0}, {64, 0}, {256, 0}, {1024, 0}, {4096, 0}, {8192, 0}, {16384, 0}, {32768, 0}, {65536, 0}, {131072, 0},
	{8192, 256}, {16384, 256}, {32768, 256}, {65536, 256}, {131072, 256}, {131072, 1024}, {131072, 4096}, {131072, 32768},
}

// echo is a Handler that answers, as a server does.
type echo struct {
	encode func(Opcode, []byte) *Frame
	wire   []byte
}

func (e *echo) Message(op Opcode, payload []byte) error {
	f := e.encode(op, payload)
	defer f.Release()
	e.wire = append(e.wire, f.Bytes()...)
	return nil
}

func (e *echo) Control(op Opcode, payload []byte) error {
	e.wire = AppendFrame(e.wire, Pong, payload)
	return nil
}

func TestAutobahnDeflate(t *testing.T) {
	bitmap := func(n int) string { // smooth, as a picture is
		b, grain := make([]byte, n), noise(n)
		for i := range b {
			b[i] = byte(128 + i%512/8 + int(grain[i]&3))
		}
		return string(b)
	}
	for _, tc := range []struct {
		name     string
		op       byte
		make     func(n int) string
		compress func(string) string
	}{
		{"12.1 text as binary", bin, chat, packed},
		{"12.2 bitmap", bin, bitmap, packed},
		{"12.3 compressed already", bin, noise, packed},
		{"12.4 JSON", text, chat, packed},
		{"13 JSON, fastest", text, chat, func(s string) string { return packedAt(s, flate.BestSpeed) }},
		{"13 JSON, Huffman only", text, chat, func(s string) string { return packedAt(s, flate.HuffmanOnly) }},
		{"13 JSON, ours", text, chat, func(s string) string { return string(deflatedPayload(s)) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, size := range autobahnSizes {
				message := tc.make(size[0])
				payload := tc.compress(message)
				frames := fragment(fin|rsv1|tc.op, payload)
				if size[1] > 0 {
					frames = inFragments(fin|rsv1|tc.op, payload, size[1])
				}
				checkEcho(t, fmt.Sprint(size), frames, event{Opcode(tc.op), message}, EncodeDeflated)
			}
		})
	}
}

// TestAutobahnWindows is section 13 by what its client asks for: whether our window may
// be kept, which it never is, and its size. Whatever goes back fits it.
func TestAutobahnWindows(t *testing.T) {
	const offer = deflateName + "; client_no_context_takeover; client_max_window_bits"
	encoders := map[Deflate]func(Opcode, []byte) *Frame{WholeWindow: EncodeDeflated, SmallWindow: EncodeSmallWindow}
	messages, compressed, back := map[int]string{}, map[int]string{}, map[Deflate]int{}
	for _, size := range autobahnSizes {
		message := chat(size[0])
		messages[size[0]], compressed[size[0]] = message, packed(message)
		for agreed, encode := range encoders {
			f := encode(Text, []byte(message))
			h, payload := readFrame(t, bytes.NewReader(f.Bytes()))
			f.Release()
			if !h.Rsv1() {
				if size[0] >= 1024 {
					t.Errorf("%d bytes: not compressed", size[0])
				}
				continue
			}
			distance, n, before, err := farthest(string(payload))
			if n != size[0] || before > 0 || err != nil {
				t.Errorf("%d bytes became %d, %d before the first: %v", size[0], n, before, err)
			}
			back[agreed] = max(back[agreed], distance)
		}
	}
	for _, tc := range []struct {
		name, offer string
		bits        int // 0: none is asked for
	}{
		{"13.1", offer, 0},
		{"13.2", offer + "; server_no_context_takeover", 0},
		{"13.3", offer + "; server_max_window_bits=9", 9},
		{"13.4", offer + "; server_max_window_bits=15", 15},
		{"13.5", offer + "; server_no_context_takeover; server_max_window_bits=9", 9},
		{"13.6", offer + "; server_no_context_takeover; server_max_window_bits=15", 15},
		{"13.7", offer + "; server_no_context_takeover; server_max_window_bits=9, " + offer + "; server_no_context_takeover, " + offer, 9},
		{"10 bits", offer + "; server_max_window_bits=10", 10}, // those that it leaves out
		{"11 bits", offer + "; server_max_window_bits=11", 11},
		{"12 bits", offer + "; server_max_window_bits=12", 12},
		{"13 bits", offer + "; server_max_window_bits=13", 13},
		{"14 bits", offer + "; server_max_window_bits=14", 14},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := offering(t, tc.offer)
			agreed, err := r.OffersDeflate()
			resp, _ := readResponse(t, AppendUpgrade(nil, r, "", true), "GET")
			want := deflateTerms
			if tc.bits > 0 {
				want += fmt.Sprint("; server_max_window_bits=", tc.bits)
			}
			if got := resp.Header.Get(extensionsHeader); got != want || err != nil {
				t.Fatalf("answered with %q, %v, want %q", got, err, want)
			}
			window := 32 << 10
			if tc.bits > 0 {
				window = 1 << tc.bits
			}
			if back[agreed] > window {
				t.Errorf("goes back %d bytes, want at most %d", back[agreed], window)
			}
			for _, size := range autobahnSizes {
				frames := fragment(fin|rsv1|text, compressed[size[0]])
				if size[1] > 0 {
					frames = inFragments(fin|rsv1|text, compressed[size[0]], size[1])
				}
				checkEcho(t, fmt.Sprint(size), frames, txt(messages[size[0]]), encoders[agreed])
			}
		})
	}
}

// checkEcho sends frames twice with a ping behind each, in pieces as TCP makes
// them, and reads the answers.
func checkEcho(t *testing.T, name string, frames []byte, want event, encode func(Opcode, []byte) *Frame) {
	t.Helper()
	server, client := deflateOn, Assembler{Client: true, Deflate: true}
	lim := Limits{MaxMessage: 131072}
	e := echo{encode: encode}
	var all []event
	var in []byte
	for range 2 {
		in = append(in, frames...)
		in = append(in, fragment(fin|ping, "p")...)
		all = append(all, want, event{Pong, "p"})
	}
	for len(in) > 0 {
		n := min(autobahnSegment, len(in))
		if err := server.Feed(in[:n], &lim, &e); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		in = in[n:]
	}
	if got := feed(t, &client, &lim, e.wire, len(e.wire)/3); !got.equal(events(all...)) {
		t.Errorf("%s: got %v", name, got)
	}
}

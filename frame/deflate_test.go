// Compressing messages.

package frame

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// deflatedPayload is a message as we compress it.
func deflatedPayload(message string) []byte {
	packed := deflate([]byte(message))
	defer frameBuffers.put(packed)
	return bytes.Clone(packed.B)
}

// smallPayload is deflatedPayload for a small window.
func smallPayload(message string) []byte {
	packed := deflateSmall([]byte(message))
	defer frameBuffers.put(packed)
	return bytes.Clone(packed.B)
}

func TestEncodeDeflated(t *testing.T) {
	checkEncodeDeflated(t, EncodeDeflated, 32<<10)
	mustPanic(t, "EncodeDeflated", func() { EncodeDeflated(Ping, make([]byte, 500)) })
}

func TestEncodeSmallWindow(t *testing.T) {
	checkEncodeDeflated(t, EncodeSmallWindow, smallWindow)
	mustPanic(t, "EncodeSmallWindow", func() { EncodeSmallWindow(Ping, make([]byte, 500)) })
	for n := smallWindow - 2; n <= smallWindow+2; n++ { // two compressors meet here
		message := "ABCDEFGH" + strings.Repeat(".", n-16) + "ABCDEFGH"
		wantWithin(t, string(smallPayload(message)), smallWindow, n)
	}
}

func checkEncodeDeflated(t *testing.T, encode func(Opcode, []byte) *Frame, window int) {
	for _, tc := range []struct {
		name     string
		op       Opcode
		message  string
		deflated bool
	}{
		{"empty", Text, "", false},
		{"below the threshold", Text, strings.Repeat("a", minDeflate-1), false},
		{"at the threshold", Text, strings.Repeat("a", minDeflate), true},
		{"does not shrink", Binary, noise(4096), false},
		{"large and does not shrink", Binary, noise(200_000), false},
		{"chat", Text, chat(512), true},
		{"batch", Text, chat(4096), true},
		{"large", Binary, chat(500_000), true},
		{"control", Ping, strings.Repeat("p", 125), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := encode(tc.op, []byte(tc.message))
			f.Retain()
			f.Release()
			defer f.Release()
			if !tc.deflated {
				if want := AppendFrame(nil, tc.op, []byte(tc.message)); !bytes.Equal(f.Bytes(), want) {
					t.Error("is not the plain frame")
				}
				return
			}
			h, payload := readFrame(t, bytes.NewReader(f.Bytes()))
			if h.Rsv != ws.Rsv(true, false, false) || !h.Fin || h.Masked || Opcode(h.OpCode) != tc.op {
				t.Errorf("header %+v", h)
			}
			if len(payload) >= len(tc.message) || bytes.HasSuffix(payload, []byte(syncMarker)) {
				t.Errorf("%d bytes for %d, ending in %x", len(payload), len(tc.message), payload[len(payload)-4:])
			}
			if got, code := referenceInflate(payload, int64(len(tc.message))); string(got) != tc.message {
				t.Errorf("inflates to %d bytes, code %d", len(got), code)
			}
			wantWithin(t, string(payload), window, len(tc.message))
			if held := cap(f.buf.B); held > max(minClassSize, 2*len(f.Bytes())) {
				t.Errorf("%d bytes held for %d", held, len(f.Bytes()))
			}
		})
	}
}

// TestDeflateBound: a buffer of maxDeflated is never outgrown, whatever is
// compressed.
func TestDeflateBound(t *testing.T) {
	for _, n := range []int{0, 1, 12, 13, 100, 32766, 32767, 32768, 65535, 65536, 200_000} {
		for name, message := range map[string]string{"noise": noise(n), "chat": chat(n), "zeros": string(make([]byte, n)),
			"half": noise(n/2) + chat(n-n/2)} {
			for _, compress := range []func(string) []byte{deflatedPayload, smallPayload} {
				if got := len(compress(message)) + len(syncMarker); got > int(maxDeflated(int64(n))) {
					t.Errorf("%s: %d bytes came to %d", name, n, got)
				}
			}
		}
	}
}

// TestDeflateAgainstWS exchanges messages with the library, both ways.
func TestDeflateAgainstWS(t *testing.T) {
	for _, n := range []int{0, 1, 5, 100, 512, 5000, 40_000, 100_000} {
		for name, message := range map[string]string{"chat": chat(n), "noise": noise(n)} {
			t.Run(fmt.Sprintf("%s of %d", name, n), func(t *testing.T) {
				theirs, err := wsflate.CompressFrame(ws.NewBinaryFrame([]byte(message)))
				if err != nil {
					t.Fatal(err)
				}
				a, want := deflateOn, events(event{Binary, message})
				wire := ws.MustCompileFrame(ws.MaskFrameWith(theirs, testMask))
				if got := feed(t, &a, &autobahnLimits, wire, 1, len(wire)/2); !got.equal(want) {
					t.Errorf("theirs: %v", got)
				}
				wire = AppendMaskedDeflated([]byte("before"), Binary, testMask, []byte(message))[len("before"):]
				if got := feed(t, &a, &autobahnLimits, wire); !got.equal(want) {
					t.Errorf("ours: %v", got)
				}
				h, payload := readFrame(t, bytes.NewReader(wire))
				plain, err := wsflate.DecompressFrame(ws.UnmaskFrame(ws.Frame{Header: h, Payload: payload}))
				if err != nil || string(plain.Payload) != message || h.Rsv != ws.Rsv(true, false, false) {
					t.Errorf("ours in the library: %+v, %v", h, err)
				}
			})
		}
	}
}

// FuzzDeflate: what we compress, others inflate to what it was, and so do we.
func FuzzDeflate(f *testing.F) {
	for _, s := range []string{"", "a", "Hello", chat(200), chat(300), chat(3000), noise(300), strings.Repeat("ab", 500), chat(40_000) + noise(1000)} {
		f.Add([]byte(s), uint16(50))
	}
	f.Fuzz(func(t *testing.T, message []byte, size uint16) {
		payload := deflatedPayload(string(message))
		if got, code := referenceInflate(payload, int64(len(message))); code != 0 || !bytes.Equal(got, message) {
			t.Fatalf("%q became %q, code %d", message, got, code)
		}
		small := smallPayload(string(message))
		if got, code := referenceInflate(small, int64(len(message))); code != 0 || !bytes.Equal(got, message) {
			t.Fatalf("for a small window: %q became %q, code %d", message, got, code)
		}
		wantWithin(t, string(small), smallWindow, len(message))
		a := deflateOn
		lim := Limits{MaxMessage: max(1, len(message)), MaxFragments: len(payload) + 1}
		want := events(event{Binary, string(message)})
		if got := feed(t, &a, &lim, inFragments(fin|rsv1|bin, string(payload), 1+int(size))); !got.equal(want) {
			t.Fatalf("%q: %v", message, got)
		}
		a = Assembler{Client: true, Deflate: true}
		frame := EncodeDeflated(Binary, message)
		defer frame.Release()
		if got := feed(t, &a, &lim, frame.Bytes()); !got.equal(want) {
			t.Fatalf("%q: %v", message, got)
		}
	})
}

// FuzzInflate compares any input with what the standard library makes of it.
func FuzzInflate(f *testing.F) {
	for _, s := range []string{
		"", "\x00", rfcHello, rfcHello[:4], "\xf3\x48\xcd\xc9\xc9\x07\x00" + rfcHello, "\xf3\x48\xcd\xc9\xc9\x07\x00",
		"\x00\x05\x00\xfa\xffHello\x00", "\x01\x05\x00\xfa\xffHello\x00", "\x06", "\xf2\x00\x11\x00\x00", "\x00\x09\x00\xf6\xff",
		packed(chat(1000)), string(deflatedPayload(chat(1000))), packed(noise(100)), packed(string(make([]byte, 5000))),
		packed(chat(300)) + syncMarker + packed(noise(30)),
	} {
		f.Add([]byte(s), uint16(len(s)/2))
	}
	lim := Limits{MaxMessage: 4096}
	f.Fuzz(func(t *testing.T, payload []byte, cut uint16) {
		payload = payload[:min(len(payload), 4096)]
		message, code := referenceInflate(payload, lim.maxMessage())
		want := failed(code)
		if code == 0 {
			want = events(event{Binary, string(message)})
		}
		in := fragment(fin|rsv1|bin, string(payload))
		a := deflateOn
		whole := feed(t, &a, &lim, in)
		if !sameInflation(whole, want) {
			t.Fatalf("%x: got %v, want %v", payload, whole, want)
		}
		a.Reset()
		if got := feed(t, &a, &lim, in, int(cut)%(len(in)+1)); !got.equal(whole) {
			t.Fatalf("%x cut at %d: got %v, want %v", payload, cut, got, whole)
		}
	})
}

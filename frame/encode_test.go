// Messages as bytes.

package frame

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

var encodeSizes = []int{0, 1, 125, 126, 127, 65535, 65536, 65537, 200_000}

func TestAppendFrameAgainstWS(t *testing.T) {
	for _, n := range encodeSizes {
		payload := bytes.Repeat([]byte("x\x00\xff"), n/3+1)[:n]
		want, err := ws.CompileFrame(ws.NewBinaryFrame(payload))
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendFrame([]byte("before"), Binary, payload); string(got) != "before"+string(want) {
			t.Errorf("%d bytes: AppendFrame differs", n)
		}
		f := Encode(Binary, payload)
		if !bytes.Equal(f.Bytes(), want) {
			t.Errorf("%d bytes: Encode differs", n)
		}
		f.Release()
		want, err = ws.CompileFrame(ws.MaskFrameWith(ws.NewTextFrame(payload), testMask))
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendMasked([]byte("before"), Text, testMask, payload); string(got) != "before"+string(want) {
			t.Errorf("%d bytes: AppendMasked differs", n)
		}
	}
}

// TestRoundTripWS sends both ways between us and wsutil, as client and server.
func TestRoundTripWS(t *testing.T) {
	for _, n := range encodeSizes {
		payload := strings.Repeat("\u00fcx", n)[:n/3*3]
		t.Run(fmt.Sprint("their client ", n), func(t *testing.T) {
			var wire bytes.Buffer
			if err := wsutil.WriteClientText(&wire, []byte(payload)); err != nil {
				t.Fatal(err)
			}
			var a Assembler
			if got := feed(t, &a, &autobahnLimits, wire.Bytes(), 1, min(7, wire.Len())); !got.equal(events(txt(payload))) {
				t.Errorf("got %v", got)
			}
		})
		t.Run(fmt.Sprint("their server ", n), func(t *testing.T) {
			var wire bytes.Buffer
			if err := wsutil.WriteServerText(&wire, []byte(payload)); err != nil {
				t.Fatal(err)
			}
			a := Assembler{Client: true}
			if got := feed(t, &a, &autobahnLimits, wire.Bytes(), 1); !got.equal(events(txt(payload))) {
				t.Errorf("got %v", got)
			}
		})
		t.Run(fmt.Sprint("our server ", n), func(t *testing.T) {
			got, op, err := wsutil.ReadServerData(readOnly{bytes.NewReader(AppendFrame(nil, Text, []byte(payload)))})
			if err != nil || op != ws.OpText || string(got) != payload {
				t.Errorf("%v, %v, %d bytes", err, op, len(got))
			}
		})
		t.Run(fmt.Sprint("our client ", n), func(t *testing.T) {
			got, op, err := wsutil.ReadClientData(readOnly{bytes.NewReader(AppendMasked(nil, Text, testMask, []byte(payload)))})
			if err != nil || op != ws.OpText || string(got) != payload {
				t.Errorf("%v, %v, %d bytes", err, op, len(got))
			}
		})
	}
}

type readOnly struct{ io.Reader }

func (readOnly) Write([]byte) (int, error) { return 0, errors.New("unexpected write") }

func TestAppendClose(t *testing.T) {
	euro := strings.Repeat("\u20ac", 41) // 123 bytes
	for _, tc := range []struct {
		name         string
		code         uint16
		reason, want string
	}{
		{"plain", CloseGoingAway, "bye", "bye"},
		{"no reason", closeNormal, "", ""},
		{"123 bytes", closeNormal, euro, euro},
		{"124 bytes", closeNormal, euro + "x", euro},
		{"rune at the cut", closeNormal, "x" + euro, "x" + euro[:120]},
		{"two-byte rune at the cut", closeNormal, strings.Repeat("x", 122) + "\u00fc", strings.Repeat("x", 122)},
		{"not UTF-8", closeNormal, "a\xffb", "a\uFFFDb"},
		{"long and not UTF-8", closeNormal, strings.Repeat("\xffa", 100), strings.Repeat("\uFFFDa", 30) + "\uFFFD"},
		{"no status", CloseNoStatus, "ignored", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, payload := readFrame(t, bytes.NewReader(AppendClose(nil, tc.code, tc.reason)))
			if h.OpCode != ws.OpClose || !h.Fin || h.Masked {
				t.Fatalf("%+v", h)
			}
			if err := checkClose(payload); err != nil {
				t.Error(err)
			}
			code, reason := ParseClose(payload)
			if code != tc.code || reason != tc.want || !utf8.ValidString(reason) {
				t.Errorf("got %d %q, want %d %q", code, reason, tc.code, tc.want)
			}
		})
	}
}

// readFrame reads one frame with the library.
func readFrame(t *testing.T, r io.Reader) (ws.Header, []byte) {
	t.Helper()
	h, err := ws.ReadHeader(r)
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(r, payload); err != nil {
		t.Fatal(err)
	}
	return h, payload
}

func TestControlTooLong(t *testing.T) {
	AppendFrame(nil, Ping, make([]byte, 125))
	mustPanic(t, "AppendFrame", func() { AppendFrame(nil, Ping, make([]byte, 126)) })
	mustPanic(t, "Encode", func() { Encode(Close, make([]byte, 126)) })
}

func TestReleaseTooOften(t *testing.T) {
	f := &Frame{buf: frameBuffers.get(10)} // not from the pool, where others would meet it
	f.refs.Store(2)
	f.Release()
	f.Retain()
	f.Release()
	// The last reference, without the way back to the pool.
	f.refs.Add(-1)
	mustPanic(t, "Release", f.Release)
	f.refs.Store(0)
	mustPanic(t, "Retain", f.Retain)
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s did not panic", what)
		}
	}()
	f()
}

// TestFramePoison proves that no buffer is reused before its last Release. One
// goroutine keeps taking buffers out of the pool, as Encode does, and poisons
// them; readers hold references to frames and check every byte up to their own
// Release. Under -race a buffer given back early is a race as well.
func TestFramePoison(t *testing.T) {
	const readers, rounds = 4, 3000
	stop := make(chan struct{})
	var poisoner, all sync.WaitGroup
	poisoner.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, size := range []int{100, 1000, 5000} {
				b := frameBuffers.get(size)
				whole := b.B[:cap(b.B)]
				for i := range whole {
					whole[i] = 0xDB
				}
				frameBuffers.put(b)
			}
		}
	})
	queues := make([]chan *Frame, readers)
	for i := range queues {
		queues[i] = make(chan *Frame, 16)
		all.Go(func() {
			for f := range queues[i] {
				b := f.Bytes()
				payload := b[ws.HeaderSize(ws.Header{Length: int64(len(b))}):]
				if b[0] != 0x82 || bytes.Count(payload, payload[:1]) != len(payload) || payload[0] == 0xDB {
					t.Errorf("frame changed while referenced: %x...", b[:8])
				}
				f.Release()
			}
		})
	}
	for i := range rounds {
		f := Encode(Binary, bytes.Repeat([]byte{byte(i % 128)}, []int{100, 1000, 5000}[i%3]))
		for _, q := range queues {
			f.Retain()
			q <- f
		}
		f.Release()
	}
	for _, q := range queues {
		close(q)
	}
	all.Wait()
	close(stop)
	poisoner.Wait()
}

func TestAppendNoAlloc(t *testing.T) {
	payload := make([]byte, 100)
	for name, size := range map[string]int{"frame": 102, "masked": 106, "close": 127} {
		dst := make([]byte, 0, size) // to the byte: what comes out must fit
		if n := testing.AllocsPerRun(100, func() {
			switch name {
			case "frame":
				dst = AppendFrame(dst[:0], Text, payload)
			case "masked":
				dst = AppendMasked(dst[:0], Text, testMask, payload)
			case "close":
				dst = AppendClose(dst[:0], closeNormal, "the reason of the close frame")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

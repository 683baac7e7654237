// What frames, handshakes and compression cost.

package frame

import (
	"fmt"
	"testing"
)

func BenchmarkEncode(b *testing.B) {
	for _, size := range []int{64, 4 << 10} {
		b.Run(fmt.Sprintf("msg=%dB", size), func(b *testing.B) {
			payload := make([]byte, size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				Encode(Text, payload).Release()
			}
		})
	}
}

func BenchmarkFeed(b *testing.B) {
	for _, bc := range []struct {
		name string
		in   []byte
		cut  int // 0: whole
	}{
		{"msg=64B/cut=no", AppendMasked(nil, Text, testMask, make([]byte, 64)), 0},
		{"msg=64B/cut=header", AppendMasked(nil, Text, testMask, make([]byte, 64)), 3},
		{"msg=64B/cut=payload", AppendMasked(nil, Text, testMask, make([]byte, 64)), 30},
		{"msg=4096B/cut=no", AppendMasked(nil, Text, testMask, make([]byte, 4096)), 0},
	} {
		b.Run(bc.name, func(b *testing.B) {
			var a Assembler
			var h nopHandler
			buf := make([]byte, len(bc.in))
			b.ReportAllocs()
			b.SetBytes(int64(len(bc.in)))
			for b.Loop() {
				copy(buf, bc.in) // Feed unmasks in place
				err := a.Feed(buf[:bc.cut], &ruleLimits, &h)
				if err == nil {
					err = a.Feed(buf[bc.cut:], &ruleLimits, &h)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHandshake is all that a connection's opening costs: a browser's
// request parsed and checked, and the answer written.
func BenchmarkHandshake(b *testing.B) {
	in := []byte(chromeRequest)
	out := make([]byte, 0, 512)
	allowed, err := ParseOrigins([]string{"https://example.com", "*.example.com"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r, n, err := ParseRequest(in)
		if err == nil && n == len(in) {
			err = r.CheckUpgrade()
		}
		if err == nil {
			err = CheckOrigin(r.Origin, r.Host, allowed, false)
		}
		if err != nil {
			b.Fatal(err)
		}
		out = AppendUpgrade(out[:0], &r, "barrage.v1", false)
	}
}

// BenchmarkClientHandshake is the same for the client: the request written, the
// answer parsed and checked.
func BenchmarkClientHandshake(b *testing.B) {
	in := []byte(sampleAnswer)
	out := make([]byte, 0, 512)
	request := sampleRequest()
	b.ReportAllocs()
	for b.Loop() {
		var err error
		out, err = AppendClientRequest(out[:0], request)
		if err != nil {
			b.Fatal(err)
		}
		r, n, err := ParseResponse(in)
		if err == nil && n == len(in) {
			err = r.CheckAccept(request.Key, request.Subprotocols)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodeDeflated is what a message costs once, however many get it.
// sent/B is the part of the payload that is sent.
func BenchmarkEncodeDeflated(b *testing.B) {
	for _, size := range []int{100, 512, 2 << 10, 16 << 10} {
		b.Run(fmt.Sprintf("msg=%dB", size), func(b *testing.B) {
			payload := []byte(chat(size))
			sent := 0
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				f := EncodeDeflated(Text, payload)
				sent = len(f.Bytes())
				f.Release()
			}
			b.ReportMetric(float64(sent)/float64(size), "sent/B")
		})
	}
}

func BenchmarkFeedDeflated(b *testing.B) {
	for _, size := range []int{100, 512, 2 << 10, 16 << 10} {
		b.Run(fmt.Sprintf("msg=%dB", size), func(b *testing.B) {
			in := AppendMaskedDeflated(nil, Text, testMask, []byte(chat(size)))
			a := Assembler{Deflate: true}
			var h nopHandler
			buf := make([]byte, len(in))
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				copy(buf, in)
				if err := a.Feed(buf, &ruleLimits, &h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

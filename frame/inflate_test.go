// Inflating messages, and what a hostile peer may make of it.

package frame

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

var deflateOn = Assembler{Deflate: true}

func TestInflateRules(t *testing.T) {
	const (
		bad     = CloseProtocol
		damaged = CloseInvalidPayload
		final   = "\xf3\x48\xcd\xc9\xc9\x07\x00" // rfcHello with BFINAL set
		stored  = "\x00\x05\x00\xfa\xffHello\x00"
	)
	hello := events(txt("Hello"))
	one := func(payload string) []byte { return fragment(fin|rsv1|text, payload) }
	binary := func(payload string) []byte { return fragment(fin|rsv1|bin, payload) }
	zeros := func(n int) string { return string(make([]byte, n)) }
	checkRulesOf(t, deflateOn, &ruleLimits, []ruleCase{
		{"7.2.3.1 one block", one(rfcHello), hello},
		{"7.2.3.1 two fragments", join(fragment(more|rsv1|text, rfcHello[:3]), fragment(fin|cont, rfcHello[3:])), hello},
		{"7.2.3.3 stored block", one(stored), hello},
		{"7.2.3.4 BFINAL", one(final + "\x00"), hello},
		{"7.2.3.5 two blocks", one("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), hello},
		{"7.2.3.6 empty", one("\x00"), events(txt(""))},
		{"BFINAL without a block behind it", one(final), hello},
		{"blocks behind BFINAL", one(final + rfcHello), events(txt("HelloHello"))},
		{"three times BFINAL", one(final + final + final + "\x00"), events(txt("HelloHelloHello"))},
		{"empty block with BFINAL", one("\x03\x00\x00"), events(txt(""))},
		{"stored block with BFINAL", one("\x01\x05\x00\xfa\xffHello\x00"), hello},
		{"empty fragments", join(fragment(more|rsv1|text, ""), fragment(more|cont, rfcHello), fragment(more|cont, ""), fragment(fin|cont, "")), hello},
		{"control frames between", join(fragment(more|rsv1|text, rfcHello[:1]), fragment(fin|ping, "1"), fragment(more|cont, rfcHello[1:6]),
			fragment(fin|pong, ""), fragment(fin|cont, rfcHello[6:])), events(event{Ping, "1"}, event{Pong, ""}, txt("Hello"))},
		{"not compressed", fragment(fin|text, "plain"), events(txt("plain"))},
		{"both kinds in turn", join(one(rfcHello), fragment(fin|text, "plain"), one(stored), fragment(more|bin, "p"), fragment(fin|cont, "q"), one(rfcHello)),
			events(txt("Hello"), txt("plain"), txt("Hello"), event{Binary, "pq"}, txt("Hello"))},
		{"close inside a message", join(fragment(more|rsv1|text, rfcHello[:3]), closing(1001, "")), events(closed(1001, ""))},
		{"half a message", fragment(more|rsv1|text, rfcHello), events()},

		{"RSV1 on a continuation", join(fragment(more|rsv1|text, rfcHello), fragment(fin|rsv1|cont, rfcHello)), failed(bad)},
		{"RSV1 on a continuation of a plain message", join(fragment(more|text, "a"), fragment(fin|rsv1|cont, "b")), failed(bad)},
		{"RSV1 on a new message inside another", join(fragment(more|rsv1|text, rfcHello), one(rfcHello)), failed(bad)},
		{"RSV1 on a ping", fragment(fin|rsv1|ping, rfcHello), failed(bad)},
		{"RSV1 on a close", fragment(fin|rsv1|clos, ""), failed(bad)},
		{"RSV1 on a reserved opcode", fragment(fin|rsv1|3, rfcHello), failed(bad)},
		{"RSV2", fragment(fin|0x20|text, "x"), failed(bad)},
		{"RSV1 and RSV2", fragment(fin|0x60|text, rfcHello), failed(bad)},
		{"RSV1 and RSV3", fragment(fin|0x50|bin, rfcHello), failed(bad)},

		{"7.2.3.2 window of the message before", join(one(rfcHello), one("\xf2\x00\x11\x00\x00")), failed(damaged, txt("Hello"))},
		{"no payload, where empty is a byte", one(""), failed(damaged)},
		{"block of the reserved type", one("\x06"), failed(damaged)},
		{"stored block whose lengths differ", one("\x00\x05\x00\xff\xffHello\x00"), failed(damaged)},
		{"stored block cut short", one(stored[:7]), failed(damaged)},
		{"BFINAL cut short", one(final[:4]), failed(damaged)},
		{"plain text said to be compressed", one("Hello, world!"), failed(damaged)},
		{"nothing after an error", join(one("\x06"), one(rfcHello)), failed(damaged)},
		{"not UTF-8", one(packed("a\xed\xa0\x80b")), failed(damaged)},
		{"ends inside a rune", one(packed("a\xe2\x82")), failed(damaged)},
		{"rune over two fragments", inFragments(fin|rsv1|text, packed("\u20ac"), 3), events(txt("\u20ac"))},
		{"not UTF-8, as binary", binary(packed("a\xed\xa0\x80b")), events(event{Binary, "a\xed\xa0\x80b"})},

		{"just in the limit", binary(packed(zeros(70_000))), events(event{Binary, zeros(70_000)})},
		{"one byte too big", binary(packed(zeros(70_001))), failed(CloseTooBig)},
		{"one byte too big by several blocks", binary(packed(zeros(70_000)) + syncMarker + packed("x")), failed(CloseTooBig)},
		{"one byte too big behind BFINAL", binary(final + packed(zeros(69_996))), failed(CloseTooBig)},
		{"announced too big", raw(fin|rsv1|bin, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0xf5), failed(CloseTooBig)},
		{"announced just in the limit", raw(fin|rsv1|bin, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0xf4), events()},
		{"grown by compression", binary(packedAt(noise(70_000), flate.NoCompression)), events(event{Binary, noise(70_000)})},
		{"five fragments", inFragments(fin|rsv1|text, rfcHello, 1), failed(ClosePolicy)},
	})
}

// TestKeptWindow: a sender that keeps its window, whatever was agreed on, is told so; one
// whose messages are damaged in another way is not told what is wrong.
func TestKeptWindow(t *testing.T) {
	const kept = "compressed message refers to an earlier one, though client_no_context_takeover was agreed on"
	const damaged = "compressed message is damaged"
	if reason := cutReason(kept); reason != kept {
		t.Fatalf("a close frame takes only %q", reason)
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		t.Fatal(err)
	}
	var messages []string // of a sender as those of iOS 15
	for i := range 3 {
		out.Reset()
		_, _ = fmt.Fprintf(w, `{"danmaku":"hello hello hello","n":%d,"user":"somebody"}`, i)
		_ = w.Flush()
		messages = append(messages, strings.TrimSuffix(out.String(), syncMarker))
	}
	for _, tc := range []struct{ name, payload, want string }{
		{"first", messages[0], ""},
		{"second", messages[1], kept},
		{"third", messages[2], kept},
		{"second, cut short", messages[1][:len(messages[1])-3], damaged},
		{"second, and garbage", messages[1] + "\x06", damaged},
		{"RFC 7692 7.2.3.2", "\xf2\x00\x11\x00\x00", kept},
		{"block of the reserved type", "\x06", damaged},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, got := deflateOn, ""
			if err := a.Feed(fragment(fin|rsv1|text, tc.payload), &Limits{}, &recorder{}); err != nil {
				got = errorAs(t, err).Reason
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			a.Reset() // and the inflater forgets what stood for earlier messages
			if got := feed(t, &a, &Limits{}, fragment(fin|rsv1|text, "\xf2\x00\x11\x00\x00")); got.code != CloseInvalidPayload {
				t.Errorf("behind it: %v", got)
			}
		})
	}
}

func errorAs(t testing.TB, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T) is not a *Error", err, err)
	}
	return e
}

// TestInflateCut: a message whose end is missing is not taken for a whole one,
// but where RFC 7692 itself does not tell them apart.
func TestInflateCut(t *testing.T) {
	for name, message := range map[string]string{"one block": rfcHello, "tables": packed(chat(2000)),
		"ours": string(deflatedPayload(chat(2000))), "stored": packed(noise(2000))} {
		t.Run(name, func(t *testing.T) {
			for cut := 1; cut < len(message); cut++ {
				a, want := deflateOn, failed(CloseInvalidPayload)
				if name == "stored" {
					switch cut {
					case 1: // the empty message of section 7.2.3.6
						want = events(event{Binary, ""})
					case len(message) - 5: // four bytes short, and section 7.2.2 adds four
						want = events(event{Binary, message[5:cut] + syncMarker})
					}
				}
				if got := feed(t, &a, &ruleLimits, fragment(fin|rsv1|bin, message[:cut])); !got.equal(want) {
					t.Errorf("cut at %d of %d: %v", cut, len(message), got)
				}
				a.Reset()
			}
		})
	}
}

// TestInflateSplits: every split gives what the whole gives.
func TestInflateSplits(t *testing.T) {
	text, long := chat(300), chat(900)
	in := join(fragment(fin|rsv1|1, packed(text)), inFragments(fin|rsv1|1, packed(long), 250), fragment(fin|ping, "p"),
		fragment(fin|1, text), inFragments(fin|rsv1|bin, packed(noise(200)), 100))
	want := events(txt(text), txt(long), event{Ping, "p"}, txt(text), event{Binary, noise(200)})
	try := func(cuts ...int) {
		t.Helper()
		a := deflateOn
		defer a.Reset()
		if got := feed(t, &a, &Limits{}, in, cuts...); !got.equal(want) {
			t.Fatalf("cut at %v: got %v, want %v", cuts, got, want)
		}
	}
	try()
	try(everyByte(in)...)
	for cut := range in {
		try(cut)
		try(cut/2, cut)
	}
}

// TestInflateClient: the client's side takes what EncodeDeflated makes.
func TestInflateClient(t *testing.T) {
	a := Assembler{Client: true, Deflate: true}
	f := EncodeDeflated(Text, []byte(chat(2000)))
	defer f.Release()
	if got := feed(t, &a, &Limits{}, f.Bytes()); f.Bytes()[0] != fin|rsv1|text || !got.equal(events(txt(chat(2000)))) {
		t.Errorf("first byte %#x, %v", f.Bytes()[0], got)
	}
	if a.Reset(); !a.Client || !a.Deflate {
		t.Errorf("Reset took the settings: %+v", a)
	}
}

// TestInflateIdle: an incomplete message holds what has arrived of it.
func TestInflateIdle(t *testing.T) {
	a := deflateOn
	h := &nopHandler{}
	in := inFragments(fin|rsv1|1, packed(string(make([]byte, 60_000))), 20)
	for i := range in {
		if a.Idle() != (i == 0) || a.Buffered() > 512 {
			t.Fatalf("before byte %d: idle %v, %d bytes", i, a.Idle(), a.Buffered())
		}
		if err := a.Feed(in[i:i+1], &Limits{}, h); err != nil {
			t.Fatal(err)
		}
	}
	if !a.Idle() || a.Buffered() != 0 || h.n != 60_000 {
		t.Errorf("idle %v, %d bytes, got %d", a.Idle(), a.Buffered(), h.n)
	}
}

// TestInflateBomb: what a message inflates to is not held before it is known to
// be within the limit, and then without slack.
func TestInflateBomb(t *testing.T) {
	const mib = 1 << 20
	million := packed(string(make([]byte, mib))) // about 1 KB
	billion := strings.Repeat(million+syncMarker, 1024)
	const constant = 256 << 10 // an inflater, the largest pooled buffer, and what the test itself takes
	for _, tc := range []struct {
		name   string
		packed string
		lim    Limits
		want   result
		most   int
	}{
		{"1 KB to 1 MB", million, Limits{}, failed(CloseTooBig), 0},
		{"1 MB to 1 GB", billion, Limits{MaxMessage: 2 * mib}, failed(CloseTooBig), len(billion)},
		{"1 MB to 1 GB, fragmented", billion, Limits{MaxMessage: 2 * mib}, failed(CloseTooBig), 4 * len(billion)},
		{"1 KB to 1 MB, allowed", million, Limits{MaxMessage: mib}, events(), mib},
	} {
		t.Run(tc.name, func(t *testing.T) {
			size := len(tc.packed)
			if strings.HasSuffix(tc.name, "fragmented") {
				size = 4096
			}
			in := inFragments(fin|rsv1|bin, tc.packed, size)
			a, h := deflateOn, &nopHandler{}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := a.Feed(in, &tc.lim, h)
			runtime.ReadMemStats(&after)
			var code uint16
			if e, ok := err.(*Error); ok {
				code = e.Code
			}
			if code != tc.want.code || err == nil && h.n != mib {
				t.Errorf("%v, %d bytes", err, h.n)
			}
			took := int(after.TotalAlloc - before.TotalAlloc)
			t.Logf("%d bytes of input took %d bytes of memory", len(in), took)
			if took > tc.most+constant {
				t.Errorf("%d bytes of input took %d bytes of memory, want at most %d", len(in), took, tc.most+constant)
			}
		})
	}
}

// TestInflateLarge goes past the pooled buffers, where a message is inflated
// twice.
func TestInflateLarge(t *testing.T) {
	for _, n := range []int{maxClassSize - 1, maxClassSize, maxClassSize + 1, 300_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			a := deflateOn
			want := chat(n)
			if got := feed(t, &a, &Limits{MaxMessage: n}, fragment(fin|rsv1|text, packed(want))); !got.equal(events(txt(want))) {
				t.Error(got)
			}
			if got := feed(t, &a, &Limits{MaxMessage: n - 1}, fragment(fin|rsv1|text, packed(want))); !got.equal(failed(CloseTooBig)) {
				t.Error(got)
			}
		})
	}
}

// TestInflateShared inflates for many connections in turn, good and bad: nothing
// may leak from one to the next.
func TestInflateShared(t *testing.T) {
	a := deflateOn
	for i := range 100 {
		message := chat(100 + i)
		whole := fragment(fin|rsv1|text, packed(message))
		spoilt := bytes.Clone(whole)
		spoilt[6+i%(len(spoilt)-6)] ^= byte(1 + i)
		feed(t, &a, &ruleLimits, spoilt)
		a.Reset()
		if got := feed(t, &a, &ruleLimits, whole); !got.equal(events(txt(message))) {
			t.Fatalf("round %d: %v", i, got)
		}
	}
}

// Assembling: rules, sizes, and input cut anywhere.

package frame

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// ruleCase is one input and what must come of it, however it is cut.
type ruleCase struct {
	name  string
	input []byte
	want  result
}

var ruleLimits = Limits{MaxMessage: 70_000, MaxFragments: 4}

// checkRules feeds every case whole, byte by byte, and cut once at each of the
// first and last offsets.
func checkRules(t *testing.T, lim *Limits, cases []ruleCase) {
	checkRulesOf(t, Assembler{}, lim, cases)
}

// checkRulesOf is checkRules with the settings of an Assembler.
func checkRulesOf(t *testing.T, settings Assembler, lim *Limits, cases []ruleCase) {
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			try := func(how string, cuts ...int) {
				t.Helper()
				a := settings
				defer a.Reset()
				if got := feed(t, &a, lim, tc.input, cuts...); !got.equal(tc.want) {
					t.Fatalf("%s: got %v, want %v", how, got, tc.want)
				}
			}
			try("whole")
			try("byte by byte", everyByte(tc.input)...)
			for cut := 0; cut <= len(tc.input); cut++ {
				if cut < 40 || cut > len(tc.input)-40 {
					try("cut once", cut)
				}
			}
		})
	}
}

func events(e ...event) result              { return result{events: e} }
func failed(code uint16, e ...event) result { return result{events: e, code: code} }
func txt(payload string) event              { return event{Text, payload} }
func closing(code uint16, reason string) []byte {
	return fragment(fin|clos, string([]byte{byte(code >> 8), byte(code)})+reason)
}
func closed(code uint16, reason string) event {
	return event{Close, string([]byte{byte(code >> 8), byte(code)}) + reason}
}

func TestAssembleRules(t *testing.T) {
	hello, wide := fragment(fin|text, "hello"), strings.Repeat("w", tinyFragment)
	const bad = CloseProtocol
	checkRules(t, &ruleLimits, []ruleCase{
		{"nothing", nil, events()},
		{"text", hello, events(txt("hello"))},
		{"binary", fragment(fin|bin, "\xff\x00"), events(event{Binary, "\xff\x00"})},
		{"two glued", join(hello, fragment(fin|bin, "x")), events(txt("hello"), event{Binary, "x"})},
		{"half a frame", hello[:8], events()},

		{"unmasked", AppendFrame(nil, Text, []byte("hello")), failed(bad)},
		{"unmasked after a message", join(hello, AppendFrame(nil, Text, nil)), failed(bad, txt("hello"))},
		{"RSV1", fragment(fin|text|0x40, "x"), failed(bad)},
		{"RSV2", fragment(fin|text|0x20, "x"), failed(bad)},
		{"RSV3", fragment(fin|text|0x10, "x"), failed(bad)},
		{"RSV1 on a control frame", fragment(fin|ping|0x40, "x"), failed(bad)},
		{"opcode 3", fragment(fin|3, "x"), failed(bad)},
		{"opcode 7", fragment(fin|7, "x"), failed(bad)},
		{"opcode 11", fragment(fin|11, "x"), failed(bad)},
		{"opcode 15", fragment(fin|15, "x"), failed(bad)},

		{"ping of 125", fragment(fin|ping, strings.Repeat("p", 125)), events(event{Ping, strings.Repeat("p", 125)})},
		{"ping of 126", fragment(fin|ping, strings.Repeat("p", 126)), failed(bad)},
		{"close of 126", fragment(fin|clos, "\x03\xe8"+strings.Repeat("p", 124)), failed(bad)},
		{"fragmented ping", fragment(more|ping, "p"), failed(bad)},
		{"fragmented close", fragment(more|clos, ""), failed(bad)},

		{"length 126 for 125", raw(fin|bin, 0xfe, 0, 125), failed(bad)},
		{"length 127 for 65535", raw(fin|bin, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff), failed(bad)},
		{"length with top bit", raw(fin|bin, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0), failed(bad)},
		{"length 2^62", raw(fin|bin, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0), failed(CloseTooBig)},
		{"length 2^63-1", raw(fin|bin, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255), failed(CloseTooBig)},
		{"one byte too big", raw(fin|bin, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x71), failed(CloseTooBig)},
		{"too big with the second fragment", join(fragment(more|bin, "x"), raw(fin|cont, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x70)),
			failed(CloseTooBig)},

		{"continuation of nothing", fragment(fin|cont, "x"), failed(bad)},
		{"continuation after a message", join(hello, fragment(more|cont, "x")), failed(bad, txt("hello"))},
		{"text inside a message", join(fragment(more|text, "a"), fragment(fin|text, "b")), failed(bad)},
		{"binary inside a message", join(fragment(more|text, "a"), fragment(fin|bin, "b")), failed(bad)},
		{"fragments", join(fragment(more|text, "he"), fragment(more|cont, "l"), fragment(fin|cont, "lo")), events(txt("hello"))},
		{"empty fragments", join(fragment(more|bin, ""), fragment(more|cont, ""), fragment(fin|cont, "")), events(event{Binary, ""})},
		{"empty, then not", join(fragment(more|text, ""), fragment(fin|cont, "x"), hello), events(txt("x"), txt("hello"))},
		{"four fragments", join(fragment(more|text, "a"), fragment(more|cont, "b"), fragment(more|cont, "c"), fragment(fin|cont, "d")),
			events(txt("abcd"))},
		{"five fragments", join(fragment(more|text, "a"), fragment(more|cont, ""), fragment(more|cont, ""), fragment(more|cont, ""), fragment(fin|cont, "")),
			failed(ClosePolicy)},
		{"seven fragments, of which four are tiny", join(fragment(more|text, "a"), fragment(more|cont, wide), fragment(more|cont, ""), fragment(more|cont, wide),
			fragment(more|cont, wide), fragment(more|cont, wide[1:]), fragment(fin|cont, "d")), events(txt("a" + wide + wide + wide + wide[1:] + "d"))},
		{"six fragments, of which five are tiny", join(fragment(more|text, "a"), fragment(more|cont, wide[1:]), fragment(more|cont, wide), fragment(more|cont, ""),
			fragment(more|cont, ""), fragment(fin|cont, "")), failed(ClosePolicy)},
		{"the count begins anew", join(fragment(more|bin, "a"), fragment(fin|cont, "b"), fragment(more|bin, "c"), fragment(more|cont, ""), fragment(fin|cont, "d")),
			events(event{Binary, "ab"}, event{Binary, "cd"})},
		{"pings between fragments", join(fragment(more|text, "a"), fragment(fin|ping, "1"), fragment(more|cont, "b"),
			fragment(fin|pong, "2"), fragment(fin|ping, ""), fragment(fin|cont, "c")),
			events(event{Ping, "1"}, event{Pong, "2"}, event{Ping, ""}, txt("abc"))},
		{"nothing after a close", join(closing(1000, ""), hello, raw(0xff, 0xff)), events(closed(1000, ""))},
		{"close inside a message", join(fragment(more|text, "a"), closing(1001, "bye"), fragment(fin|cont, "b")),
			events(closed(1001, "bye"))},
	})
}

func TestAssembleSizes(t *testing.T) {
	for _, n := range []int{0, 1, 124, 125, 126, 127, 128, 65535, 65536, 70_000} {
		payload := strings.Repeat("\u00fcx", n/3+1)[:n]
		if n%3 == 1 {
			payload = payload[:n-1] + "." // not half a rune
		}
		checkRules(t, &ruleLimits, []ruleCase{
			{"text", fragment(fin|text, payload), events(txt(payload))},
			{"fragmented", join(fragment(more|text, payload), fragment(fin|ping, "p"), fragment(fin|cont, "")),
				events(event{Ping, "p"}, txt(payload))},
		})
	}
}

func TestAssembleDefaultLimits(t *testing.T) {
	var a Assembler
	big := fragment(fin|bin, strings.Repeat("x", 64<<10))
	if got := feed(t, &a, &Limits{}, big); got.code != 0 || len(got.events) != 1 {
		t.Errorf("64 KiB: %v", got)
	}
	if got := feed(t, &a, &Limits{}, fragment(fin|bin, strings.Repeat("x", 64<<10+1))); got.code != CloseTooBig {
		t.Errorf("64 KiB and one: %v", got)
	}
	a.Reset()
	many := join(fragment(more|bin, ""), bytes.Repeat(fragment(more|cont, ""), 1023))
	if got := feed(t, &a, &Limits{}, many); got.code != 0 {
		t.Errorf("1,024 fragments: %v", got)
	}
	if got := feed(t, &a, &Limits{}, fragment(fin|cont, "")); got.code != ClosePolicy {
		t.Errorf("1,025 fragments: %v", got)
	}
}

func TestAssembleClient(t *testing.T) {
	a := Assembler{Client: true}
	input := join(AppendFrame(nil, Text, []byte("hello")), AppendFrame(nil, Ping, nil), AppendClose(nil, CloseGoingAway, "bye"))
	want := events(txt("hello"), event{Ping, ""}, closed(1001, "bye"))
	if got := feed(t, &a, &ruleLimits, input, everyByte(input)...); !got.equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	a.Reset()
	if got := feed(t, &a, &ruleLimits, fragment(fin|text, "x")); got.code != CloseProtocol {
		t.Errorf("masked frame: %v", got)
	}
}

// TestAssembleInPlace proves that a whole frame is handed over without a copy,
// also when a control frame or an empty fragment came before.
func TestAssembleInPlace(t *testing.T) {
	var a Assembler
	in := join(fragment(more|text, ""), fragment(fin|ping, "ping"), fragment(fin|cont, "hello"))
	h := &pointerHandler{}
	if err := a.Feed(in, &ruleLimits, h); err != nil {
		t.Fatal(err)
	}
	if h.control != &in[len(in)-6-5-4] || h.message != &in[len(in)-5] {
		t.Error("payload was copied")
	}
}

type pointerHandler struct{ message, control *byte }

func (h *pointerHandler) Message(_ Opcode, p []byte) error { h.message = &p[0]; return nil }
func (h *pointerHandler) Control(_ Opcode, p []byte) error { h.control = &p[0]; return nil }

func TestAssembleHandlerError(t *testing.T) {
	boom := errors.New("boom")
	whole := join(fragment(fin|text, "a"), fragment(fin|ping, "b"), fragment(more|text, "c"), fragment(fin|cont, "d"), fragment(fin|text, "e"))
	for at := range 3 {
		var a Assembler
		rec := &recorder{fail: map[int]error{at: boom}}
		if err := a.Feed(bytes.Clone(whole), &ruleLimits, rec); err != boom {
			t.Fatalf("event %d: error %v is not the handler's", at, err)
		}
		if len(rec.events) != at+1 {
			t.Errorf("event %d: %d events, the handler was called after its error", at, len(rec.events))
		}
		if err := a.Feed(bytes.Clone(whole), &ruleLimits, rec); err != nil || len(rec.events) != at+1 {
			t.Errorf("event %d: fed after an error: %v, %d events", at, err, len(rec.events))
		}
		if a.Idle() || a.Buffered() != 0 {
			t.Errorf("event %d: idle %v, %d bytes", at, a.Idle(), a.Buffered())
		}
		a.Reset()
		if got := feed(t, &a, &ruleLimits, fragment(fin|text, "x")); !got.equal(events(txt("x"))) {
			t.Errorf("event %d: after Reset: %v", at, got)
		}
	}
}

// TestAssembleIdle follows Idle and Buffered byte by byte.
func TestAssembleIdle(t *testing.T) {
	var a Assembler
	var rec recorder
	boundary := map[int]bool{0: true}
	var in []byte
	add := func(f []byte, idle bool) { in = append(in, f...); boundary[len(in)] = idle }
	add(fragment(fin|text, "hello"), true)
	add(fragment(fin|ping, "hello"), true)
	add(fragment(more|text, "he"), false)
	add(fragment(fin|ping, "x"), false)
	add(fragment(fin|cont, "llo"), true)
	add(fragment(fin|text, ""), true)
	add(closing(1000, ""), false)
	for i := range in {
		if a.Idle() != boundary[i] {
			t.Fatalf("before byte %d: idle %v", i, a.Idle())
		}
		if a.Idle() && a.Buffered() != 0 {
			t.Fatalf("before byte %d: idle with %d bytes", i, a.Buffered())
		}
		if err := a.Feed(in[i:i+1], &ruleLimits, &rec); err != nil {
			t.Fatal(err)
		}
	}
	if a.Idle() {
		t.Error("idle after a close frame: a fresh Assembler would go on")
	}
	a.Reset()
	if !a.Idle() {
		t.Error("not idle after Reset")
	}
}

// TestAssembleGrowth: memory follows the bytes that came, not those announced.
func TestAssembleGrowth(t *testing.T) {
	lim := Limits{MaxMessage: 1 << 40}
	var a Assembler
	defer a.Reset()
	var rec recorder
	in := raw(fin|bin, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0) // about 1 TB
	if err := a.Feed(in, &lim, &rec); err != nil {
		t.Fatal(err)
	}
	if a.Buffered() != 0 {
		t.Fatalf("%d bytes held for a header", a.Buffered())
	}
	chunk := make([]byte, 1000)
	for got := len(chunk); got < 3<<20; got += len(chunk) {
		if err := a.Feed(chunk, &lim, &rec); err != nil {
			t.Fatal(err)
		}
		if held := a.Buffered(); held < got || held > max(2*got, 512) {
			t.Fatalf("%d bytes held for %d received", held, got)
		}
	}
}

// TestAssembleShared feeds many connections through few Assemblers, as a shard
// does: nothing may leak from one to the next.
func TestAssembleShared(t *testing.T) {
	var a Assembler
	for i := range 200 {
		in := join(fragment(more|text, "he\xe2\x82"), fragment(fin|ping, "x"), fragment(fin|cont, "\xaco"))
		feed(t, &a, &ruleLimits, in[:i%len(in)])
		a.Reset()
		if got := feed(t, &a, &ruleLimits, in); !got.equal(events(event{Ping, "x"}, txt("he\u20aco"))) {
			t.Fatalf("after a cut at %d: %v", i%len(in), got)
		}
	}
}

func TestAssembleNoAlloc(t *testing.T) {
	var a Assembler
	var h nopHandler
	frame := join(fragment(fin|text, "hello, h\u00e9llo"), fragment(fin|bin, strings.Repeat("x", 3000)), fragment(fin|ping, "p"))
	buf := make([]byte, len(frame))
	if n := testing.AllocsPerRun(100, func() {
		copy(buf, frame)
		if err := a.Feed(buf, &ruleLimits, &h); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type nopHandler struct{ n int }

func (h *nopHandler) Message(_ Opcode, p []byte) error { h.n += len(p); return nil }
func (h *nopHandler) Control(_ Opcode, p []byte) error { h.n += len(p); return nil }

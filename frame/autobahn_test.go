// The cases of the Autobahn test suite that concern parsing, under its numbers
// (sections 1 to 7; those with large messages have files of their own). What a server
// answers is the caller's part.

package frame

import (
	"fmt"
	"strings"
	"testing"
)

var autobahnLimits = Limits{MaxMessage: 16 << 20}

func TestAutobahnFraming(t *testing.T) { // section 1
	var cases []ruleCase
	for i, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		payload := strings.Repeat("*", n)
		cases = append(cases,
			ruleCase{fmt.Sprintf("1.1.%d", i+1), fragment(fin|text, payload), events(txt(payload))},
			ruleCase{fmt.Sprintf("1.2.%d", i+1), fragment(fin|bin, payload), events(event{Binary, payload})})
	}
	checkRules(t, &autobahnLimits, cases)
}

func TestAutobahnControl(t *testing.T) { // sections 2 to 5
	const bad = CloseProtocol
	p := func(s string) []byte { return fragment(fin|ping, s) }
	hello := fragment(fin|text, "Hello, world!")
	binary125 := strings.Repeat("\xfe", 125)
	ten := make([][]byte, 10)
	tenPings := make([]event, 10)
	for i := range ten {
		ten[i] = p(fmt.Sprint("payload-", i))
		tenPings[i] = event{Ping, fmt.Sprint("payload-", i)}
	}
	open := fragment(more|text, "fragment1")
	cases := []ruleCase{
		{"2.1 empty ping", p(""), events(event{Ping, ""})},
		{"2.3 binary ping", p("\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), events(event{Ping, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"})},
		{"2.4 ping of 125", p(binary125), events(event{Ping, binary125})},
		{"2.5 ping of 126", p(binary125 + "\xfe"), failed(bad)},
		{"2.7 unsolicited pong", fragment(fin|pong, ""), events(event{Pong, ""})},
		{"2.10 ten pings", join(ten...), events(tenPings...)},
		{"3.1 RSV 1", fragment(fin|text|0x10, "Hello"), failed(bad)},
		{"3.2 message, then RSV 2", join(hello, fragment(fin|text|0x20, "x")), failed(bad, txt("Hello, world!"))},
		{"3.5 binary, RSV 5", fragment(fin|bin|0x50, "x"), failed(bad)},
		{"3.6 ping, RSV 6", fragment(fin|ping|0x60, "x"), failed(bad)},
		{"3.7 close, RSV 7", fragment(fin|clos|0x70, ""), failed(bad)},
		{"5.1 ping in two fragments", join(fragment(more|ping, "fragment1"), fragment(fin|cont, "fragment2")), failed(bad)},
		{"5.2 pong in two fragments", join(fragment(more|pong, "fragment1"), fragment(fin|cont, "fragment2")), failed(bad)},
		{"5.3 two fragments", join(open, fragment(fin|cont, "fragment2")), events(txt("fragment1fragment2"))},
		{"5.6 ping between", join(open, p("ping"), fragment(fin|cont, "fragment2")),
			events(event{Ping, "ping"}, txt("fragment1fragment2"))},
		{"5.9 continuation first", join(fragment(fin|cont, "x"), hello), failed(bad)},
		{"5.12 open continuation first", join(fragment(more|cont, "x"), hello), failed(bad)},
		{"5.15 message, then continuation", join(open, fragment(fin|cont, "fragment2"), fragment(more|cont, "fragment3"), fragment(fin|text, "x")),
			failed(bad, txt("fragment1fragment2"))},
		{"5.18 two texts", join(open, fragment(fin|text, "fragment2")), failed(bad)},
		{"5.19 five fragments, two pings", join(open, fragment(more|cont, "2"), p("a"), fragment(more|cont, "3"), fragment(more|cont, "4"), p("b"), fragment(fin|cont, "5")),
			events(event{Ping, "a"}, event{Ping, "b"}, txt("fragment12345"))},
	}
	for op := byte(3); op <= 7; op++ {
		cases = append(cases,
			ruleCase{fmt.Sprintf("4.1 opcode %d", op), join(hello, fragment(fin|op, ""), p("")), failed(bad, txt("Hello, world!"))},
			ruleCase{fmt.Sprintf("4.2 opcode %d", op+8), join(hello, fragment(fin|(op+8), "x")), failed(bad, txt("Hello, world!"))})
	}
	checkRules(t, &autobahnLimits, cases)
}

func TestAutobahnUTF8(t *testing.T) { // section 6
	const greek = "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!"
	const kosme = "\u03ba\u1f79\u03c3\u03bc\u03b5"
	valid := map[string]string{
		"6.2": greek, "6.5": kosme, "6.6.2": "\u03ba", "6.6.5": "\u03ba\u1f79",
		"6.7.1": "\x00", "6.7.2": "\u0080", "6.7.3": "\u0800", "6.7.4": "\U00010000",
		"6.9.1": "\x7f", "6.9.2": "\u07ff", "6.9.3": "\uffff", "6.9.4": "\U0010ffff",
		"6.11.1": "\ud7ff", "6.11.2": "\ue000", "6.11.3": "\ufffd", "6.11.4": "\U0010ffff",
		"6.22": "\ufffe", "6.22.34": "\U0010fffe", "6.23": "\ufffd",
	}
	invalid := map[string]string{
		"6.3": kosme + "\xed\xa0\x80" + "edited", "6.4": kosme + "\xf4\x90\x80\x80" + "edited",
		"6.6.1": "\xce", "6.6.3": "\xce\xba\xe1", "6.6.4": "\xce\xba\xe1\xbd",
		"6.8.1": "\xf8\x88\x80\x80\x80", "6.8.2": "\xfc\x84\x80\x80\x80\x80",
		"6.10.1": "\xf7\xbf\xbf\xbf", "6.10.2": "\xfb\xbf\xbf\xbf\xbf", "6.10.3": "\xfd\xbf\xbf\xbf\xbf\xbf",
		"6.11.5": "\xf4\x90\x80\x80", "6.12.1": "\x80", "6.12.2": "\xbf", "6.12.7": strings.Repeat("\x80\xbf", 3) + "\x80",
		"6.13.1": "\xc0 \xc1 \xc2 ", "6.13.3": "\xf0 \xf1 ", "6.14.1": "\xc0", "6.14.2": "\xe0\x80",
		"6.14.3": "\xf0\x80\x80", "6.14.6": "\xdf", "6.14.7": "\xef\xbf", "6.14.8": "\xf7\xbf\xbf",
		"6.15.1": "\xc0\xe0\x80\xf0\x80\x80", "6.16.1": "\xfe", "6.16.2": "\xff", "6.17.1": "\xc0\xaf",
		"6.17.2": "\xe0\x80\xaf", "6.17.3": "\xf0\x80\x80\xaf", "6.18.1": "\xc1\xbf", "6.18.2": "\xe0\x9f\xbf",
		"6.18.3": "\xf0\x8f\xbf\xbf", "6.19.1": "\xc0\x80", "6.19.2": "\xe0\x80\x80", "6.20.1": "\xed\xa0\x80",
		"6.20.7": "\xed\xbf\xbf", "6.21.1": "\xed\xa0\x80\xed\xb0\x80", "6.21.8": "\xed\xaf\xbf\xed\xbf\xbf",
	}
	var cases []ruleCase
	for n, s := range valid {
		cases = append(cases, ruleCase{n, fragment(fin|text, s), events(txt(s))},
			ruleCase{n + " by fragments", byFragments(s), events(txt(s))})
	}
	for n, s := range invalid {
		cases = append(cases, ruleCase{n, fragment(fin|text, s), failed(CloseInvalidPayload)},
			ruleCase{n + " by fragments", byFragments(s), failed(CloseInvalidPayload)},
			ruleCase{n + " is fine as binary", fragment(fin|bin, s), events(event{Binary, s})})
	}
	checkRules(t, &autobahnLimits, cases)
}

// byFragments is a text in fragments of one byte, with a last one that is empty.
func byFragments(s string) []byte {
	in := fragment(more|text, s[:1])
	for i := 1; i < len(s); i++ {
		in = append(in, fragment(more|cont, s[i:i+1])...)
	}
	return append(in, fragment(fin|cont, "")...)
}

// TestAutobahnFailFast is 6.3 and 6.4: the connection fails with the byte that
// cannot be right, before the message or even its frame has ended.
func TestAutobahnFailFast(t *testing.T) {
	for _, tc := range []struct {
		text string
		bad  int // offset of the first byte that no continuation makes valid
	}{
		{"ab\xed\xa0\x80", 3}, {"ab\xf4\x90\x80\x80", 3}, {"ab\xff", 2}, {"\xe2\x82a", 2}, {"\xc1\xbf", 0}, {"\x80", 0},
	} {
		in := fragment(more|text, tc.text+"and more")
		start := len(in) - len(tc.text+"and more")
		for _, b0 := range []byte{more | text, fin | text} {
			in[0] = b0
			var a Assembler
			if got := feed(t, &a, &autobahnLimits, in[:start+tc.bad]); !got.equal(events()) {
				t.Errorf("%q: before byte %d: %v", tc.text, tc.bad, got)
			}
			if got := feed(t, &a, &autobahnLimits, in[start+tc.bad:start+tc.bad+1]); !got.equal(failed(CloseInvalidPayload)) {
				t.Errorf("%q: with byte %d: %v", tc.text, tc.bad, got)
			}
		}
	}
}

func TestAutobahnClose(t *testing.T) { // section 7
	hello := fragment(fin|text, "Hello World!")
	long := strings.Repeat("*", 123)
	cases := []ruleCase{
		{"7.1.1", join(hello, closing(1000, "")), events(txt("Hello World!"), closed(1000, ""))},
		{"7.1.2 two closes", join(closing(1000, ""), closing(1000, "")), events(closed(1000, ""))},
		{"7.1.3 close, ping", join(closing(1000, ""), fragment(fin|ping, "")), events(closed(1000, ""))},
		{"7.1.5 close inside a message", join(fragment(more|text, "a"), closing(1000, ""), fragment(fin|cont, "b")), events(closed(1000, ""))},
		{"7.3.1 empty", fragment(fin|clos, ""), events(event{Close, ""})},
		{"7.3.2 one byte", fragment(fin|clos, "a"), failed(CloseProtocol)},
		{"7.3.4 reason", closing(1000, "Hello World!"), events(closed(1000, "Hello World!"))},
		{"7.3.5 reason of 123", closing(1000, long), events(closed(1000, long))},
		{"7.3.6 reason of 124", closing(1000, long+"*"), failed(CloseProtocol)},
		{"7.5.1 reason not UTF-8", closing(1000, "\u03ba\u1f79\u03c3\u03bc\u03b5\xed\xa0\x80edited"), failed(CloseInvalidPayload)},
		{"7.5 reason ends in half a rune", closing(1000, "a\xe2\x82"), failed(CloseInvalidPayload)},
	}
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		cases = append(cases, ruleCase{fmt.Sprint("7.7 code ", code), closing(code, ""), events(closed(code, ""))})
	}
	for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, ruleCase{fmt.Sprint("7.9 code ", code), closing(code, "bye"), failed(CloseProtocol)})
	}
	checkRules(t, &autobahnLimits, cases)
}

// The Assembler against a parser so simple that it is seen to be right: it has
// the whole input, keeps everything, and looks at one byte after the other.

package frame

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gobwas/ws"
)

// oracle parses input as the server's side, with permessage-deflate or without.
func oracle(input []byte, lim *Limits, deflate bool) (res result) {
	var (
		message  []byte
		op       ws.OpCode
		frames   int
		tiny     int
		deflated bool
	)
	for r := bytes.NewReader(input); r.Len() > 0; {
		rest := input[len(input)-r.Len():]
		h, err := ws.ReadHeader(r)
		// The first two bytes are judged without the rest of the header.
		if len(rest) >= 2 {
			start := ws.Header{Fin: rest[0]&0x80 != 0, Rsv: rest[0] >> 4 & 7, OpCode: ws.OpCode(rest[0] & 15),
				Masked: rest[1]&0x80 != 0, Length: int64(rest[1] & 0x7f)}
			state := ws.StateServerSide
			if frames > 0 {
				state |= ws.StateFragmented
			}
			if deflate && start.Rsv == 4 && (start.OpCode == ws.OpText || start.OpCode == ws.OpBinary) {
				start.Rsv = 0
			}
			if ws.CheckHeader(start, state) != nil {
				res.code = CloseProtocol
				return res
			}
			if !start.OpCode.IsControl() && start.Length < 64 && tiny == lim.maxFragments() {
				res.code = ClosePolicy
				return res
			}
		}
		if err == ws.ErrHeaderLengthMSB {
			res.code = CloseProtocol
		}
		if err != nil { // the input ends in the header
			return res
		}
		if len(rest)-r.Len() != ws.HeaderSize(h) { // not minimal
			res.code = CloseProtocol
			return res
		}
		if frames == 0 && !h.OpCode.IsControl() {
			deflated = h.Rsv != 0
		}
		most := lim.maxMessage()
		if deflated {
			most = maxDeflated(most)
		}
		if !h.OpCode.IsControl() && h.Length+int64(len(message)) > most {
			res.code = CloseTooBig
			return res
		}
		payload := make([]byte, min(h.Length, int64(r.Len())))
		_, _ = io.ReadFull(r, payload) // there are as many
		for i := range payload {
			payload[i] ^= h.Mask[i%4]
		}
		whole := int64(len(payload)) == h.Length

		if h.OpCode.IsControl() {
			if !whole {
				return res
			}
			if h.OpCode == ws.OpClose {
				if res.code = oracleClose(payload); res.code != 0 {
					return res
				}
			}
			res.events = append(res.events, event{Opcode(h.OpCode), string(payload)})
			if h.OpCode == ws.OpClose {
				return res
			}
			continue
		}

		if h.OpCode != ws.OpContinuation {
			op = h.OpCode
		}
		frames++
		if h.Length < 64 {
			tiny++
		}
		message = append(message, payload...)
		if deflated {
			if !whole || !h.Fin {
				continue
			}
			if message, res.code = referenceInflate(message, lim.maxMessage()); res.code != 0 {
				return res
			}
		}
		ok, complete := utf8Prefix(message)
		if op == ws.OpText && (!ok || whole && h.Fin && !complete) {
			res.code = CloseInvalidPayload
			return res
		}
		if whole && h.Fin {
			res.events = append(res.events, event{Opcode(op), string(message)})
			message, frames, tiny = nil, 0, 0
		}
	}
	return res
}

// oracleClose is RFC 6455 section 7.4 as a list.
func oracleClose(payload []byte) uint16 {
	if len(payload) == 0 {
		return 0
	}
	if len(payload) == 1 {
		return CloseProtocol
	}
	switch code := binary.BigEndian.Uint16(payload); {
	case code < 1000, code == 1004, code == 1005, code == 1006, code == 1015, code >= 1016 && code <= 2999, code >= 5000:
		return CloseProtocol
	}
	if ok, complete := utf8Prefix(payload[2:]); !ok || !complete {
		return CloseInvalidPayload
	}
	return 0
}

var fuzzLimits = Limits{MaxMessage: 200, MaxFragments: 3}

// checkOracle feeds input whole and cut, where each byte of splits is the length
// of a piece, and compares both with the oracle; with permessage-deflate and
// without.
func checkOracle(t *testing.T, input, splits []byte) {
	t.Helper()
	for _, deflate := range []bool{false, true} {
		checkOracleOf(t, Assembler{Deflate: deflate}, input, splits)
	}
}

func checkOracleOf(t *testing.T, a Assembler, input, splits []byte) {
	t.Helper()
	want := oracle(input, &fuzzLimits, a.Deflate)
	defer a.Reset()
	whole := feed(t, &a, &fuzzLimits, input)
	if !sameInflation(whole, want) || !a.Deflate && whole.code != want.code {
		t.Fatalf("%x\nwhole:  %v\noracle: %v", input, whole, want)
	}
	var cuts []int
	at := 0
	for _, s := range splits {
		if at += int(s); at >= len(input) {
			break
		}
		cuts = append(cuts, at)
	}
	a.Reset()
	if got := feed(t, &a, &fuzzLimits, input, cuts...); !got.equal(whole) {
		t.Fatalf("%x\ncut at %v: %v\nwhole: %v", input, cuts, got, whole)
	}
}

// sameInflation is equal, except that of a message both too big and damaged
// either may be said: inflaters differ in how much they put out before they see
// the damage.
func sameInflation(got, want result) bool {
	if got.code == CloseInvalidPayload || got.code == CloseTooBig {
		return (want.code == CloseInvalidPayload || want.code == CloseTooBig) && slices.Equal(got.events, want.events)
	}
	return got.equal(want)
}

func FuzzAssemble(f *testing.F) {
	byteByByte := bytes.Repeat([]byte{1}, 64)
	for _, in := range [][]byte{
		fragment(fin|text, "hello"),
		join(fragment(more|text, "he\xe2"), fragment(fin|ping, "x"), fragment(fin|cont, "\x82\xac")),
		join(fragment(more|text, "\xf4"), fragment(more|cont, ""), fragment(fin|cont, "\x90\x80\x80")),
		join(fragment(fin|bin, "x"), closing(1000, "bye"), fragment(fin|text, "y")),
		join(closing(1005, "")),
		join(closing(3000, "\xff")),
		fragment(fin|bin, string(make([]byte, 200))),
		raw(fin|bin, 0xff, 0, 0, 0, 0, 0, 1, 0, 0),
		raw(fin|bin, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0),
		raw(fin|bin, 0xfe, 0, 1),
		join(fragment(more|bin, ""), fragment(more|cont, ""), fragment(more|cont, ""), fragment(more|cont, ""), fragment(more|cont, ""), fragment(fin|cont, "")),
		join(fragment(more|bin, ""), fragment(more|cont, string(make([]byte, 63))), fragment(more|cont, string(make([]byte, 64))), fragment(more|cont, ""), fragment(fin|cont, "")),
		AppendFrame(nil, Text, []byte("unmasked")),
		fragment(fin|rsv1|text, rfcHello),
		join(fragment(more|rsv1|bin, rfcHello[:3]), fragment(fin|ping, "x"), fragment(fin|cont, rfcHello[3:]), fragment(fin|text, "plain")),
		join(fragment(more|rsv1|text, rfcHello), fragment(fin|rsv1|cont, rfcHello)),
		fragment(fin|rsv1|bin, packed(string(make([]byte, 201)))),
	} {
		f.Add(in, byteByByte)
		f.Add(in, []byte{3, 9})
	}
	f.Fuzz(checkOracle)
}

// TestAssembleOracle makes up streams that are mostly right, which a fuzzer
// without coverage hardly finds: some frames, sometimes a byte changed.
func TestAssembleOracle(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"", "a", "hello", "\u00fc", "\xe2\x82", "\xac", "\xf0\x9f", "\x98\x80", "\xff", string(make([]byte, 126)), string(make([]byte, 63)), string(make([]byte, 64)), "\x03\xe8", "\x0f\xa0bye",
		rfcHello, rfcHello[:3], rfcHello[3:], packed("\u00fc\xff"), packed(string(make([]byte, 201)))}
	first := []byte{fin | text, more | text, fin | bin, more | bin, fin | rsv1 | text, more | rsv1 | text, fin | rsv1 | bin, fin | cont, more | cont, fin | cont, fin | ping, fin | pong, fin | clos}
	outcomes := map[uint16]int{}
	inflated := 0
	for range 30_000 {
		var in []byte
		open := false
		for range rnd.IntN(10) {
			b0 := first[rnd.IntN(len(first))]
			isCont := b0&0x0f == cont
			if b0&0x08 == 0 && isCont != open && rnd.IntN(20) > 0 {
				b0 = b0&(fin|rsv1) | map[bool]byte{true: cont, false: text}[open]
				if open && rnd.IntN(10) > 0 {
					b0 &^= rsv1
				}
			}
			if b0&0x08 == 0 {
				open = b0&fin == 0
			}
			in = append(in, fragment(b0, pieces[rnd.IntN(len(pieces))])...)
		}
		if len(in) > 0 && rnd.IntN(4) == 0 {
			in[rnd.IntN(len(in))] ^= 1 << rnd.IntN(8)
		}
		if len(in) > 0 && rnd.IntN(4) == 0 {
			in = in[:rnd.IntN(len(in))]
		}
		splits := make([]byte, 50)
		longest := 1 + rnd.IntN(40)
		for i := range splits {
			splits[i] = byte(rnd.IntN(longest))
		}
		checkOracle(t, in, splits)
		outcomes[oracle(in, &fuzzLimits, true).code]++
		if slices.Contains(oracle(in, &fuzzLimits, true).events, txt("Hello")) {
			inflated++
		}
	}
	if inflated < 100 {
		t.Errorf("only %d streams with a compressed message: the test proves little", inflated)
	}
	for _, code := range []uint16{0, CloseProtocol, CloseInvalidPayload, ClosePolicy, CloseTooBig} {
		if outcomes[code] < 10 {
			t.Errorf("only %d streams end with %d: the test proves little", outcomes[code], code)
		}
	}
}

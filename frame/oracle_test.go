package frame

// The Assembler against a parser so simple that it is seen to be right: it has
// the whole input, keeps everything, and looks at one byte after the other.

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/gobwas/ws"
)

// oracle parses input as the server's side.
func oracle(input []byte, lim *Limits) (res result) {
	var (
		message []byte
		op      ws.OpCode
		frames  int
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
			if ws.CheckHeader(start, state) != nil {
				res.code = CloseProtocol
				return res
			}
			if !start.OpCode.IsControl() && frames == lim.maxFragments() {
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
		if !h.OpCode.IsControl() && h.Length+int64(len(message)) > lim.maxMessage() {
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
		message = append(message, payload...)
		ok, complete := utf8Prefix(message)
		if op == ws.OpText && (!ok || whole && h.Fin && !complete) {
			res.code = CloseInvalidPayload
			return res
		}
		if whole && h.Fin {
			res.events = append(res.events, event{Opcode(op), string(message)})
			message, frames = nil, 0
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
// of a piece, and compares both with the oracle.
func checkOracle(t *testing.T, input, splits []byte) {
	t.Helper()
	want := oracle(input, &fuzzLimits)
	var a Assembler
	defer a.Reset()
	if got := feed(t, &a, &fuzzLimits, input); !got.equal(want) {
		t.Fatalf("%x\nwhole:  %v\noracle: %v", input, got, want)
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
	if got := feed(t, &a, &fuzzLimits, input, cuts...); !got.equal(want) {
		t.Fatalf("%x\ncut at %v: %v\noracle: %v", input, cuts, got, want)
	}
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
		AppendFrame(nil, Text, []byte("unmasked")),
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
	pieces := []string{"", "a", "hello", "\u00fc", "\xe2\x82", "\xac", "\xf0\x9f", "\x98\x80", "\xff", string(make([]byte, 126)), "\x03\xe8", "\x0f\xa0bye"}
	first := []byte{fin | text, more | text, fin | bin, more | bin, fin | cont, more | cont, fin | cont, fin | ping, fin | pong, fin | clos}
	outcomes := map[uint16]int{}
	for range 30_000 {
		var in []byte
		open := false
		for range rnd.IntN(10) {
			b0 := first[rnd.IntN(len(first))]
			isCont := b0&0x0f == cont
			if b0&0x08 == 0 && isCont != open && rnd.IntN(20) > 0 {
				b0 = b0&fin | map[bool]byte{true: cont, false: text}[open]
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
		outcomes[oracle(in, &fuzzLimits).code]++
	}
	for _, code := range []uint16{0, CloseProtocol, CloseInvalidPayload, ClosePolicy, CloseTooBig} {
		if outcomes[code] < 10 {
			t.Errorf("only %d streams end with %d: the test proves little", outcomes[code], code)
		}
	}
}

package redisbridge

// The envelope: a table of vectors, and a fuzz target.

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseEnvelope(t *testing.T) {
	number := "\x01\x02\x03\x04\x05\x06\x07\x08"
	tests := []struct {
		name, in string
		want     envelope
		ok       bool
	}{
		{"text", "\x01\x01\x02n1" + number + "hi", envelope{"n1", 0x0102030405060708, false, "hi"}, true},
		{"binary", "\x01\x02\x02n1" + number + "\xff", envelope{"n1", 0x0102030405060708, true, "\xff"}, true},
		{"empty payload", "\x01\x01\x02n1" + number, envelope{"n1", 0x0102030405060708, false, ""}, true},
		{"nothing", "", envelope{}, false},
		{"short head", "\x01\x01", envelope{}, false},
		{"version 0", "\x00\x01\x02n1" + number, envelope{}, false},
		{"version 2", "\x02\x01\x02n1" + number, envelope{}, false},
		{"kind 0", "\x01\x00\x02n1" + number, envelope{}, false},
		{"kind 3", "\x01\x03\x02n1" + number, envelope{}, false},
		{"no node", "\x01\x01\x00" + number, envelope{}, false},
		{"node too long", "\x01\x01\x41" + strings.Repeat("n", 65) + number, envelope{}, false},
		{"node with a blank", "\x01\x01\x02n " + number, envelope{}, false},
		{"node cut off", "\x01\x01\x40n1", envelope{}, false},
		{"number cut off", "\x01\x01\x02n1" + number[:7], envelope{}, false},
		{"text that is not UTF-8", "\x01\x01\x02n1" + number + "\xff", envelope{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := parseEnvelope(tt.in)
			if got != tt.want || ok != tt.ok {
				t.Errorf("got %+v %v, want %+v %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// What is accepted is what appendEnvelope makes, byte for byte, and is fit to be
// sent on.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("\x01\x01\x02n1\x00\x00\x00\x00\x00\x00\x00\x01hello"))
	f.Add([]byte("\x01\x02\x01n\xff\xff\xff\xff\xff\xff\xff\xff\x00\xff"))
	f.Add([]byte("\x01\x01\xff"))
	f.Add([]byte("\x01\x01\x02n1\x00\x00\x00\x00\x00\x00\x00\x01\xc3"))
	f.Fuzz(func(t *testing.T, in []byte) {
		e, ok := parseEnvelope(string(in))
		if !ok {
			return
		}
		if !e.binary && !utf8.ValidString(e.payload) {
			t.Error("text that is not UTF-8 was accepted")
		}
		if back := appendEnvelope(nil, e.node, e.number, e.binary, []byte(e.payload)); string(back) != string(in) {
			t.Errorf("%q parsed and built again is %q", in, back)
		}
	})
}

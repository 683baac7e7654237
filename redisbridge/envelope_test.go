package redisbridge

// The envelope: tables of vectors, and fuzz targets.

import (
	"strconv"
	"strings"
	"testing"

	"barrage/internal/broker"
)

const (
	testNumber = "\x01\x02\x03\x04\x05\x06\x07\x08"
	noFields   = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

func TestParseBody(t *testing.T) {
	sender := broker.Sender{Conn: "c", User: "ü", Name: "Ada", Avatar: "a"}
	fields := "\x00\x01c\x00\x02\xc3\xbc\x00\x03Ada\x00\x01a\x00\x04gift"
	made := func(format broker.Format, payload string) body {
		return body{node: "n1", number: 0x0102030405060708, format: format, payload: payload}
	}
	full := made(broker.JSON, `{"a":1}`)
	full.sender, full.kind = sender, "gift"
	ending := made(broker.Text, "hi")
	ending.confirm, ending.ttl = true, 0x01020304
	confirmed := made(broker.Binary, "")
	confirmed.confirm = true
	spared := made(broker.Text, "hi")
	spared.sender.Conn, spared.noEcho = "c", true
	tests := []struct {
		name, in string
		want     body
		ok       bool
	}{
		{"text", "\x02n1" + testNumber + "\x01" + noFields + "hi", made(broker.Text, "hi"), true},
		{"binary", "\x02n1" + testNumber + "\x02" + noFields + "\xff", made(broker.Binary, "\xff"), true},
		{"all fields", "\x02n1" + testNumber + "\x03" + fields + `{"a":1}`, full, true},
		{"empty payload", "\x02n1" + testNumber + "\x01" + noFields, made(broker.Text, ""), true},
		{"to be confirmed", "\x02n1" + testNumber + "\x42" + noFields, confirmed, true},
		{"to be confirmed, with a TTL", "\x02n1" + testNumber + "\xc1\x01\x02\x03\x04" + noFields + "hi", ending, true},
		{"without echo", "\x02n1" + testNumber + "\x01\x00\x02c\x00" + noFields[2:] + "hi", spared, true},
		{"TTL of 0", "\x02n1" + testNumber + "\x81\x00\x00\x00\x00" + noFields + "hi", body{}, false},
		{"TTL cut off", "\x02n1" + testNumber + "\x81\x01\x02\x03", body{}, false},
		{"flag unknown", "\x02n1" + testNumber + "\x21" + noFields, body{}, false},
		{"nothing", "", body{}, false},
		{"no node", "\x00" + testNumber + "\x01" + noFields, body{}, false},
		{"node too long", "\x41" + strings.Repeat("n", 65) + testNumber + "\x01" + noFields, body{}, false},
		{"node with a blank", "\x02n " + testNumber + "\x01" + noFields, body{}, false},
		{"node cut off", "\x40n1", body{}, false},
		{"number cut off", "\x02n1" + testNumber[:7], body{}, false},
		{"format missing", "\x02n1" + testNumber, body{}, false},
		{"format 0", "\x02n1" + testNumber + "\x00" + noFields, body{}, false},
		{"format 4", "\x02n1" + testNumber + "\x04" + noFields, body{}, false},
		{"fields cut off", "\x02n1" + testNumber + "\x01" + noFields[:9], body{}, false},
		{"field cut off", "\x02n1" + testNumber + "\x01\x00\x05abc", body{}, false},
		{"field that is not UTF-8", "\x02n1" + testNumber + "\x01\x00\x01\xff" + noFields[2:], body{}, false},
		{"text that is not UTF-8", "\x02n1" + testNumber + "\x01" + noFields + "\xff", body{}, false},
		{"JSON that is none", "\x02n1" + testNumber + "\x03" + noFields + "{", body{}, false},
		{"no JSON", "\x02n1" + testNumber + "\x03" + noFields, body{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := parseBody(tt.in)
			if ok != tt.ok || ok && got != tt.want {
				t.Errorf("got %+v %v, want %+v %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestParseEnvelope(t *testing.T) {
	text := "\x01n" + testNumber + "\x01" + noFields + "hi"
	tests := []struct {
		name, in string
		epoch    string
		at       stamp
		ok       bool
	}{
		{"in a history", "\x03\x03abc\x067-1234\x041233" + text, "abc", stamp{7, 1234}, true},
		{"in none", "\x03\x00\x030-5\x00" + text, "", stamp{0, 5}, true},
		{"nothing", "", "", stamp{}, false},
		{"version 1", "\x01\x03abc\x067-1234" + text, "", stamp{}, false},
		{"version 3", "\x03\x03abc\x067-1234" + text, "", stamp{}, false},
		{"epoch without offset", "\x02\x03abc\x060-1234" + text, "", stamp{}, false},
		{"offset without epoch", "\x02\x00\x067-1234" + text, "", stamp{}, false},
		{"epoch that is not UTF-8", "\x02\x01\xff\x067-1234" + text, "", stamp{}, false},
		{"epoch cut off", "\x02\x03ab", "", stamp{}, false},
		{"stamp cut off", "\x02\x03abc\x067-1", "", stamp{}, false},
		{"stamp of one number", "\x02\x03abc\x041234" + text, "", stamp{}, false},
		{"leading zero", "\x02\x03abc\x0707-1234" + text, "", stamp{}, false},
		{"sign", "\x02\x03abc\x07+7-1234" + text, "", stamp{}, false},
		{"offset beyond counting", "\x02\x03abc\x139007199254740993-1" + text, "", stamp{}, false},
		{"no body", "\x02\x03abc\x067-1234", "", stamp{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := parseEnvelope(tt.in)
			if ok != tt.ok || ok && (got.epoch != tt.epoch || got.stamp != tt.at || got.payload != "hi") {
				t.Errorf("got %+v %v", got, ok)
			}
		})
	}
}

func TestCheckPublication(t *testing.T) {
	long := strings.Repeat("x", maxFieldLen+1)
	for _, tt := range []struct {
		name string
		p    broker.Publication
		ok   bool
	}{
		{"plain", broker.Publication{Format: broker.Text, Payload: []byte("hi")}, true},
		{"longest field", broker.Publication{Format: broker.Text, Kind: long[1:]}, true},
		{"field too long", broker.Publication{Format: broker.Text, Sender: broker.Sender{Avatar: long}}, false},
		{"field that is not UTF-8", broker.Publication{Format: broker.Text, Sender: broker.Sender{Name: "\xff"}}, false},
		{"no format", broker.Publication{Payload: []byte("hi")}, false},
		{"text that is none", broker.Publication{Format: broker.Text, Payload: []byte("\xff")}, false},
		{"JSON that is none", broker.Publication{Format: broker.JSON, Payload: []byte("hi")}, false},
	} {
		if err := checkPublication(&tt.p); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func publicationOf(b *body) *broker.Publication {
	return &broker.Publication{
		Sender: b.sender, Kind: b.kind, Format: b.format, Confirm: b.confirm, NoEcho: b.noEcho, TTL: b.ttl, Payload: []byte(b.payload),
	}
}

// What is accepted is what appendBody makes, byte for byte, and is fit to be
// sent on.
func FuzzBody(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("\x02n1" + testNumber + "\x01" + noFields + "hello"))
	f.Add([]byte("\x01n" + testNumber + "\x02" + noFields + "\x00\xff"))
	f.Add([]byte("\x01n" + testNumber + "\x03\x00\x01c\x00\x01u\x00\x01n\x00\x01a\x00\x01k[1]"))
	f.Add([]byte("\x01n" + testNumber + "\x01\xff\xff"))
	f.Add([]byte("\x01n" + testNumber + "\x42" + noFields))
	f.Add([]byte("\x01n" + testNumber + "\xc1\x00\x00\x03\xe8" + noFields + "hi"))
	f.Fuzz(func(t *testing.T, in []byte) {
		b, ok := parseBody(string(in))
		if !ok {
			return
		}
		p := publicationOf(&b)
		if err := checkPublication(p); err != nil {
			t.Errorf("%q is accepted, but not fit to be published: %v", in, err)
		}
		if back := appendBody(nil, b.node, b.number, p); string(back) != string(in) {
			t.Errorf("%q parsed and built again is %q", in, back)
		}
	})
}

// The same for what the script makes.
func FuzzEnvelope(f *testing.F) {
	text := "\x01n" + testNumber + "\x01" + noFields + "hi"
	f.Add([]byte(nil))
	f.Add([]byte("\x03\x03abc\x067-1234\x041233" + text))
	f.Add([]byte("\x03\x00\x030-5\x00" + text))
	f.Add([]byte("\x03\x01e\x031-5\x00\x01n" + testNumber + "\xc1\x00\x00\x03\xe8" + noFields + "hi"))
	f.Add([]byte("\x03\xff"))
	f.Add([]byte("\x03\x03abc\x0f18446744073709-1\x00" + text))
	f.Fuzz(func(t *testing.T, in []byte) {
		e, ok := parseEnvelope(string(in))
		if !ok {
			return
		}
		at := e.stamp.String()
		p := publicationOf(&e.body)
		back := append([]byte{envelopeVersion, byte(len(e.epoch))}, e.epoch...)
		back = append(append(back, byte(len(at))), at...)
		before := ""
		if e.before != 0 {
			before = strconv.FormatInt(e.before, 10)
		}
		back = append(append(back, byte(len(before))), before...)
		if back = appendBody(back, e.node, e.number, p); string(back) != string(in) {
			t.Errorf("%q parsed and built again is %q", in, back)
		}
	})
}

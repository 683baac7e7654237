package settings

import (
	"math"
	"reflect"
	"testing"
	"time"
)

func TestBytesText(t *testing.T) {
	for text, want := range map[string]Bytes{
		"0": 0, "1": 1, "17 B": 17, "64KiB": 65536, "64kib": 65536, "4MB": 4000000, "2 GiB": 2 * GiB, "1TB": 1e12, "-1KiB": -1024,
		"8388607TiB": 8388607 << 40,
	} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "KiB", "B", "1.5MiB", "1K", "0x10", "8388608TiB", "1 2KB"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

// What is read and written again is the same value, whatever the text.
func FuzzConvert(f *testing.F) {
	for _, seed := range []string{"", "0", "1", "-1", "64KiB", "4MB", "10s", "1m0s", "100h", "1e9", "true", "a=b,c=d", "a,b", "=", ",", "9223372036854775807", "1\xff"} {
		f.Add(seed)
	}
	table, defaults := new(Table), []any{"", false, 0, 0.0, time.Duration(0), Bytes(0), []string(nil), map[string]string(nil)}
	f.Fuzz(func(t *testing.T, text string) {
		for _, like := range defaults {
			s, typ := &Setting{Default: like}, reflect.TypeOf(like)
			v, err := table.convert(s, text)
			if err != nil {
				continue
			}
			if reflect.TypeOf(v) != typ {
				t.Fatalf("%q as %v is a %T", text, typ, v)
			}
			if v == any(Bytes(math.MinInt64)) || v == any(time.Duration(math.MinInt64)) {
				continue
			}
			again, err := table.convert(s, Format(v))
			if err != nil {
				t.Fatalf("%q as %v is written %q: %v", text, typ, Format(v), err)
			}
			if !reflect.DeepEqual(again, v) && Format(again) != Format(v) {
				t.Fatalf("%q as %v is %v, and then %v", text, typ, v, again)
			}
		}
	})
}

package settings

import (
	"maps"
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

// A route is divided at its first =, and a comma may be in its URL's path or query.
func TestRoutes(t *testing.T) {
	s := &Setting{URL: true, Default: map[string]string(nil)}
	type routes = map[string]string
	for text, want := range map[string]routes{
		"":                                      {},
		"a=http://h/x?key=abc&k=1":              {"a": "http://h/x?key=abc&k=1"},
		"a=http://h/x, b=http://h/y":            {"a": "http://h/x", "b": "http://h/y"},
		"a=http://h?k=1,b=https://i":            {"a": "http://h?k=1", "b": "https://i"},
		"a=http://h/\nb=http://i/\r\n":          {"a": "http://h/", "b": "http://i/"},
		"a=http://h,b=http://i,,":               {"a": "http://h", "b": "http://i"},
		"a=http://h/y?a,b":                      {"a": "http://h/y?a,b"},
		"a=http://h/y?ids=1,,2,b=3,c=http://i/": {"a": "http://h/y?ids=1,,2,b=3", "c": "http://i/"},
		"a=http://h/1,2/y,b=http://i/3,4":       {"a": "http://h/1,2/y", "b": "http://i/3,4"},
		"a.*=http://h/y,b=notaurl":              {"a.*": "http://h/y", "b": "notaurl"}, // and is then told that it is none
		"a=notaurl,b=http://h/":                 {"a": "notaurl", "b": "http://h/"},
	} {
		if got, err := new(Table).convert(s, text); err != nil || !maps.Equal(got.(routes), want) {
			t.Errorf("%q is %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"http://h/", "a=http://h,b", "a=http://h/x, b", "a=http://h/,a=http://i/", "a=notaurl,b"} {
		if got, err := new(Table).convert(s, text); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
	// Flags are divided each for itself.
	got, err := new(Table).convert(s, []string{"a=http://h/?x", "b=notaurl", "c=http://i/,d=http://j/"})
	if want := (routes{"a": "http://h/?x", "b": "notaurl", "c": "http://i/", "d": "http://j/"}); err != nil || !maps.Equal(got.(routes), want) {
		t.Errorf("%q, %v", got, err)
	}
}

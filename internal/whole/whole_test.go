package whole

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"testing"
)

func TestWhole(t *testing.T) {
	for _, tt := range []struct {
		text string
		int  string // "": refused
		uint string
	}{
		{"0", "0", "0"}, {"5", "5", "5"}, {"5.0", "5", "5"}, {"5e0", "5", "5"}, {"5E+0", "5", "5"}, {"50e-1", "5", "5"},
		{"60000.0", "60000", "60000"}, {"6.0e4", "60000", "60000"}, {"0.0", "0", "0"}, {"-0", "0", "0"}, {"-0.0", "0", "0"},
		{"-5", "-5", ""}, {"-5.0", "-5", ""},
		{"9223372036854775807", "9223372036854775807", "9223372036854775807"},
		{"18446744073709551615", "", "18446744073709551615"},
		{"9007199254740992.0", "9007199254740992", "9007199254740992"}, // 2^53
		{"9007199254740994.0", "", ""}, {"1e16", "", ""}, {"1e400", "", ""}, {"1e-400", "0", "0"}, {"18446744073709551616", "", ""},
		{"1.5", "", ""}, {"5e-1", "", ""},
		{`"5"`, "", ""}, {"true", "", ""}, {"false", "", ""}, {"[5]", "", ""}, {`{"a":5}`, "", ""},
		{"null", "7", "7"}, // stays what it was
	} {
		v := struct {
			I Int
			U Uint
		}{7, 7}
		errI, errU := json.Unmarshal([]byte(`{"i":`+tt.text+`}`), &v), json.Unmarshal([]byte(`{"u":`+tt.text+`}`), &v)
		check(t, tt.text+" as int", tt.int, strconv.Itoa(int(v.I)), "i", errI)
		check(t, tt.text+" as uint", tt.uint, strconv.FormatUint(uint64(v.U), 10), "u", errU)
	}
}

func check(t *testing.T, what, want, got, field string, err error) {
	t.Helper()
	var wrong *json.UnmarshalTypeError
	switch {
	case want == "" && (!errors.As(err, &wrong) || wrong.Field == "" || wrong.Error() == ""):
		t.Errorf("%s: %s, %v; want an error that names the field %s", what, got, err, field)
	case want != "" && (err != nil || got != want):
		t.Errorf("%s: %s, %v; want %s", what, got, err, want)
	}
}

// FuzzWhole: what encoding/json takes for an integer is that one, and what it takes for a
// whole float is that one.
func FuzzWhole(f *testing.F) {
	for _, text := range []string{"5", "5.0", "-5e0", "1.5", "null", `"5"`, "1e400", "9007199254740993", "0e99999999999"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got Uint
		err := json.Unmarshal(text, &got)
		var plain uint64
		var float float64
		switch {
		case json.Unmarshal(text, &plain) == nil:
			if err != nil || uint64(got) != plain {
				t.Errorf("%q: %d, %v; want %d", text, got, err, plain)
			}
		case json.Unmarshal(text, &float) == nil && float >= 0 && float <= maxFloat && float == math.Trunc(float):
			if err != nil || float64(got) != float {
				t.Errorf("%q: %d, %v; want %g", text, got, err, float)
			}
		case err == nil:
			t.Errorf("%q: %d", text, got)
		}
	})
}

func TestAllocations(t *testing.T) {
	text, n := []byte("1234567"), Uint(0)
	if allocs := testing.AllocsPerRun(100, func() { _ = n.UnmarshalJSON(text) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// Package whole reads whole numbers from JSON, however they are written: 5, 5.0 and 5e0
// are one number (RFC 8259, section 6), and programs that know only floating point write
// the longer ones. encoding/json takes only the first for an integer.
package whole

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
)

// Int is an int in JSON.
type Int int

// Uint is a uint64 in JSON.
type Uint uint64

// maxFloat is up to where a number with a point or an exponent is exact.
const maxFloat = 1 << 53

// UnmarshalJSON implements json.Unmarshaler. Its error is encoding/json's for an int.
func (n *Int) UnmarshalJSON(text []byte) error {
	i, err := strconv.ParseInt(string(text), 10, strconv.IntSize)
	if err != nil {
		f, ok := float(text)
		if !ok {
			return wrong(text, reflect.TypeFor[int]())
		}
		i = int64(f)
	}
	if string(text) != "null" { // which encoding/json makes nothing of
		*n = Int(i)
	}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler. Its error is encoding/json's for a uint64.
func (n *Uint) UnmarshalJSON(text []byte) error {
	i, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		f, ok := float(text)
		if !ok || f < 0 {
			return wrong(text, reflect.TypeFor[uint64]())
		}
		i = uint64(f)
	}
	if string(text) != "null" {
		*n = Uint(i)
	}
	return nil
}

// float reads a whole number with a point or an exponent, or null.
func float(text []byte) (f float64, ok bool) {
	if string(text) == "null" {
		return 0, true
	}
	f, err := strconv.ParseFloat(string(text), 64)
	return f, err == nil && f == math.Trunc(f) && math.Abs(f) <= maxFloat
}

func wrong(text []byte, want reflect.Type) error {
	value := map[byte]string{'"': "string", 't': "bool", 'f': "bool", '[': "array", '{': "object"}[text[0]]
	if value == "" {
		value = "number " + string(text)
	}
	return &json.UnmarshalTypeError{Value: value, Type: want}
}

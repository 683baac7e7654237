package main

// This file turns the texts and YAML values of settings into Go values and back.

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bytes is a size.
type Bytes int64

const (
	kib Bytes = 1 << 10
	mib Bytes = 1 << 20
	gib Bytes = 1 << 30
)

// byteUnits begins with the binary ones, the largest first.
var byteUnits = []struct {
	suffix string
	size   Bytes
}{
	{"TiB", 1 << 40}, {"GiB", gib}, {"MiB", mib}, {"KiB", kib},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

func parseBytes(text string) (Bytes, error) {
	digits, size := strings.TrimSpace(text), Bytes(1)
	for _, u := range byteUnits {
		if n := len(digits) - len(u.suffix); n > 0 && strings.EqualFold(digits[n:], u.suffix) {
			digits, size = strings.TrimSpace(digits[:n]), u.size
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/int64(size) || n < math.MinInt64/int64(size) {
		return 0, errors.New("is not a size, such as 65536, 64KiB or 4MB")
	}
	return Bytes(n) * size, nil
}

// String writes the size in the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits[:4] {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// convert makes a value of type t of a text or of what YAML gave. Its errors
// complete the sentence "VALUE ...".
func convert(t reflect.Type, v any) (any, error) {
	if v == nil {
		return nil, errors.New("has no value")
	}
	if text, ok := v.(string); ok {
		return convertText(t, text)
	}
	given := reflect.ValueOf(v)
	switch {
	case t.Kind() == reflect.Bool && given.Kind() == reflect.Bool:
		return v, nil
	case t.Kind() == reflect.Slice && given.Kind() == reflect.Slice:
		return convertList(given)
	case t.Kind() == reflect.Map && given.Kind() == reflect.Map:
		return convertMap(given)
	case given.CanInt() || given.CanUint() || given.CanFloat():
		switch t.Kind() {
		case reflect.Int, reflect.Int64, reflect.Float64:
			return convertText(t, fmt.Sprint(v))
		}
	}
	return nil, errors.New(wanted(t))
}

// wanted is the complaint about a value of the wrong form.
func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "is not a duration, such as 10s or 1m30s"
	case t == reflect.TypeFor[Bytes]():
		return "is not a size, such as 65536, 64KiB or 4MB"
	case t.Kind() == reflect.Bool:
		return "is not true or false"
	case t.Kind() == reflect.Int:
		return "is not a whole number"
	case t.Kind() == reflect.Float64:
		return "is not a number"
	case t.Kind() == reflect.Slice:
		return "is not a list of texts"
	case t.Kind() == reflect.Map:
		return "is not a list of name=value"
	}
	return "is not a text (quote it)"
}

func convertText(t reflect.Type, text string) (any, error) {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		if d, err := time.ParseDuration(strings.TrimSpace(text)); err == nil {
			return d, nil
		}
	case t == reflect.TypeFor[Bytes]():
		if b, err := parseBytes(text); err == nil {
			return b, nil
		}
	case t.Kind() == reflect.Bool:
		if b, err := strconv.ParseBool(strings.TrimSpace(text)); err == nil {
			return b, nil
		}
	case t.Kind() == reflect.Int:
		if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
			return n, nil
		}
	case t.Kind() == reflect.Float64:
		f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, nil
		}
	case t.Kind() == reflect.Slice:
		list := splitList(text)
		if len(list) == 0 && text != "" { // not as good as none: it may stand for secrets that were forgotten
			return nil, errors.New("has nothing between its commas")
		}
		return list, nil
	case t.Kind() == reflect.Map:
		return splitMap(text)
	default:
		return text, nil
	}
	return nil, errors.New(wanted(t))
}

// splitList divides at commas and, as files have them, at the ends of lines.
func splitList(text string) []string {
	var list []string
	for part := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == ',' || c == '\n' }) {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// first is what is used of a list of secrets to sign or ask with: a new one is
// written behind it until all nodes know it.
func first(secrets []string) string {
	if len(secrets) == 0 {
		return ""
	}
	return secrets[0]
}

// splitMap reads name=value,name=value. The last = divides, as a Redis channel's
// name may hold one and a room's may not.
func splitMap(text string) (map[string]string, error) {
	m := make(map[string]string)
	for _, part := range splitList(text) {
		i := strings.LastIndexByte(part, '=')
		if i < 0 {
			return nil, fmt.Errorf("%s: %q has no =", wanted(reflect.TypeOf(m)), part)
		}
		name, value := strings.TrimSpace(part[:i]), strings.TrimSpace(part[i+1:])
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("names %q twice", name)
		}
		m[name] = value
	}
	return m, nil
}

func convertList(given reflect.Value) (any, error) {
	list := make([]string, 0, given.Len())
	for i := range given.Len() {
		text, ok := given.Index(i).Interface().(string)
		if !ok {
			return nil, errors.New(wanted(reflect.TypeOf(list)))
		}
		list = append(list, text)
	}
	return list, nil
}

func convertMap(given reflect.Value) (any, error) {
	m := make(map[string]string, given.Len())
	for iter := given.MapRange(); iter.Next(); {
		name, ok1 := iter.Key().Interface().(string)
		text, ok2 := iter.Value().Interface().(string)
		if !ok1 || !ok2 {
			return nil, errors.New("is not a map from texts to texts")
		}
		m[name] = text
	}
	return m, nil
}

// format writes a setting's value the way convert reads it.
func format(v any) string {
	switch v := v.(type) {
	case time.Duration:
		return formatDuration(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []string:
		return strings.Join(v, ",")
	case map[string]string:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, name+"="+v[name])
		}
		return strings.Join(parts, ",")
	}
	return fmt.Sprint(v)
}

// formatDuration is Duration.String without the zero minutes and seconds.
func formatDuration(d time.Duration) string {
	text := d.String()
	if d == 0 {
		return "0"
	}
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

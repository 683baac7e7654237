// Texts and YAML values into Go values and back.

package settings

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

	"github.com/go-viper/mapstructure/v2"
)

// detail completes the sentence "VALUE ..." about a value whose text is wrong.
type detail string

func (d detail) Error() string { return string(d) }

var errForm = errors.New("not of the form wanted")

// convert makes the setting's value of what a layer gave. mapstructure sees to it
// that lists and maps hold texts and that nothing is taken for what it is not;
// texts and numbers are fromText's.
func (t *Table) convert(s *Setting, v any) (any, error) {
	if isTable(reflect.TypeOf(s.Default)) && v != nil {
		if reflect.TypeOf(v) == reflect.TypeOf(s.Default) {
			return v, nil // the default itself
		}
		list, err := convertTable(s, v)
		if err != nil {
			return nil, s.wrong(v, err)
		}
		return list, nil
	}
	value := reflect.New(reflect.TypeOf(s.Default))
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: value.Interface(), DecodeHook: mapstructure.DecodeHookFuncValue(func(from, to reflect.Value) (any, error) { return t.hook(s, from, to) }),
	})
	if err == nil {
		err = d.Decode(v)
	}
	if v == nil || err != nil {
		return nil, s.wrong(v, err)
	}
	return value.Elem().Interface(), nil
}

func (t *Table) hook(s *Setting, from, to reflect.Value) (any, error) {
	v := from.Interface()
	switch given := v.(type) {
	case string:
		if t.Single && to.Kind() == reflect.Map {
			return nil, errForm
		}
		return t.fromText(s, to.Type(), given)
	case []string: // of flags
		return t.fromFlags(s, to.Type(), given)
	}
	if from.Type() != to.Type() && isNumber(from) && isNumber(to) {
		return t.fromText(s, to.Type(), fmt.Sprint(v))
	}
	return v, nil
}

// fromFlags is fromText of a list's or map's flags, each of which may hold several.
func (t *Table) fromFlags(s *Setting, to reflect.Type, given []string) (any, error) {
	switch {
	case t.Single && to.Kind() == reflect.Map:
		return t.pairs(s, given)
	case t.Single:
		return given, nil
	}
	var parts []string
	for _, text := range given {
		list, err := s.split(text)
		if err != nil {
			return nil, err
		}
		parts = append(parts, list...)
	}
	if to.Kind() == reflect.Map {
		return t.pairs(s, parts)
	}
	return parts, nil
}

func isNumber(v reflect.Value) bool { return v.CanInt() || v.CanUint() || v.CanFloat() }

func (t *Table) fromText(s *Setting, to reflect.Type, text string) (v any, err error) {
	if s.Secret {
		if text, err = cleanSecret(text); err != nil {
			return nil, err
		}
	}
	bare := strings.TrimSpace(text)
	switch reflect.Zero(to).Interface().(type) {
	case time.Duration:
		v, err = time.ParseDuration(bare)
	case Bytes:
		v, err = ParseBytes(bare)
	case bool:
		v, err = strconv.ParseBool(bare)
	case int:
		v, err = strconv.Atoi(strings.ReplaceAll(bare, "_", "")) // as in YAML
	case float64:
		f, bad := strconv.ParseFloat(strings.ReplaceAll(bare, "_", ""), 64)
		if v, err = f, bad; math.IsNaN(f) || math.IsInf(f, 0) {
			err = errForm
		}
	case []string:
		if t.Single {
			return []string{text}, nil
		}
		return s.split(text)
	case map[string]string:
		list, bad := s.split(text)
		if bad != nil {
			return nil, bad
		}
		return t.pairs(s, list)
	default:
		return text, nil
	}
	return v, err
}

// SplitList divides at commas and, as files have them, at the ends of lines.
func SplitList(text string) []string {
	var list []string
	for part := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == ',' || c == '\n' }) {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// split divides a text into the parts of a list or map.
func (s *Setting) split(text string) (list []string, err error) {
	if s.URL {
		return splitURLs(text), nil
	}
	list = SplitList(text)
	if len(list) == 0 && text != "" { // not as good as none: it may stand for secrets that were forgotten
		return nil, detail("has nothing between its commas")
	}
	return list, nil
}

// splitURLs is SplitList of name=URL, of which a comma may be a part: see belongs.
func splitURLs(text string) (list []string) {
	for line := range strings.SplitSeq(text, "\n") {
		last, commas := "", "," // last is of this line
		for part := range strings.SplitSeq(line, ",") {
			bare := strings.TrimSpace(part)
			switch {
			case bare == "":
				commas += "," // dropped, unless a part that belongs to the last one follows
				continue
			case strings.HasPrefix(part, bare) && belongs(last, bare):
				last += commas + bare
				list[len(list)-1] = last
			default:
				last = bare
				list = append(list, last)
			}
			commas = ","
		}
	}
	return list
}

// belongs tells whether what follows a comma is of the URL before it: it is, in a path or
// query, what has no =, and in a query whatever does not begin another name=URL.
func belongs(before, part string) bool {
	_, rest, isURL := strings.Cut(before, "://")
	_, value, hasName := strings.Cut(part, "=")
	if !hasName {
		return isURL && strings.ContainsAny(rest, "/?")
	}
	return isURL && strings.Contains(rest, "?") && !strings.Contains(value, "://")
}

// First is what is used of a list of secrets to sign or ask with: a new one is
// written behind it until all nodes know it. It is empty if there is none.
func First(secrets []string) string {
	if len(secrets) == 0 {
		return ""
	}
	return secrets[0]
}

// pairs reads name=value. The first = divides where values are URLs; else, without
// Single, the last one, as a Redis channel's name may hold one and a room's may not.
func (t *Table) pairs(s *Setting, list []string) (map[string]string, error) {
	m := make(map[string]string)
	for _, part := range list {
		if t.Single {
			name, value, ok := strings.Cut(part, "=")
			if !ok {
				return nil, errForm
			}
			m[name] = value
			continue
		}
		i := strings.LastIndexByte(part, '=')
		if s.URL {
			i = strings.IndexByte(part, '=')
		}
		if s.URL && (i < 0 || strings.Contains(part[:i], "://")) {
			return nil, detail("is not a list of name=URL: one of them has no name") // and is not shown
		}
		if i < 0 {
			return nil, detail(fmt.Sprintf("is not a list of name=value: %q has no =", part))
		}
		name := strings.TrimSpace(part[:i])
		if _, twice := m[name]; twice {
			return nil, detail(fmt.Sprintf("names %q twice", name))
		}
		m[name] = strings.TrimSpace(part[i+1:])
	}
	return m, nil
}

// wrong says what is wrong with a value that could not be converted.
func (s *Setting) wrong(v any, err error) error {
	want, given := reflect.TypeOf(s.Default).Kind(), reflect.ValueOf(v).Kind()
	_, ofFlags := v.([]string)
	why, known := errors.AsType[detail](err)
	switch {
	case v == nil:
		return errors.New("has no value")
	case known:
		return fmt.Errorf("%s %w", s.show(v), why)
	case want == reflect.Map && !ofFlags:
		return errors.New("is not a map from texts to texts")
	case given == reflect.Map, given == reflect.Slice && want != reflect.Slice && !ofFlags:
		return errors.New("has more than one value")
	}
	return fmt.Errorf("%s is not %s", s.show(v), s.form())
}

// show writes a value for a person, unless it is a secret, or may hold one.
func (s *Setting) show(v any) string {
	switch v.(type) {
	case string, []string:
		v = strconv.Quote(Format(v))
	}
	if s.Secret || s.URL {
		return "its value (not shown)"
	}
	return Format(v)
}

// formatURLs is Format of a URL or a map of them, for others to see.
func formatURLs(v any) string {
	routes, ok := v.(map[string]string)
	if !ok {
		return ShowURL(Format(v))
	}
	shown := make(map[string]string, len(routes))
	for name, u := range routes {
		shown[name] = ShowURL(u)
	}
	return Format(shown)
}

// Format writes a value the way flags and variables are read.
func Format(v any) string {
	switch v := v.(type) {
	case time.Duration:
		return FormatDuration(v)
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

// FormatDuration is Duration.String without the zero minutes and seconds.
func FormatDuration(d time.Duration) string {
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

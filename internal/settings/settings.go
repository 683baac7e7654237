// Package settings reads the settings of a program from flags, environment, a
// file and defaults, of which the first mentioned beats the others.
//
// A program has one Table. A struct whose fields bear the settings' keys as yaml
// tags holds the values, a row for each says the rest: default, bounds, meaning.
// Flags, variables, help texts, checks and the tables in the documentation all
// come from it. Errors name the setting and where its value came from, one line
// for each, and never show a secret.
package settings

import (
	"cmp"
	"log/slog"
	"reflect"
	"strings"
	"time"
)

// Setting describes a field of the struct.
type Setting struct {
	Key     string   // in YAML, and of the field
	Flag    string   // "" is the key with dashes, NoFlag none
	Group   string   // begins a group of related settings
	Default any      // of the field's very type
	Unit    string   // of a number or a text; durations and sizes have their own
	Min     any      // of the field's type; nil: no bounds
	Max     any      // likewise
	Zero    string   // what 0 means, where it is not just a number; allowed below Min
	OneOf   []string // the words allowed
	Secret  bool     // never shown; may come from a file named by a variable ..._FILE
	Filled  bool     // may not be given as empty: nobody who gives it means to go without
	URL     bool     // its value, or each of its map, is a URL, whose query and user are never shown
	Form    string   // what errors say it has to be; "" is by its type
	Kernel  string   // the sysctl or ulimit that has the last word
	Help    string   // what it does; a sentence without its full stop
}

// NoFlag is the Flag of a setting that has none.
const NoFlag = "-"

// Table is all settings of a program, in the order of its documentation.
type Table struct {
	Settings []Setting

	// Single says that a text given for a list is one element of it, and one for a
	// map a pair divided at its first =; flags are repeated, and checked when they
	// are parsed. Otherwise commas divide texts, and pairs are divided at the last =, or
	// at the first if their values are URLs.
	Single bool

	HideBounds bool // of the help texts: they only stop mistyped digits

	Prefix string                     // of the environment's variables
	Others func(variable string) bool // tells those of the prefix that are no settings

	// Name is what errors call a setting whose value came from source.
	Name func(key, source string) string
}

// Find returns nil if there is no such setting.
func (t *Table) Find(key string) *Setting {
	for i := range t.Settings {
		if t.Settings[i].Key == key {
			return &t.Settings[i]
		}
	}
	return nil
}

// FlagName is the name of the setting's flag without its dashes.
func (s *Setting) FlagName() string {
	if s.Flag != "" {
		return s.Flag
	}
	return strings.ReplaceAll(s.Key, "_", "-")
}

// Variable is the name of the setting's environment variable.
func (t *Table) Variable(s *Setting) string { return t.Prefix + strings.ToUpper(s.Key) }

// Field is the setting's field in the struct that values points to.
func (s *Setting) Field(values any) reflect.Value {
	v := reflect.ValueOf(values).Elem()
	for f := range v.Type().Fields() {
		if f.Tag.Get("yaml") == s.Key {
			return v.FieldByIndex(f.Index)
		}
	}
	return reflect.Value{}
}

// Within tells whether a value is within the bounds.
func (s *Setting) Within(value any) bool {
	if s.Min == nil {
		return true
	}
	n := number(value)
	return n == 0 && s.Zero != "" || n >= number(s.Min) && n <= number(s.Max) // never NaN
}

// number is a bounded value as a number that can be compared; exact for all that
// the bounds allow.
func number(value any) float64 {
	v := reflect.ValueOf(value)
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

// Describe is the setting's help text: meaning, bounds, zero, kernel limit.
func (s *Setting) Describe() string {
	text := s.Help
	if bounds := s.Bounds(); bounds != "" {
		text += "; " + bounds
	}
	if s.Kernel != "" {
		text += " (kernel: " + s.Kernel + ")"
	}
	return text
}

// Bounds says which values are allowed.
func (s *Setting) Bounds() string {
	switch {
	case s.OneOf != nil:
		return strings.Join(s.OneOf, " or ")
	case s.Min == nil:
		return ""
	}
	text := Format(s.Min) + " to " + Format(s.Max)
	if s.Zero != "" {
		text += ", or 0: " + s.Zero
	}
	return text
}

// forms is what values are called in help and docs, and in errors.
var forms = map[reflect.Type]struct{ kind, form string }{
	reflect.TypeFor[time.Duration]():     {"duration", "a duration, such as 10s or 1m30s"},
	reflect.TypeFor[Bytes]():             {"size", "a size, such as 65536, 64KiB or 4MB"},
	reflect.TypeFor[bool]():              {"bool", "true or false"},
	reflect.TypeFor[int]():               {"int", "a whole number"},
	reflect.TypeFor[float64]():           {"float", "a number"},
	reflect.TypeFor[string]():            {"text", "a text (quote it)"},
	reflect.TypeFor[[]string]():          {"text", "a list of texts"},
	reflect.TypeFor[map[string]string](): {"text=text", "a map from texts to texts"},
}

// Kind names the form of the setting's value in help and docs.
func (s *Setting) Kind() string {
	if s.OneOf != nil {
		return "word"
	}
	return cmp.Or(s.Unit, forms[reflect.TypeOf(s.Default)].kind)
}

// form is what a value has to be, in errors.
func (s *Setting) form() string {
	return cmp.Or(s.Form, forms[reflect.TypeOf(s.Default)].form)
}

// Changed lists the settings that differ from their defaults, for the log.
func (t *Table) Changed(values any) (attrs []any) {
	for i := range t.Settings {
		s := &t.Settings[i]
		value := s.Field(values).Interface()
		if reflect.DeepEqual(value, s.Default) {
			continue
		}
		shown := "set"
		switch {
		case s.Secret:
		case s.URL:
			shown = formatURLs(value)
		default:
			shown = Format(value)
		}
		attrs = append(attrs, slog.String(s.Key, shown))
	}
	return attrs
}

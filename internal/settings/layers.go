// The layers: defaults, file, environment, flags.

package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

const (
	FileSuffix  = "_FILE" // of a variable that names a file with a secret
	maxTextLen  = 4096    // bytes of any text
	noDelimiter = "\x00"  // no key and no map's name holds it, so koanf splits none
)

// quotedValue is where the YAML parser's errors quote a value, which may be a secret that
// begins with * or a tag.
var quotedValue = regexp.MustCompile("(anchor )'[^']*'|`[^`]*`")

// Layers gathers settings. Each layer beats the ones added before, and its lists
// and maps replace theirs.
type Layers struct {
	table    *Table
	ko       *koanf.Koanf
	sources  map[string]string // key to where its value came from
	problems []error
}

// Layers has no layer but the defaults at first.
func (t *Table) Layers() *Layers {
	return &Layers{table: t, ko: koanf.New(noDelimiter), sources: make(map[string]string)}
}

// Err is all that was wrong, a line for each problem; nil if nothing was.
func (l *Layers) Err() error { return errors.Join(l.problems...) }

// Problem notes what is wrong with the value of a setting.
func (l *Layers) Problem(key, format string, args ...any) {
	l.Add(fmt.Errorf("%s: %w", l.table.Name(key, l.sources[key]), fmt.Errorf(format, args...)))
}

// Add notes a problem that names its setting itself.
func (l *Layers) Add(err error) { l.problems = append(l.problems, err) }

// File adds a YAML file.
func (l *Layers) File(path string) {
	l.load(path, func(string) string { return path }, file.Provider(path), document{})
}

// Values adds values, whose sources are told by a function of the key.
func (l *Layers) Values(values map[string]any, source func(key string) string) {
	l.load("", source, provided(values), nil)
}

// provided is a koanf.Provider.
type provided map[string]any

func (p provided) Read() (map[string]any, error) { return p, nil }
func (p provided) ReadBytes() ([]byte, error)    { return nil, errors.ErrUnsupported }

// Environment adds variables. Those with the table's prefix that are nothing to
// do with it are problems.
func (l *Layers) Environment(environ []string) {
	l.load("environment", nil, env.Provider(noDelimiter, env.Opt{
		Prefix:        l.table.Prefix,
		EnvironFunc:   func() []string { return environ },
		TransformFunc: l.fromVariable,
	}), nil)
}

// Flags adds the flags that were set.
func (l *Layers) Flags(flags *pflag.FlagSet) {
	l.load("flags", nil, posflag.ProviderWithFlag(flags, noDelimiter, nil, l.fromFlag), nil)
}

// load adds a layer; source is nil if the provider has noted the sources.
func (l *Layers) load(name string, source func(key string) string, p koanf.Provider, parser koanf.Parser) {
	err := l.ko.Load(p, parser, koanf.WithMergeFunc(func(layer, all map[string]any) error {
		for _, key := range slices.Sorted(maps.Keys(layer)) {
			if source != nil {
				name = source(key)
				l.sources[key] = name
			}
			if l.table.Find(key) == nil {
				l.Add(fmt.Errorf("%s: %s: there is no such setting", name, showKey(key)))
				continue
			}
			all[key] = layer[key]
		}
		return nil
	}))
	var path *fs.PathError
	switch {
	case errors.As(err, &path):
		l.Add(fmt.Errorf("config: %s: %w", name, path.Err))
	case err != nil:
		// The YAML parser writes several lines.
		l.Add(fmt.Errorf("%s: %s", name, quotedValue.ReplaceAllString(strings.Join(strings.Fields(err.Error()), " "), "$1(not shown)")))
	}
}

// fromVariable gives the setting that a variable sets; "" if it sets none.
func (l *Layers) fromVariable(name, value string) (string, any) {
	for i := range l.table.Settings {
		s := &l.table.Settings[i]
		switch variable := l.table.Variable(s); {
		case name == variable:
			l.setBy(s, name)
			return s.Key, value
		case s.Secret && name == variable+FileSuffix:
			secret, err := ReadSecret(value)
			if err != nil {
				l.Add(fmt.Errorf("%s: %w", l.table.Name(s.Key, name), err))
				return "", nil
			}
			l.setBy(s, name)
			return s.Key, secret
		}
	}
	if !l.table.Others(name + "=" + value) {
		l.Add(fmt.Errorf("%s: there is no such setting", name))
	}
	return "", nil
}

// setBy notes which variable set s; a secret may not come in both its ways.
func (l *Layers) setBy(s *Setting, name string) {
	if other := l.sources[s.Key]; strings.HasPrefix(other, l.table.Prefix) && other != name {
		l.Add(fmt.Errorf("%s: set by both %s and %s", s.Key, other, name))
	}
	l.sources[s.Key] = name
}

func (l *Layers) fromFlag(f *pflag.Flag) (string, any) {
	v, ok := f.Value.(*flagValue)
	if !ok {
		return "", nil // --config, --help
	}
	if f.Changed {
		l.sources[v.setting.Key] = "--" + f.Name
	}
	return v.setting.Key, v.value()
}

// Decode fills the struct that values points to.
//
// It decodes value by value, as koanf's Unmarshal would tell of all problems in
// one error, in words that mean nothing to whoever wrote a setting.
func (l *Layers) Decode(values any) {
	given := l.ko.Raw()
	for i := range l.table.Settings {
		s := &l.table.Settings[i]
		v, ok := given[s.Key]
		if !ok {
			v = s.Default
		}
		converted, err := l.table.convert(s, v)
		if err != nil {
			l.Problem(s.Key, "%w", err)
			converted = s.Default
		} else if ok && s.Filled && isEmpty(converted) {
			l.Problem(s.Key, "is set, but empty: give it a value, or do not set it")
		}
		s.Field(values).Set(reflect.ValueOf(converted))
	}
}

// isEmpty tells whether a text or a list of texts has nothing in it.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v) == ""
	case []string:
		return strings.TrimSpace(strings.Join(v, "")) == ""
	}
	return v != nil && isTable(reflect.TypeOf(v)) && reflect.ValueOf(v).Len() == 0
}

// Check notes the values that are out of their bounds.
func (l *Layers) Check(values any) {
	for i := range l.table.Settings {
		s := &l.table.Settings[i]
		value := s.Field(values).Interface()
		text, isText := value.(string)
		list, _ := value.([]string)
		switch {
		case s.OneOf != nil && !slices.Contains(s.OneOf, text), !s.Within(value):
			l.Problem(s.Key, "%s must be %s", s.show(value), s.Bounds())
		case isText && !isShort(text):
			l.Problem(s.Key, "must be at most %d bytes without control characters", maxTextLen)
		case slices.ContainsFunc(list, func(part string) bool { return !isShort(part) }):
			l.Problem(s.Key, "must have at most %d bytes in each part, without control characters", maxTextLen)
		}
	}
}

func isShort(text string) bool {
	return len(text) <= maxTextLen && !strings.ContainsFunc(text, unicode.IsControl)
}

// Lookup returns a variable's value, the last one's if it is there twice; empty
// if it is not.
func Lookup(environ []string, name string) (value string) {
	for _, v := range environ {
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			value = text
		}
	}
	return value
}

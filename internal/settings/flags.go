// A flag for each setting.

package settings

import (
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// AddFlags declares a flag for each setting, or for those with the keys given.
func (t *Table) AddFlags(flags *pflag.FlagSet, keys ...string) {
	for i := range t.Settings {
		s := &t.Settings[i]
		if s.Flag == NoFlag || keys != nil && !slices.Contains(keys, s.Key) {
			continue
		}
		help := s.Help
		if !t.HideBounds {
			help = s.Describe()
		}
		f := flags.VarPF(&flagValue{table: t, setting: s}, s.FlagName(), "", help)
		if s.Kind() == "bool" {
			f.NoOptDefVal = "true"
		}
	}
}

// flagValue keeps a flag's texts, so that flags, environment and file are all
// read by one set of rules and complain in one voice.
type flagValue struct {
	table   *Table
	setting *Setting
	given   []string // of a list or map all, of others the last
}

func (f *flagValue) Type() string { return f.setting.Kind() }

func (f *flagValue) String() string {
	if f.given == nil {
		return Format(f.setting.Default)
	}
	return strings.Join(f.given, ",")
}

func (f *flagValue) Set(text string) error {
	if !f.joins() {
		f.given = nil
	}
	f.given = append(f.given, text)
	if f.table.Single {
		_, err := f.table.convert(f.setting, f.value())
		return err
	}
	return nil
}

// joins tells whether a flag given again adds to the values.
func (f *flagValue) joins() bool {
	t := reflect.TypeOf(f.setting.Default)
	return t.Kind() == reflect.Slice && !isTable(t) || t.Kind() == reflect.Map
}

// value is what was given, for convert.
func (f *flagValue) value() any {
	if f.joins() {
		return f.given
	}
	return f.String()
}

package config

import (
	"flag"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"barrage/internal/doctable"
	"barrage/internal/settings"
)

const docsPath = "../../docs/configuration.md"

// docsTable writes the settings as a table.
func docsTable() string {
	var b strings.Builder
	b.WriteString("| Setting | Default | Value | What it does | Kernel limit |\n|---|---|---|---|---|\n")
	for i := range Table.Settings {
		s := &Table.Settings[i]
		value := s.Kind()
		if bounds := s.Bounds(); bounds != "" {
			value += ": " + bounds
		}
		standard := ""
		if text := settings.Format(s.Default); text != "" {
			standard = "`" + text + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.Key, standard, value, s.Help, s.Kernel)
	}
	return b.String()
}

var update = flag.Bool("update", false, "write the table of settings into "+docsPath)

func TestDocsTable(t *testing.T) {
	doctable.Hold(t, docsPath, *update, map[string]string{"settings": docsTable()})
}

// Every field has a row, in the same order, a default of its very type, and
// bounds that the default meets.
func TestSettingsMatchConfig(t *testing.T) {
	fields := reflect.TypeFor[Config]()
	if fields.NumField() != len(Table.Settings) {
		t.Fatalf("%d fields, %d settings", fields.NumField(), len(Table.Settings))
	}
	for i := range Table.Settings {
		s := &Table.Settings[i]
		field := fields.Field(i)
		if key := field.Tag.Get("yaml"); key != s.Key {
			t.Errorf("field %s is in the place of setting %s", key, s.Key)
		}
		if reflect.TypeOf(s.Default) != field.Type {
			t.Errorf("%s: the default is a %T, the field a %v", s.Key, s.Default, field.Type)
		}
		if s.Help == "" || strings.HasSuffix(s.Help, ".") {
			t.Errorf("%s: help %q", s.Key, s.Help)
		}
		if (s.Min == nil) != (s.Max == nil) {
			t.Errorf("%s: one bound only", s.Key)
		}
		if s.Min != nil && (settings.Format(s.Min) == "" || settings.Format(s.Max) == "") {
			t.Errorf("%s: bounds %v to %v", s.Key, s.Min, s.Max)
		}
		if kind := field.Type.Kind(); s.Min == nil && (kind == reflect.Int || kind == reflect.Int64 || kind == reflect.Float64) {
			t.Errorf("%s: a number without bounds", s.Key)
		}
	}
	if _, err := load(t, "", ""); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

package main

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

const docsPath = "../../docs/configuration.md"

// docsTable writes the settings as a table.
func docsTable() string {
	var b strings.Builder
	b.WriteString("| Setting | Default | Value | What it does | Kernel limit |\n|---|---|---|---|---|\n")
	defaults := defaultConfig()
	for i := range settings {
		s := &settings[i]
		field := s.field(&defaults)
		value := s.kind(field.Type())
		if bounds := s.bounds(); bounds != "" {
			value += ": " + bounds
		}
		standard := ""
		if text := format(field.Interface()); text != "" {
			standard = "`" + text + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.key, standard, value, s.help, s.kernel)
	}
	return b.String()
}

var update = flag.Bool("update", false, "write the table of settings into "+docsPath)

func TestDocsTable(t *testing.T) {
	text, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(text), "-update) -->\n")
	_, tail, ok2 := strings.Cut(rest, "<!-- settings:end -->")
	if !ok1 || !ok2 {
		t.Fatal("the marks around the table are gone")
	}
	want := head + "-update) -->\n" + docsTable() + "<!-- settings:end -->" + tail
	if *update {
		if err := os.WriteFile(docsPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("%s differs from the settings: run go test ./cmd/barrage -run TestDocsTable -update", docsPath)
	}
}

// Every field has a row, in the same order, and bounds of its own type that its
// default meets.
func TestSettingsMatchConfig(t *testing.T) {
	cfg := defaultConfig()
	fields := reflect.TypeOf(cfg)
	if fields.NumField() != len(settings) {
		t.Fatalf("%d fields, %d settings", fields.NumField(), len(settings))
	}
	for i := range settings {
		s := &settings[i]
		if key := fields.Field(i).Tag.Get("koanf"); key != s.key {
			t.Errorf("field %s is in the place of setting %s", key, s.key)
		}
		if s.help == "" || strings.HasSuffix(s.help, ".") {
			t.Errorf("%s: help %q", s.key, s.help)
		}
		if (s.min == nil) != (s.max == nil) {
			t.Errorf("%s: one bound only", s.key)
		}
		if s.min != nil && (number(s.min) >= number(s.max) || format(s.min) == "" || format(s.max) == "") {
			t.Errorf("%s: bounds %v to %v", s.key, s.min, s.max)
		}
		if kind := s.field(&cfg).Kind(); s.min == nil && (kind == reflect.Int || kind == reflect.Int64 || kind == reflect.Float64) {
			t.Errorf("%s: a number without bounds", s.key)
		}
	}
	if problems := cfg.validate(nil); len(problems) > 0 {
		t.Errorf("the defaults are refused: %v", problems)
	}
}

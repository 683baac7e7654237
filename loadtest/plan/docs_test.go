// The tables of docs/loadtest.md are what the program takes.

package plan

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"barrage/internal/doctable"
	"barrage/internal/settings"
)

const docsPath = "../../docs/loadtest.md"

var update = flag.Bool("update", false, "write the tables into "+docsPath)

// settingsTable is a Markdown table of all settings.
func settingsTable() string {
	var b strings.Builder
	b.WriteString("| flag | key in YAML | default | meaning |\n|---|---|---|---|\n")
	for _, s := range rows {
		if s.Group != "" {
			fmt.Fprintf(&b, "| **%s** | | | |\n", s.Group)
		}
		flag, value := "", settings.Format(s.Default)
		if s.Flag != settings.NoFlag {
			flag = "`--" + s.FlagName() + "`"
		}
		if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", flag, s.Key, value, s.Help)
	}
	return b.String()
}

// presetsTable is a Markdown table of the presets.
func presetsTable() string {
	var b strings.Builder
	b.WriteString("| `--preset` | server | path of `--url` | when open, a viewer sends | messages go to |\n|---|---|---|---|---|\n")
	for _, s := range presets() {
		onOpen, port := s.onOpen, "the same port"
		if onOpen == "" {
			onOpen = "nothing"
		}
		if s.publishPort != "" {
			port = "port " + s.publishPort
		}
		path := "none"
		if s.path != "" {
			path = "`" + s.path + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | POST `%s`, %s |\n", s.name, s.about, path, onOpen, s.publishPath, port)
	}
	fmt.Fprintf(&b, "| `%s` | any other | `/` | nothing | nowhere |\n", presetNone)
	return b.String()
}

// TestDocsTables keeps two tables of docs/loadtest.md at what the program takes.
func TestDocsTables(t *testing.T) {
	doctable.Hold(t, docsPath, *update, map[string]string{"settings": settingsTable(), "presets": presetsTable()})
}

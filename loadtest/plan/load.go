// Gathers a plan: the defaults, over them the preset's settings, over them the
// scenario's, over them the flags'.

package plan

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

//go:embed scenarios/*.yaml
var scenarios embed.FS

// builtin are the names of the built-in scenarios, from the simple to the long.
var builtin = [...]string{"idle", "room", "rooms", "chatter", "storm", "slow", "churn", "echo", "soak"}

// Scenario is a built-in scenario.
type Scenario struct {
	Name  string
	About string // one line
	YAML  string // to copy and change
}

// Builtin lists the built-in scenarios.
func Builtin() []Scenario {
	list := make([]Scenario, len(builtin))
	for i, name := range builtin {
		text, _ := scenarios.ReadFile("scenarios/" + name + ".yaml") // a test reads all
		first, _, _ := strings.Cut(string(text), "\n")
		_, about, _ := strings.Cut(first, ": ")
		list[i] = Scenario{Name: name, About: about, YAML: string(text)}
	}
	return list
}

// FromFlags makes the plan of a scenario, which is a built-in name or a YAML file; ""
// is neither, and only the defaults hold. The flags that were set go before it; fs may
// have none, or those of AddFlags. All errors are the user's, with one line for each.
func FromFlags(fs *pflag.FlagSet, nameOrFile string) (Plan, error) {
	s, err := readScenario(nameOrFile)
	if err != nil {
		return Plan{}, err
	}
	name, ok := s.values["preset"].(string)
	if !ok {
		name = presetRaw
	}
	if f := fs.Lookup("preset"); f != nil && f.Changed {
		name = f.Value.String()
	}
	known, ok := findPreset(name)
	if !ok {
		return Plan{}, fmt.Errorf("--preset: %q is not %s", name, presetNames())
	}
	l := table.Layers()
	l.Values(known.more, func(string) string { return "preset " + name })
	s.addTo(l)
	l.Flags(fs)
	var p Plan
	l.Decode(&p)
	if err := l.Err(); err != nil {
		return Plan{}, err
	}
	known.complete(&p)
	return p, p.Validate()
}

// readScenario reads a scenario's own settings.
func readScenario(nameOrFile string) (*scenario, error) {
	if nameOrFile == "" {
		return &scenario{name: "custom", values: map[string]any{"name": "custom"}}, nil
	}
	name := strings.TrimSuffix(filepath.Base(nameOrFile), filepath.Ext(nameOrFile))
	var f fs.File
	var err error
	if slices.Contains(builtin[:], nameOrFile) {
		name = nameOrFile
		f, err = scenarios.Open("scenarios/" + name + ".yaml")
	} else {
		f, err = os.Open(nameOrFile)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("scenario %q: there is no such file, and the built-in ones are %s", nameOrFile, strings.Join(builtin[:], ", "))
	case err != nil:
		return nil, fmt.Errorf("scenario %w", err)
	}
	defer f.Close()
	return parse(name, f)
}

// Gathers a plan: the defaults, over them the preset's settings, over them the
// scenario's, over them the flags'.

package plan

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
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

// Load makes the plan of a scenario, which is a built-in name or a YAML file;
// "" is neither, and only the defaults hold.
func Load(nameOrFile string) (Plan, error) { return load(nameOrFile, nil) }

// FromFlags makes the plan of a scenario as Load does, over which the flags that
// were set hold. AddFlags must have declared them. All errors are the user's,
// with one line for each.
func FromFlags(fs *pflag.FlagSet, nameOrFile string) (Plan, error) {
	flags := make(layer)
	for _, s := range settings() {
		if f := fs.Lookup(s.flag); s.flag != "" && f != nil && f.Changed {
			flags[s.key] = f.Value.(*flagValue).value
		}
	}
	return load(nameOrFile, flags)
}

func load(nameOrFile string, flags layer) (Plan, error) {
	scenario, err := readScenario(nameOrFile)
	if err != nil {
		return Plan{}, err
	}
	p := defaults()
	for _, l := range []layer{scenario, flags} {
		if name, ok := l["preset"].(string); ok {
			p.Preset = name
		}
	}
	known, ok := findPreset(p.Preset)
	if ok {
		known.settings().apply(&p)
	} else if p.Preset != presetNone {
		return Plan{}, fmt.Errorf("--preset: %q is not %s", p.Preset, presetNames())
	}
	scenario.apply(&p)
	flags.apply(&p)
	if ok {
		known.complete(&p)
	}
	return p, p.Validate()
}

// readScenario reads a scenario's own settings.
func readScenario(nameOrFile string) (layer, error) {
	if nameOrFile == "" {
		return layer{"name": "custom"}, nil
	}
	if slices.Contains(builtin[:], nameOrFile) {
		f, err := scenarios.Open("scenarios/" + nameOrFile + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
		defer f.Close()
		return decode(nameOrFile, f)
	}
	f, err := os.Open(nameOrFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("scenario %q: there is no such file, and the built-in ones are %s", nameOrFile, strings.Join(builtin[:], ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("scenario %w", err)
	}
	defer f.Close()
	base := filepath.Base(nameOrFile)
	return decode(strings.TrimSuffix(base, filepath.Ext(base)), f)
}

// maxScenario is the largest scenario file in bytes.
const maxScenario = 1 << 20

// decode reads YAML strictly: a key that is unknown or comes twice is an error.
// name holds unless the text gives another.
func decode(name string, r io.Reader) (layer, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxScenario+1))
	if err != nil {
		return nil, fmt.Errorf("scenario %s: %w", name, err)
	}
	if len(text) > maxScenario {
		return nil, fmt.Errorf("scenario %s: is longer than %d bytes", name, maxScenario)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		// The YAML parser writes several lines.
		return nil, fmt.Errorf("scenario %s: %s", name, strings.Join(strings.Fields(err.Error()), " "))
	}
	l := layer{"name": name}
	if doc.Kind == 0 {
		return l, nil // empty
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("scenario %s: line %d: is not a list of settings, each \"key: value\"", name, top.Line)
	}
	return l, decodeSettings(l, name, top)
}

func decodeSettings(l layer, name string, top *yaml.Node) error {
	var problems []error
	seen := make(map[string]bool)
	known, p := settings(), defaults()
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, node := top.Content[i].Value, top.Content[i+1]
		problem := func(err error) {
			problems = append(problems, fmt.Errorf("scenario %s: line %d: %s: %w", name, node.Line, key, err))
		}
		at := slices.IndexFunc(known, func(s setting) bool { return s.key == key })
		switch {
		case at < 0:
			problem(errors.New("there is no such setting"))
			continue
		case seen[key]:
			problem(errors.New("is set twice"))
			continue
		}
		seen[key] = true
		value, err := fromYAML(known[at].field(&p).Interface(), node)
		if err != nil {
			problem(err)
			continue
		}
		l[key] = value
	}
	return errors.Join(problems...)
}

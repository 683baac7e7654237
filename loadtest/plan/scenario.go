// Scenarios' YAML. It is read here and not by koanf's parser, so that errors tell
// the line, and so that 5 may stand for the text "5" and 5_000 for a number.

package plan

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"barrage/internal/settings"
)

// scenario is the settings of a scenario as they were written.
type scenario struct {
	name     string
	values   map[string]any // texts, []any and map[string]any of texts, or nil
	lines    map[string]int // where the values are
	problems []error
}

// addTo adds the settings and what is wrong with them to a plan's.
func (s *scenario) addTo(l *settings.Layers) {
	for _, err := range s.problems {
		l.Add(err)
	}
	l.Values(s.values, func(key string) string { return s.at(s.lines[key]) })
}

func (s *scenario) at(line int) string { return fmt.Sprintf("scenario %s: line %d", s.name, line) }

// maxScenario is the largest scenario file in bytes.
const maxScenario = 1 << 20

// parse reads YAML strictly: a key that comes twice is a problem. name holds
// unless the text gives another.
func parse(name string, r io.Reader) (*scenario, error) {
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
	s := &scenario{name: name, values: map[string]any{"name": name}, lines: make(map[string]int)}
	if doc.Kind == 0 {
		return s, nil // empty
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: is not a list of settings, each \"key: value\"", s.at(top.Line))
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		s.set(top.Content[i].Value, top.Content[i+1])
	}
	return s, nil
}

func (s *scenario) set(key string, n *yaml.Node) {
	value, err := plain(n)
	if s.lines[key] != 0 {
		err = errors.New("is set twice")
	}
	if err != nil {
		s.problems = append(s.problems, fmt.Errorf("%s: %s: %w", s.at(n.Line), key, err))
		return
	}
	s.values[key], s.lines[key] = value, n.Line
}

// plain is a node's value, all scalars being texts.
func plain(n *yaml.Node) (any, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind == yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, element := range n.Content {
			text, err := scalar(element)
			if err != nil {
				return nil, fmt.Errorf("an element %w", err)
			}
			list = append(list, text)
		}
		return list, nil
	case n.Kind == yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, err := scalar(n.Content[i])
			if err != nil {
				return nil, fmt.Errorf("an element %w", err)
			}
			if m[name], err = scalar(n.Content[i+1]); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return m, nil
	case n.Tag == "!!null":
		return nil, nil
	}
	return n.Value, nil
}

func scalar(n *yaml.Node) (string, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		return "", errors.New("has more than one value")
	case n.Tag == "!!null":
		return "", errors.New("has no value")
	}
	return n.Value, nil
}

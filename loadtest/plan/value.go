// Settings as texts and in YAML, and back.

package plan

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// kindOf is what a value is called in --help.
func kindOf(v any) string {
	switch v.(type) {
	case int:
		return "int"
	case float64:
		return "float"
	case bool:
		return "bool"
	case time.Duration:
		return "duration"
	case map[string]string:
		return "text=text"
	}
	return "text"
}

// wrong is the complaint about a text that is no value of v's type.
func wrong(v any, text string) error {
	what := "a text"
	switch v.(type) {
	case int:
		what = "a whole number"
	case float64:
		what = "a number"
	case bool:
		what = "true or false"
	case time.Duration:
		what = "a duration, such as 10s or 1m30s"
	case []string:
		what = "a list of texts"
	case map[string]string:
		what = "a pair RECEIVED=ANSWER"
	}
	return fmt.Errorf("%q is not %s", text, what)
}

// parse reads a value of like's type; of lists and maps, one element.
func parse(like any, text string) (any, error) {
	bare := strings.TrimSpace(text)
	switch like.(type) {
	case string:
		return text, nil
	case int:
		if n, err := strconv.Atoi(strings.ReplaceAll(bare, "_", "")); err == nil {
			return n, nil
		}
	case float64:
		f, err := strconv.ParseFloat(strings.ReplaceAll(bare, "_", ""), 64)
		if err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, nil
		}
	case bool:
		if b, err := strconv.ParseBool(bare); err == nil {
			return b, nil
		}
	case time.Duration:
		if d, err := time.ParseDuration(bare); err == nil {
			return d, nil
		}
	case []string:
		return []string{text}, nil
	case map[string]string:
		if received, answer, ok := strings.Cut(text, "="); ok {
			return map[string]string{received: answer}, nil
		}
	}
	return nil, wrong(like, text)
}

// join adds the elements of more to those of v; another kind of value it
// replaces.
func join(v, more any) any {
	switch more := more.(type) {
	case []string:
		return append(slices.Clip(v.([]string)), more...)
	case map[string]string:
		all := maps.Clone(v.(map[string]string))
		maps.Copy(all, more)
		return all
	}
	return more
}

// clone copies a value that others share.
func clone(v any) any {
	switch v := v.(type) {
	case []string:
		return slices.Clone(v)
	case map[string]string:
		return maps.Clone(v)
	}
	return v
}

// format writes a value as parse reads it, the elements of a list in one line.
func format(v any) string {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []string:
		return strings.Join(v, ", ")
	case map[string]string:
		var pairs []string
		for _, received := range slices.Sorted(maps.Keys(v)) {
			pairs = append(pairs, received+"="+v[received])
		}
		return strings.Join(pairs, ", ")
	}
	return fmt.Sprint(v)
}

// fromYAML reads a value of like's type.
func fromYAML(like any, n *yaml.Node) (any, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch like.(type) {
	case []string:
		if n.Kind == yaml.SequenceNode {
			return listFromYAML(n)
		}
	case map[string]string:
		if n.Kind != yaml.MappingNode {
			return nil, errors.New("is not a map from texts to texts")
		}
		return mapFromYAML(n)
	}
	text, err := scalar(n)
	if err != nil {
		return nil, err
	}
	return parse(like, text)
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

func listFromYAML(n *yaml.Node) (any, error) {
	list := make([]string, 0, len(n.Content))
	for _, element := range n.Content {
		text, err := scalar(element)
		if err != nil {
			return nil, fmt.Errorf("an element %w", err)
		}
		list = append(list, text)
	}
	return list, nil
}

func mapFromYAML(n *yaml.Node) (any, error) {
	m := make(map[string]string, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		received, err := scalar(n.Content[i])
		if err != nil {
			return nil, fmt.Errorf("an element %w", err)
		}
		if m[received], err = scalar(n.Content[i+1]); err != nil {
			return nil, fmt.Errorf("%s: %w", received, err)
		}
	}
	return m, nil
}

// YAML: of a file, or as the text of one setting.

package settings

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is a koanf.Parser of a file with one document.
type document struct{}

func (document) Unmarshal(text []byte) (values map[string]any, err error) {
	if err := oneDocument(text, yaml.MappingNode); err != nil {
		return nil, err
	}
	return values, yaml.Unmarshal(text, &values)
}

func (document) Marshal(values map[string]any) ([]byte, error) { return yaml.Marshal(values) }

var (
	errDocuments = errors.New("a second document begins behind ---, which nobody would read")
	errKind      = errors.New("yaml: this is no map from settings to values (is there a blank behind each colon?)")
)

// oneDocument refuses a text in which more follows behind its first document, and one
// that is of another kind; an empty one is of any.
func oneDocument(text []byte, kind yaml.Kind) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	for i := 0; ; i++ {
		var n yaml.Node
		switch err := d.Decode(&n); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case n.Content[0].Tag == "!!null":
		case i > 0:
			return errDocuments
		case n.Content[0].Kind != kind:
			return errKind
		}
	}
}

// plainKey is what a name may look like in which no secret hides.
var plainKey = regexp.MustCompile(`^[\w.-]{1,31}$`)

// showKey is a name of a file that is none of ours. Without the blank behind a colon YAML
// takes the value for a part of it.
func showKey(key string) string {
	name, _, more := strings.Cut(key, ":")
	switch {
	case !plainKey.MatchString(name):
		return "(not shown)"
	case more:
		return name + ":(not shown; a blank is missing behind the colon)"
	}
	return name
}

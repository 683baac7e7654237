// Lists of structs: settings of several fields, from a file or as YAML in one text.

package settings

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"go.yaml.in/yaml/v3"
)

// isTable tells whether a setting is a list of structs.
func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// convertTable makes such a list of what a layer gave. A field that there is not is a
// mistake, and one that is not given is zero.
func convertTable(s *Setting, v any) (any, error) {
	if text, ok := v.(string); ok {
		var list []any
		switch err := oneDocument([]byte(text), yaml.SequenceNode); {
		case errors.Is(err, errDocuments):
			return nil, detail("is no list: " + err.Error())
		case err != nil || yaml.Unmarshal([]byte(text), &list) != nil || list == nil:
			return nil, detail("is no list in YAML, such as [{name: a, ...}]")
		}
		v = list
	}
	value := reflect.New(reflect.TypeOf(s.Default))
	var found mapstructure.Metadata
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: value.Interface(), TagName: "yaml", Metadata: &found, DecodeHook: mapstructure.DecodeHookFuncType(toTime),
	})
	if err == nil {
		err = d.Decode(v)
	}
	if err != nil { // several lines, which name the fields
		return nil, detail("is wrong: " + strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "decoding failed due to the following error(s):")), " "))
	}
	if len(found.Unused) > 0 {
		entry, key, _ := strings.Cut(slices.Min(found.Unused), ".")
		return nil, detail("is wrong: '" + entry + "' has invalid keys: " + showKey(key))
	}
	return value.Elem().Interface(), nil
}

// toTime reads times: YAML has them without quotes, JSON in such.
func toTime(_, to reflect.Type, v any) (any, error) {
	text, ok := v.(string)
	if !ok || to != reflect.TypeFor[time.Time]() {
		return v, nil
	}
	return ParseTime(text)
}

// ParseTime reads a day, which is its beginning in UTC, or a time (RFC 3339).
func ParseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t, err = time.Parse(time.RFC3339, text)
	}
	if err != nil {
		return t, detail("no time such as 2027-01-31 or 2027-01-31T18:00:00Z")
	}
	return t, nil
}

// Package paths reads paths that say what a query says elsewhere: with the template
// /ws/chat/{room}/{token}/ the path /ws/chat/lobby/abc is that path with the query
// room=lobby&token=abc. It is for clients that know no other way.
package paths

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Template is a path whose segments are texts, {room} or {token}.
type Template struct {
	text     string
	segments []segment
}

type segment struct {
	text string
	name bool
}

// Parse reads a template, which has each name once at most. A slash at its end means
// nothing.
func Parse(text string) (Template, error) {
	t := Template{text: text}
	rest, ok := strings.CutPrefix(text, "/")
	rest = strings.TrimSuffix(rest, "/")
	switch {
	case !ok || rest == "":
		return t, errors.New("a path begins with a slash, and something follows it")
	case strings.ContainsFunc(text, unicode.IsControl) || strings.ContainsAny(text, "%?# "):
		return t, errors.New("a path has no spaces, %, ? and # here: texts are written as they are, not encoded")
	}
	for part := range strings.SplitSeq(rest, "/") {
		name, opens := strings.CutPrefix(part, "{")
		name, closes := strings.CutSuffix(name, "}")
		switch {
		case part == "" || part == "." || part == "..":
			return t, fmt.Errorf("the segment %q is none that a request could have", part)
		case !opens && !closes && !strings.ContainsAny(part, "{}"):
			t.segments = append(t.segments, segment{text: part})
		case !opens || !closes || name != "room" && name != "token":
			return t, fmt.Errorf("%s is neither a text without braces nor {room} or {token}", part)
		case t.has(name):
			return t, fmt.Errorf("{%s} is there twice", name)
		default:
			t.segments = append(t.segments, segment{text: name, name: true})
		}
	}
	return t, nil
}

func (t *Template) has(name string) bool { return slices.Contains(t.segments, segment{name, true}) }

// String returns the template's text.
func (t Template) String() string { return t.text }

// Query is what a path of the template says as a query. The path is as it was sent, and
// its segments are decoded one by one: an encoded slash divides nothing. ok is whether
// it is a path of the template. Nothing is quoted in an error.
func (t *Template) Query(path string) (query string, ok bool, err error) {
	rest := strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if strings.Count(rest, "/") != len(t.segments)-1 {
		return "", false, nil
	}
	var pairs []string
	for _, s := range t.segments {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		value, bad := url.PathUnescape(part)
		switch {
		case !s.name && value != s.text || part == "":
			return "", false, nil
		case bad != nil:
			err = errors.New("bad encoding in the path")
		case s.name:
			pairs = append(pairs, s.text+"="+url.QueryEscape(value))
		}
	}
	if err != nil {
		return "", true, err
	}
	return strings.Join(pairs, "&"), true, nil
}

// Set is templates no two of which have a path in common.
type Set []Template

// ParseSet reads templates. None may have one of the paths that are taken.
func ParseSet(texts, taken []string) (Set, error) {
	var set Set
	for _, text := range texts {
		t, err := Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		for _, path := range taken {
			if _, ok, _ := t.Query(path); ok {
				return nil, fmt.Errorf("%q: it would take the path %s, which is another's", text, path)
			}
		}
		for i := range set {
			if set[i].meets(&t) {
				return nil, fmt.Errorf("%q and %q: a path may be of both", set[i].text, text)
			}
		}
		set = append(set, t)
	}
	return set, nil
}

// meets tells whether a path may be of both.
func (t *Template) meets(other *Template) bool {
	if len(t.segments) != len(other.segments) {
		return false
	}
	for i, s := range t.segments {
		if o := other.segments[i]; !s.name && !o.name && s.text != o.text {
			return false
		}
	}
	return true
}

// Query is that of the template which a path is of.
func (s Set) Query(path string) (query string, ok bool, err error) {
	for i := range s {
		if query, ok, err = s[i].Query(path); ok {
			return query, ok, err
		}
	}
	return "", false, nil
}

// The characters and lists of HTTP (RFC 9110 section 5.6).

package frame

import (
	"iter"
	"strings"
)

// isToken reports whether s is a token: a method or a header's name.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenChar(c byte) bool {
	return isAlnum(c) || c == '-' || strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0
}

// isFieldValue reports whether s may be a header's value: no control characters
// but the tab. Bytes above ASCII are allowed (RFC 9110 section 5.5).
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// isPrintable reports whether s is all visible ASCII and spaces.
func isPrintable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	lower := c | 0x20
	return lower >= 'a' && lower <= 'z' || c >= '0' && c <= '9'
}

// isHTTPVersion reports whether s is "HTTP/", digit, dot, digit.
func isHTTPVersion(s string) bool {
	const form = "HTTP/d.d"
	if len(s) != len(form) {
		return false
	}
	for i := range len(form) {
		if digit := s[i] >= '0' && s[i] <= '9'; form[i] == 'd' && !digit || form[i] != 'd' && s[i] != form[i] {
			return false
		}
	}
	return true
}

// cutHeader cuts the first line off header lines, of which the last ends in LF.
// wrong says what is wrong with the line, if something is.
func cutHeader(lines string) (name, value, rest, wrong string) {
	end := strings.IndexByte(lines, '\n')
	if end == 0 || lines[end-1] != '\r' {
		return "", "", "", "line not ended by CR LF"
	}
	name, value, ok := strings.Cut(lines[:end-1], ":")
	// A folded line begins with a space, which is no token either.
	if !ok || !isToken(name) {
		return "", "", "", "malformed header line"
	}
	if !isFieldValue(value) {
		return "", "", "", "control character in a header"
	}
	return name, trimSpace(value), lines[end+1:], ""
}

// findHeader returns the value of a header in lines that cutHeader found right,
// by its name in any case, and whether there is one; several lines of one name
// are joined by ", " (RFC 9110 section 5.3).
func findHeader(lines, name string) (value string, found bool) {
	for lines != "" {
		var line string
		line, lines, _ = strings.Cut(lines, "\r\n")
		n, v, _ := strings.Cut(line, ":")
		switch {
		case !equalASCII(n, name):
		case found:
			value += ", " + trimSpace(v)
		default:
			value, found = trimSpace(v), true
		}
	}
	return value, found
}

// equalASCII reports whether s is the same as the ASCII string want but for the
// case of letters. Folding alone would also take the Kelvin sign for a k and the
// long s for an s, which are longer.
func equalASCII(s, want string) bool {
	return len(s) == len(want) && strings.EqualFold(s, want)
}

// trimSpace trims the optional whitespace around a value.
func trimSpace(s string) string { return strings.Trim(s, " \t") }

// elements yields the elements of a comma-separated list.
func elements(list string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for list != "" {
			var item string
			item, list, _ = strings.Cut(list, ",")
			if !yield(trimSpace(item)) {
				return
			}
		}
	}
}

// hasToken reports whether a list has token among its elements, in any case.
func hasToken(list, token string) bool {
	for item := range elements(list) {
		if equalASCII(item, token) {
			return true
		}
	}
	return false
}

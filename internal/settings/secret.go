// Secrets: how their files and texts are read, and URLs as others may see them.

package settings

import (
	"fmt"
	"net/url"
	"strings"

	"barrage/internal/textfile"
)

// ReadSecret reads a file that holds a secret and perhaps a newline, or several.
func ReadSecret(path string) (string, error) {
	text, err := textfile.Read(path)
	if err != nil {
		return "", err
	}
	secret, err := cleanSecret(string(text))
	if err != nil {
		return "", fmt.Errorf("%s %w", path, err)
	}
	if len(SplitList(secret)) == 0 {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}

// cleanSecret takes off what is not meant: a byte order mark, a last newline. Its error
// is a detail.
func cleanSecret(text string) (string, error) {
	text = strings.TrimRight(strings.TrimPrefix(text, textfile.Mark), "\r\n")
	if isWrapped(text) {
		return "", detail("looks like one value that was wrapped into several lines (as by openssl rand -base64, which does so after 64 characters): write it in one line, or put commas between several secrets")
	}
	return text, nil
}

// isWrapped tells whether lines look like one value in base64: those who write it begin
// a new line after 64 characters (openssl, PEM) or 76 (base64, MIME). Two secrets of just
// that length look the same, but for hexadecimal ones, which nobody wraps there.
func isWrapped(text string) bool {
	var last string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if (len(last) == 64 || len(last) == 76) && line != "" && len(line) <= len(last) &&
			isBase64(last) && isBase64(strings.TrimRight(line, "=")) && !isHex(last+line) {
			return true
		}
		last = line
	}
	return false
}

func isBase64(text string) bool {
	return strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_") == ""
}

func isHex(text string) bool { return strings.Trim(text, "0123456789abcdefABCDEF") == "" }

// ShowURL is a URL without what may be secret in it: whom it is asked by, and what
// stands behind its path.
func ShowURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "(not shown)"
	}
	if u.User != nil {
		u.User = url.User("...")
	}
	if u.RawQuery != "" {
		u.RawQuery = "..."
	}
	if u.Fragment != "" {
		u.Fragment, u.RawFragment = "...", ""
	}
	return u.String()
}

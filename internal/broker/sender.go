// What is told of people beside their ids: the one place where its rules are written, whichever
// door it comes by.

package broker

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckName tells what is wrong with a nickname.
func CheckName(name string) error {
	switch {
	case len(name) > MaxName:
		return fmt.Errorf("has %d bytes, want at most %d", len(name), MaxName)
	case !utf8.ValidString(name):
		return errors.New("is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("has a control character")
	}
	return nil
}

// CheckAvatar tells what is wrong with the URL of a picture; "" is none. It wants an https URL of
// the characters of RFC 3986 only, so that no quote, bracket or blank reaches a page that shows
// it, nor a URL that is a script.
func CheckAvatar(avatar string) error {
	if avatar == "" {
		return nil
	}
	if len(avatar) > MaxAvatar {
		return fmt.Errorf("has %d bytes, want at most %d", len(avatar), MaxAvatar)
	}
	for i := range len(avatar) {
		if c := avatar[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return fmt.Errorf("has a byte at %d that a URL has only escaped", i)
		}
	}
	u, err := url.Parse(avatar)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return errors.New("is not an https URL with a host and without a user")
	}
	return nil
}

// Addresses and headers that users give: what they may be.

package plan

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// host is a URL in errors: its path and query may have what is secret, and not only its user.
func host(u *url.URL) string { return u.Scheme + "://" + u.Host }

// checkTargetURL: viewers speak WebSocket without TLS, or without WebSocket (plain) lines.
func checkTargetURL(text string, plain bool) error {
	u, err := checkURL(text, "{room}", "{user}", "{token}")
	if err != nil {
		return err
	}
	switch {
	case plain && (u.Scheme != "tcp" || u.Port() == "" || u.Path != "" || u.RawQuery != "" || u.User != nil):
		return fmt.Errorf("%s: is not tcp://host:port, as --preset %s wants it", host(u), presetTCP)
	case plain:
		return nil
	case u.Scheme == "wss":
		return fmt.Errorf("%s: wss is not spoken here: point it at the plain port behind the TLS proxy, or the proxy's cost is measured, too", host(u))
	case u.Scheme != "ws":
		return fmt.Errorf("%s: does not begin with ws://", host(u))
	case u.User != nil:
		return fmt.Errorf("%s: a user belongs in --header 'Authorization: ...'", host(u))
	}
	return nil
}

func checkPublishURL(text string) error {
	if text == "" {
		return errors.New("is missing: --publish http needs it, such as http://127.0.0.1:8081/v1/rooms/{room}/messages")
	}
	u, err := checkURL(text, "{room}")
	if err == nil && u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%s: does not begin with http:// or https://", host(u))
	}
	return err
}

func checkRedisURL(text string) error {
	if text == "" {
		return errors.New("is missing: --publish redis needs it, such as redis://127.0.0.1:6379")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("is not a URL") // which may have a password in it
	case u.Scheme == "unix" && u.Path != "":
		return nil
	case u.Scheme != "redis" && u.Scheme != "rediss" || u.Host == "":
		return fmt.Errorf("%s: is not redis://host:port, rediss://host:port or unix:///path", host(u))
	}
	return nil
}

// checkURL checks what all URLs have in common. The path and query may have the
// placeholders allowed.
func checkURL(text string, allowed ...string) (*url.URL, error) {
	plain := text
	for _, a := range allowed {
		plain = strings.ReplaceAll(plain, a, strings.Trim(a, "{}"))
	}
	u, err := url.Parse(plain)
	if err != nil {
		return nil, errors.New("is not a URL") // the error would quote it
	}
	var c problems
	checkText(&c, "", text, allowed...)
	authority, path := splitURL(text)
	switch {
	case len(c) > 0 || strings.Contains(authority, "{"):
		return nil, fmt.Errorf("%s: in the path and query there may be %s; nothing else is replaced", host(u), strings.Join(allowed, ", "))
	case u.Hostname() == "":
		return nil, errors.New("has no host")
	case u.Fragment != "":
		return nil, fmt.Errorf("%s: has a fragment (#), which is never sent", host(u))
	case !sendable(authority + path):
		return nil, fmt.Errorf("%s: has characters that must be written as %%XX", host(u))
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("%s: the port is not from 1 to 65535", host(u))
		}
	}
	return u, nil
}

func hasParameter(text, name string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Query().Has(name)
}

// sendable reports whether text is visible ASCII, as a request line must be.
func sendable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// checkHeaders checks headers, the values of which may have the placeholders
// allowed.
func checkHeaders(c *problems, flag string, headers []string, reserved func(name string) bool, allowed ...string) {
	c.length(flag, len(headers), 100)
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || !isToken(name) {
			c.when(true, flag, "%.40q is not \"Name: value\"", h)
			continue
		}
		control := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
		c.when(control || len(h) > 8<<10, flag, "%s: its value has a control character, or more than 8192 bytes", name)
		c.when(reserved(strings.ToLower(name)), flag, "%s: is set by the load test itself", name)
		for _, found := range []string{"{room}", "{user}", "{token}", "{payload}"} {
			c.when(strings.Contains(value, found) && !slices.Contains(allowed, found), flag, "%s: %s is not replaced here", name, found)
		}
	}
}

// isHandshakeHeader tells the headers that make the upgrade (RFC 6455, section
// 4.1) and those that would give it a body.
func isHandshakeHeader(name string) bool {
	return strings.HasPrefix(name, "sec-websocket-") || name == "upgrade" || isConnectionHeader(name)
}

func isConnectionHeader(name string) bool {
	return slices.Contains([]string{"host", "connection", "content-length", "transfer-encoding"}, name)
}

// isToken tells the names that RFC 9110, section 5.6.2, allows.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// Which web pages may connect: browsers send the page's origin and leave the
// decision to the server (RFC 6455 section 10.2).

package frame

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Origins are pages of other hosts that may connect. The zero value has none.
type Origins struct {
	all, opaque bool
	patterns    []originPattern
}

// originPattern stands for the origins of one entry of a list.
type originPattern struct {
	scheme string // "": any
	hostPort
	subdomains bool // of host, of any depth, not host itself
	anyHost    bool
	anyPort    bool // else noPort is the scheme's own
}

// ParseOrigins makes Origins of a list. An entry is an origin as browsers write it
// ("https://example.com", "http://[::1]:3000", "file://"), where instead of the host
// there may be a pattern for subdomains of any depth ("https://*.example.com") or a star
// for any host ("moz-extension://*"), and instead of the port a star for any
// ("http://localhost:*"). Without a scheme it stands for that host with any
// ("*.example.com", "example.com:8443"). A port that is not the scheme's own must be
// given. A name may be in Unicode. "null" is the opaque origin, of sandboxed frames and
// local files, and "*" stands for every page.
func ParseOrigins(entries []string) (o Origins, err error) {
	for _, entry := range entries {
		switch {
		case entry == "*":
			o.all = true
		case equalASCII(entry, "null"):
			o.opaque = true
		default:
			p, err := parseOriginPattern(entry)
			if err != nil {
				return Origins{}, fmt.Errorf("origin %q: %w", shownOrigin(entry), err)
			}
			o.patterns = append(o.patterns, p)
		}
	}
	return o, nil
}

// shownOrigin is an entry of a list for errors: if it is a URL, without its user, password,
// path and query.
func shownOrigin(entry string) string {
	scheme, rest, isURL := strings.Cut(entry, "://")
	if !isURL {
		scheme, rest = "", entry
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i+1] + "..."
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = "..." + rest[i:]
	}
	if isURL {
		rest = scheme + "://" + rest
	}
	return rest
}

// OfAnybody tells whether an entry stands for pages that anybody may make: of any host,
// or of the opaque origin, which a sandboxed frame of any page has.
func (o *Origins) OfAnybody() bool {
	return o.all || o.opaque || slices.ContainsFunc(o.patterns, func(p originPattern) bool { return p.anyHost })
}

func parseOriginPattern(entry string) (p originPattern, err error) {
	rest := entry
	if scheme, behind, ok := strings.Cut(entry, "://"); ok {
		if !isScheme(scheme) {
			return p, errors.New("the scheme has characters that no scheme has")
		}
		p.scheme, rest = strings.ToLower(scheme), behind
	}
	if strings.ContainsAny(rest, "/?#") {
		return p, errors.New("an origin is without a path, even a slash at its end")
	}
	rest, p.anyPort = strings.CutSuffix(rest, ":*")
	switch name, isPattern := strings.CutPrefix(rest, "*."); {
	case isPattern:
		rest, p.subdomains = name, true
	case rest == "*", strings.HasPrefix(rest, "*:"):
		rest, p.anyHost = "any"+rest[1:], true // a name in the star's place, which nothing is compared with
	}
	if rest, err = toASCII(rest); err != nil {
		return p, err
	}
	var ok bool
	switch p.hostPort, ok = parseHost(rest); {
	case !ok || p.anyPort && p.port != noPort:
		return p, errors.New("this is no host, with a port or without; a star may stand for a whole host, for its first labels, and for a port")
	case p.host == "" && (p.subdomains || p.anyPort || p.scheme == "" || webPort(p.scheme) != noPort):
		return p, errors.New("the host is missing")
	}
	return p, nil
}

// toASCII writes a name in Unicode as browsers do in an origin.
func toASCII(hostport string) (string, error) {
	for i := range len(hostport) {
		if hostport[i] >= utf8.RuneSelf {
			name, port, hasPort := strings.Cut(hostport, ":")
			name, err := idna.Lookup.ToASCII(name)
			if err != nil || !utf8.ValidString(hostport) {
				return "", errors.New("this is no internationalized domain name")
			}
			if hasPort {
				name += ":" + port
			}
			return name, nil
		}
	}
	return hostport, nil
}

func (p *originPattern) matches(scheme string, o hostPort) bool {
	switch {
	case p.scheme != "" && p.scheme != scheme:
		return false
	case !p.anyPort && orWebPort(p.port, scheme) != o.port:
		return false
	case p.subdomains:
		sub, ok := strings.CutSuffix(o.host, p.host)
		return ok && len(sub) > 1 && sub[len(sub)-1] == '.'
	}
	return p.anyHost || p.host == o.host
}

// CheckOrigin refuses a request that a foreign web page makes in a visitor's
// name: cross-site WebSocket hijacking. The error is an *HTTPError.
//
// A page that came by HTTP or HTTPS from the host and port in Host is always allowed,
// any other if it is one of allowed. No Origin at all, as programs send it, is allowed
// unless require is set. Origins are compared by RFC 6454 section 5: scheme, host and
// port, with the scheme's own port for none, and letters in any case.
func CheckOrigin(origin, host string, allowed Origins, require bool) error {
	switch {
	case origin == "":
		if require {
			return forbidden("Origin header required")
		}
		return nil
	case allowed.all || allowed.opaque && origin == "null":
		return nil
	}
	scheme, o, ok := parseOrigin(origin)
	if !ok {
		return forbidden("origin not allowed")
	}
	if webPort(scheme) != noPort {
		if own, ok := parseHost(host); ok && own.host == o.host && orWebPort(own.port, scheme) == o.port {
			return nil
		}
	}
	for i := range allowed.patterns {
		if allowed.patterns[i].matches(scheme, o) {
			return nil
		}
	}
	return forbidden("origin not allowed")
}

// parseOrigin parses an origin that is not opaque (RFC 6454 section 6.2).
func parseOrigin(s string) (scheme string, o hostPort, ok bool) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !isScheme(scheme) {
		return "", o, false
	}
	scheme = strings.ToLower(scheme)
	if o, ok = parseHost(rest); o.host == "" && webPort(scheme) != noPort {
		return "", o, false
	}
	o.port = orWebPort(o.port, scheme)
	return scheme, o, ok
}

// isScheme reports whether s is the scheme of a URI (RFC 3986 section 3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && strings.IndexByte("+-.", c) < 0 {
			return false
		}
	}
	return s != "" && s[0] > '9' && isAlnum(s[0])
}

// webPort is the port that pages of a scheme come from if none is given, noPort for
// schemes that are not the web's.
func webPort(scheme string) int {
	switch scheme {
	case "http":
		return 80
	case "https":
		return 443
	}
	return noPort
}

func orWebPort(port int, scheme string) int {
	if port == noPort {
		return webPort(scheme)
	}
	return port
}

func forbidden(reason string) error {
	return &HTTPError{Status: http.StatusForbidden, Reason: reason}
}

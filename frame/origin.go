// Which web pages may connect: browsers send the page's origin and leave the
// decision to the server (RFC 6455 section 10.2).

package frame

import (
	"net/http"
	"strings"
)

// CheckOrigin refuses a request that a foreign web page makes in a visitor's
// name: cross-site WebSocket hijacking. The error is an *HTTPError.
//
// A page of the same host and port as Host is always allowed; otherwise an entry
// of allowed must match: an origin ("https://example.com"), the same with a
// pattern for subdomains of any depth ("https://*.example.com"), either without
// the scheme for any scheme ("*.example.com"), or "*" for every page. A port
// that is not the scheme's own must be given ("example.com:8443"). The opaque
// origin "null", of sandboxed frames and local files, is allowed only if listed.
// No Origin at all, as programs send it, is allowed unless require is set.
func CheckOrigin(origin, host string, allowed []string, require bool) error {
	if origin == "" {
		if require {
			return forbidden("Origin header required")
		}
		return nil
	}
	scheme, hostport, wellFormed := strings.Cut(origin, "://")
	wellFormed = wellFormed && isToken(scheme) && isHost(hostport)
	hostport = trimDefaultPort(scheme, hostport)
	if wellFormed && strings.EqualFold(hostport, trimDefaultPort(scheme, host)) {
		return nil
	}
	for _, entry := range allowed {
		if strings.EqualFold(entry, origin) {
			return nil
		}
		if wellFormed && matchOrigin(entry, scheme, hostport) {
			return nil
		}
	}
	return forbidden("origin not allowed")
}

func matchOrigin(entry, scheme, hostport string) bool {
	if entry == "*" {
		return true
	}
	if s, h, ok := strings.Cut(entry, "://"); ok {
		if !strings.EqualFold(s, scheme) {
			return false
		}
		entry = h
	}
	entry = trimDefaultPort(scheme, entry)
	if suffix, ok := strings.CutPrefix(entry, "*"); ok && strings.HasPrefix(suffix, ".") {
		sub := len(hostport) - len(suffix)
		return sub > 0 && strings.EqualFold(hostport[sub:], suffix)
	}
	return strings.EqualFold(entry, hostport)
}

// trimDefaultPort removes the port that an origin would not show.
func trimDefaultPort(scheme, hostport string) string {
	switch {
	case strings.EqualFold(scheme, "http"):
		return strings.TrimSuffix(hostport, ":80")
	case strings.EqualFold(scheme, "https"):
		return strings.TrimSuffix(hostport, ":443")
	}
	return hostport
}

func forbidden(reason string) error {
	return &HTTPError{Status: http.StatusForbidden, Reason: reason}
}

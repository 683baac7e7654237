// Hosts with their ports, as Host headers, targets and origins have them.

package frame

import (
	"net/netip"
	"strconv"
	"strings"
)

// noPort stands for the port of a host that has none.
const noPort = -1

// hostPort is a host, in lower case, and its port or noPort. The host of an origin may
// be empty, as that of file://.
type hostPort struct {
	host string
	port int
}

// isHost reports whether s is a host, with a port or without.
func isHost(s string) bool {
	h, ok := parseHost(s)
	return ok && h.host != ""
}

// parseHost parses a name or an address, perhaps with a port (RFC 3986 sections 3.2.2
// and 3.2.3). Of the characters that it allows in names those that no host has are
// refused: what is quoted, escaped or divides lists. A colon that is not the port's is
// only in the brackets of an IPv6 address, which is written in its shortest form.
func parseHost(s string) (h hostPort, ok bool) {
	port, hasPort := "", false
	if address, rest, literal := strings.Cut(s, "]"); literal {
		a, err := netip.ParseAddr(strings.TrimPrefix(address, "["))
		if address[:min(1, len(address))] != "[" || err != nil || !a.Is6() || a.Zone() != "" {
			return h, false
		}
		h.host = "[" + a.String() + "]"
		if port, hasPort = strings.CutPrefix(rest, ":"); rest != "" && !hasPort {
			return h, false
		}
	} else {
		h.host, port, hasPort = strings.Cut(s, ":")
		if !isHostName(h.host) || hasPort && h.host == "" {
			return h, false
		}
		h.host = strings.ToLower(h.host)
	}
	h.port, ok = parsePort(port)
	return h, ok
}

// isHostName tells whether s may be a name. No label of it is empty, but for what a last
// dot ends; of the name "." (app://.) there is nothing else.
func isHostName(s string) bool {
	if len(s) > 1 && s[0] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && strings.IndexByte("-._~", c) < 0 {
			return false
		}
	}
	return true
}

// parsePort parses what is behind the colon, of which there may be nothing.
func parsePort(s string) (port int, ok bool) {
	if s == "" {
		return noPort, true
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err == nil
}

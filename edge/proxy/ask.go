// What the headers of a request say that a proxy sent.

package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Ask finds out for whom a trusted proxy sent a request, whose headers header returns by
// their names, several lines of one name joined by commas. client is not valid if the
// proxy does not say; its port is 0 if that is not said. host is what the viewer asked for,
// if a proxy says so: it may have asked the server for something else.
//
// Where what a trusted proxy says is no address the answer is an error: to go on with the
// proxy's own would make all its viewers one.
func (c *Config) Ask(header func(name string) string) (client netip.AddrPort, host string, err error) {
	host, _, _ = strings.Cut(header("X-Forwarded-Host"), ",") // the first proxy's
	host = strings.Trim(host, " \t")
	value := ""
	if c.Header != "" {
		value = header(string(c.Header))
	}
	if value == "" {
		return client, host, nil
	}
	asked := ""
	switch c.Header {
	case XForwardedFor:
		client, err = c.last(value, func(item string) (string, error) { return item, nil })
	case Forwarded:
		client, err = c.last(value, func(item string) (node string, err error) {
			node, asked, err = element(item)
			return node, err
		})
	default:
		client, err = parseNode(value)
	}
	if err != nil {
		return netip.AddrPort{}, "", fmt.Errorf("%s header: %w", c.Header, err)
	}
	if host == "" {
		host = asked
	}
	return client, host, nil
}

// last goes through a list from its end, which a trusted proxy wrote, to the first node
// that is no trusted proxy: what is before that may be anything. node makes a node's name
// of an item.
func (c *Config) last(list string, node func(item string) (string, error)) (client netip.AddrPort, err error) {
	for more := true; more; {
		var item string
		list, item, more = cutLast(list, ',')
		if item == "" {
			continue // as lists may have (RFC 9110, section 5.6.1)
		}
		name, err := node(item)
		if err != nil {
			return client, err
		}
		if client, err = parseNode(name); err != nil || !c.Trusts(client.Addr()) {
			return client, err
		}
	}
	return client, nil
}

var errElement = errors.New("malformed")

// element is what one proxy says in a Forwarded header.
func element(item string) (node, host string, err error) {
	seenFor := false
	for more := true; more; {
		var pair string
		if item, pair, more = cutLast(item, ';'); pair == "" {
			continue // as elements may have (RFC 7239, section 4)
		}
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return "", "", errElement
		}
		if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		switch {
		case strings.EqualFold(name, "for") && seenFor:
			return "", "", errElement
		case strings.EqualFold(name, "for"):
			node, seenFor = value, true
		case strings.EqualFold(name, "host"):
			host = value
		}
	}
	if !seenFor {
		node = unknown
	}
	return node, host, nil
}

// cutLast cuts a list at its last separator that is in no quotes. From the end, since
// that was written by whom we trust: an open quote before it means nothing.
func cutLast(list string, sep byte) (before, item string, found bool) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i] == '"' && !escaped(list[:i]):
			quoted = !quoted
		case list[i] == sep && !quoted:
			return list[:i], strings.Trim(list[i+1:], " \t"), true
		}
	}
	return "", strings.Trim(list, " \t"), false
}

// escaped tells whether what follows has a backslash that is not itself escaped.
func escaped(before string) bool {
	return (len(before)-len(strings.TrimRight(before, `\`)))%2 == 1
}

// unknown is what proxies write that do not know, or do not say.
const unknown = "unknown"

// parseNode reads an address with or without a port, as proxies write them. One that is
// not to be known (RFC 7239, section 6) is not valid.
func parseNode(node string) (netip.AddrPort, error) {
	if strings.EqualFold(node, unknown) || strings.HasPrefix(node, "_") || strings.HasPrefix(node, "unix:") {
		return netip.AddrPort{}, nil
	}
	if before, _, ok := strings.Cut(node, ":_"); ok { // a port that is not to be known
		node = before
	}
	if inner, ok := strings.CutPrefix(node, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			node = inner
		}
	}
	if a, err := netip.ParseAddr(node); err == nil {
		return plain(netip.AddrPortFrom(a, 0)), nil
	}
	a, err := netip.ParseAddrPort(node)
	if err != nil {
		return netip.AddrPort{}, errors.New("no IP address")
	}
	return plain(a), nil
}

// Package proxy finds out whose connection it is that a proxy makes: the address that
// limits, events and logs are to have, and the host that the viewer asked for.
//
// A proxy tells in one of two ways, or in both: by a PROXY header, with which the
// connection begins ([Cut]), and by a header of the request ([Config.Ask]). Both are what
// anybody may write, so only those are believed who connect from a trusted address. What
// is believed is always the last thing said by somebody trusted: with a list such as
// X-Forwarded-For, whose beginning is the viewer's own, that is the last address which
// is no trusted proxy's.
//
// The package knows nothing of sockets. A Config is fixed once it is in use; everything
// else is a function of its arguments.
package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Header is the header of a request in which proxies say for whom they send it.
type Header string

// The headers that are known. The first two are lists, to which each proxy adds whom it
// has it from; the others are set by one proxy, to one address.
const (
	XForwardedFor  Header = "X-Forwarded-For"
	Forwarded      Header = "Forwarded" // RFC 7239
	XRealIP        Header = "X-Real-IP"
	CFConnectingIP Header = "CF-Connecting-IP"
)

// Headers are the names of the headers that are known.
func Headers() []string {
	return []string{string(XForwardedFor), string(Forwarded), string(XRealIP), string(CFConnectingIP)}
}

// Config says which proxies there are, and how they tell. Without Trusted nobody is
// believed anything.
type Config struct {
	Trusted  []netip.Prefix // where proxies connect from
	Protocol bool           // their connections begin with a PROXY header
	Header   Header         // their requests have this header; "": none
}

// Check tells what is wrong with the settings.
func (c *Config) Check() error {
	if len(c.Trusted) == 0 && (c.Protocol || c.Header != "") {
		return errors.New("proxy: nobody is trusted to say for whom they connect")
	}
	if c.Header != "" && !slices.Contains(Headers(), string(c.Header)) {
		return fmt.Errorf("proxy: header %q is none of %v", c.Header, Headers())
	}
	return nil
}

// Trusts tells whether it is a proxy that connects from an address.
func (c *Config) Trusts(a netip.Addr) bool {
	for _, p := range c.Trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// ParsePrefix reads an address, or a network as address/bits.
func ParsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return p, errors.New("is neither an IP address nor a network such as 10.0.0.0/8")
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	switch {
	case p.Bits() == 0:
		return p, errors.New("would trust everybody, who could then say to be anybody")
	case p.Addr().Is4In6():
		return p, errors.New("is to be written as an IPv4 network")
	}
	return p.Masked(), nil
}

// plain is an address in the one form in which addresses are compared.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

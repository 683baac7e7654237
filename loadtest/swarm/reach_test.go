package swarm

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
)

// A name's addresses are tried until one takes a connection; nothing listens on
// 127.0.0.2 and 127.0.0.3.
func TestReach(t *testing.T) {
	s := listen(t)
	at := s.l.Addr().(*net.TCPAddr).AddrPort()
	_, port, _ := net.SplitHostPort(at.String())
	for name, tt := range map[string]struct {
		addresses []string
		want      string
	}{
		"one":               {[]string{"127.0.0.2"}, "127.0.0.2"},
		"the last":          {[]string{"127.0.0.2", "127.0.0.3", "127.0.0.1"}, "127.0.0.1"},
		"the first":         {[]string{"127.0.0.1", "127.0.0.2"}, "127.0.0.1"},
		"IPv6 does not":     {[]string{"::1", "::ffff:127.0.0.1"}, "127.0.0.1"},
		"none":              {[]string{"127.0.0.2", "127.0.0.3"}, "127.0.0.2"},
		"the same, written": {[]string{"127.0.0.2", "::ffff:127.0.0.2"}, "127.0.0.2"},
	} {
		find := func(context.Context, string, string) (list []netip.Addr, err error) {
			for _, a := range tt.addresses {
				list = append(list, netip.MustParseAddr(a))
			}
			return list, nil
		}
		if got, err := reach(find, "name.example:"+port); err != nil || got != netip.AddrPortFrom(netip.MustParseAddr(tt.want), at.Port()) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	unknown := errors.New("no such host")
	find := func(context.Context, string, string) ([]netip.Addr, error) { return nil, unknown }
	if _, err := reach(find, "name.example:80"); !errors.Is(err, unknown) {
		t.Error(err)
	}
	if got, err := reach(net.DefaultResolver.LookupNetIP, "[::1]:80"); err != nil || got != netip.MustParseAddrPort("[::1]:80") {
		t.Errorf("%v, %v", got, err)
	}
}

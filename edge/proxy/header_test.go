package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"
)

// written is a header as another implementation of the protocol writes it: the library's
// own writer, and by hand where it does not write such.
func written(t testing.TB, version byte, source, dest string) string {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(version,
		net.TCPAddrFromAddrPort(netip.MustParseAddrPort(source)), net.TCPAddrFromAddrPort(netip.MustParseAddrPort(dest)))
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// v2 is a header of version 2 by hand.
func v2(command, family byte, rest string) string {
	b := append(bytes.Clone(v2Begins), command, family)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(rest)))) + rest
}

var (
	v4Addresses = string([]byte{203, 0, 113, 9, 127, 0, 0, 1, 0x12, 0x67, 0x1f, 0x90})
	v6Addresses = string(netip.MustParseAddr("2001:db8::9").AsSlice()) + string(netip.MustParseAddr("::1").AsSlice()) + "\x12\x67\x1f\x90"
)

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		name, header, client string // "": of nobody
		err                  string // a part of it
	}{
		{"v1", "PROXY TCP4 203.0.113.9 127.0.0.1 4711 8080\r\n", "203.0.113.9:4711", ""},
		{"v1, IPv6", "PROXY TCP6 2001:db8::9 ::1 4711 8080\r\n", "[2001:db8::9]:4711", ""},
		{"v1, mapped", "PROXY TCP6 ::ffff:203.0.113.9 ::1 4711 8080\r\n", "203.0.113.9:4711", ""},
		{"v1, the longest", "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
			"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", ""},
		{"v1, unknown", "PROXY UNKNOWN\r\n", "", ""},
		{"v1, unknown with more", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "", ""},
		{"v1, written", written(t, 1, "198.51.100.7:1", "192.0.2.1:443"), "198.51.100.7:1", ""},
		{"v1, no port", "PROXY TCP4 203.0.113.9 127.0.0.1\r\n", "", "PROXY header"},
		{"v1, bad address", "PROXY TCP4 203.0.113.999 127.0.0.1 1 2\r\n", "", "address"},
		{"v1, zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "", "address"},
		{"v1, bad port", "PROXY TCP4 203.0.113.9 127.0.0.1 65536 2\r\n", "", "port"},
		{"v1, UDP", "PROXY UDP4 203.0.113.9 127.0.0.1 1 2\r\n", "", "PROXY header"},
		{"v1, bare line feed", "PROXY TCP4 203.0.113.9 127.0.0.1 4711 8080\n", "", "PROXY header"},
		{"v1, endless", "PROXY " + strings.Repeat("x", 1000), "", ErrLong.Error()},
		{"v2", v2(0x21, 0x11, v4Addresses), "203.0.113.9:4711", ""},
		{"v2, IPv6", v2(0x21, 0x21, v6Addresses), "[2001:db8::9]:4711", ""},
		{"v2, more behind the addresses", v2(0x21, 0x11, v4Addresses+"\x04\x00\x03abc"), "203.0.113.9:4711", ""},
		{"v2, as long as allowed", v2(0x21, 0x11, v4Addresses+strings.Repeat("\x00", 4096-12)), "203.0.113.9:4711", ""},
		{"v2, too long", v2(0x21, 0x11, v4Addresses+strings.Repeat("\x00", 4097-12)), "", ErrLong.Error()},
		{"v2, written", written(t, 2, "[2001:db8::1]:9", "[2001:db8::2]:443"), "[2001:db8::1]:9", ""},
		{"v2, a check of the proxy's", v2(0x20, 0x00, ""), "", ""},
		{"v2, a check with addresses", v2(0x20, 0x11, v4Addresses), "", ""},
		{"v2, of nobody", v2(0x21, 0x00, ""), "", ""},
		{"v2, of nobody with more", v2(0x21, 0x00, v4Addresses), "", ""},
		{"v2, version 3 of nobody", v2(0x31, 0x00, ""), "", "PROXY header"},
		{"v2, a Unix socket", v2(0x21, 0x31, strings.Repeat("/", 216)), "", ""},
		{"v2, version 3", v2(0x31, 0x11, v4Addresses), "", "PROXY header"},
		{"v2, addresses cut off", v2(0x21, 0x11, v4Addresses[:11]), "", "PROXY header"},
		{"v2, undefined family", v2(0x21, 0x13, v4Addresses), "", "PROXY header"},
		{"a request", "GET / HTTP/1.1\r\n", "", ErrNone.Error()},
		{"almost v1", "PROXIES", "", ErrNone.Error()},
		{"almost v2", "\r\n\r\n\x00\r\nQUIX\n", "", ErrNone.Error()},
		{"TLS", "\x16\x03\x01", "", ErrNone.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, n, err := Cut([]byte(tt.header + "GET / HTTP/1.1\r\n"))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || n != 0 || client.IsValid() {
					t.Errorf("%v, %d bytes, error %v, want %q", client, n, err, tt.err)
				}
				return
			}
			if err != nil || n != len(tt.header) {
				t.Fatalf("%d bytes of %d, error %v", n, len(tt.header), err)
			}
			if tt.client == "" && client.IsValid() || tt.client != "" && client.String() != tt.client {
				t.Errorf("client %v, want %s", client, tt.client)
			}
			for i := range tt.header {
				if client, n, err := Cut([]byte(tt.header[:i])); client.IsValid() || n != 0 || err != nil {
					t.Fatalf("of %d bytes: %v, %d bytes, error %v", i, client, n, err)
				}
			}
		})
	}
}

func TestBegins(t *testing.T) {
	for p, want := range map[string]bool{
		"PROXY TCP4 ": true, v2(0x21, 0x11, ""): true, "PROXY": false, "GET / HTTP/1.1": false, "": false,
	} {
		if Begins([]byte(p)) != want {
			t.Errorf("%q: %v", p, !want)
		}
	}
}

// FuzzCut: whatever comes, no more is asked for than a header may have, and what is found
// does not depend on the pieces in which it came, nor on what comes behind it.
func FuzzCut(f *testing.F) {
	for _, seed := range []string{
		"PROXY TCP4 203.0.113.9 127.0.0.1 4711 8080\r\nGET / HTTP/1.1\r\n", "PROXY UNKNOWN\r\n", "PROXY TCP6 ::1 ::1 1 2\r\n",
		v2(0x21, 0x11, v4Addresses) + "GET", v2(0x21, 0x21, v6Addresses+"\x04\x00\x01x"), v2(0x20, 0, ""), "\r\n\r\n\x00\r", "GET / HTTP/1.1\r\n", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		client, n, err := Cut(p)
		switch {
		case err != nil && (n != 0 || client.IsValid()):
			t.Fatalf("%v and %d bytes beside error %v", client, n, err)
		case err == nil && n == 0 && len(p) >= maxBytes:
			t.Fatalf("%d bytes are not enough", len(p))
		case n > len(p) || n > maxBytes:
			t.Fatalf("%d bytes of %d", n, len(p))
		}
		if client.IsValid() && (client.Addr().Is4In6() || client.Addr().Zone() != "") {
			t.Fatalf("client %v", client)
		}
		for i := range p {
			c, m, err := Cut(p[:i])
			if n > 0 && i >= n && (m != n || c != client || err != nil) || n > 0 && i < n && (m != 0 || err != nil) {
				t.Fatalf("of %d bytes: %v, %d, %v; of all: %v, %d", i, c, m, err, client, n)
			}
			if errors.Is(err, ErrNone) && bytes.HasPrefix(v1Begins, p[:i]) {
				t.Fatalf("%q is given up", p[:i])
			}
		}
	})
}

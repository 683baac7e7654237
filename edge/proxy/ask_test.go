package proxy

import (
	"net/netip"
	"strings"
	"testing"
)

// trusting is a Config that trusts 10.0.0.0/8 and one IPv6 network.
func trusting(h Header) *Config {
	return &Config{Header: h, Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}}
}

// of looks headers up in pairs of name and value.
func of(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if strings.EqualFold(pairs[i], name) {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestAskAddress(t *testing.T) {
	const bad = "error"
	for _, tt := range []struct {
		header      Header
		value, want string // "": not said
	}{
		{XForwardedFor, "203.0.113.9", "203.0.113.9:0"},
		{XForwardedFor, "203.0.113.9:4711", "203.0.113.9:4711"},
		{XForwardedFor, "2001:db8::9", "[2001:db8::9]:0"},
		{XForwardedFor, "[2001:db8::9]", "[2001:db8::9]:0"},
		{XForwardedFor, "[2001:db8::9]:4711", "[2001:db8::9]:4711"},
		{XForwardedFor, "::ffff:203.0.113.9", "203.0.113.9:0"},
		{XForwardedFor, "fe80::1%eth0", "[fe80::1]:0"},
		{XForwardedFor, "198.51.100.1, 203.0.113.9", "203.0.113.9:0"},
		{XForwardedFor, "198.51.100.1, 203.0.113.9, 10.1.2.3", "203.0.113.9:0"},
		{XForwardedFor, "198.51.100.1,203.0.113.9 ,10.1.2.3\t, 2001:db8:1::5", "203.0.113.9:0"},
		{XForwardedFor, "10.1.1.1, 10.2.2.2", "10.1.1.1:0"}, // a viewer among the proxies
		{XForwardedFor, ", 203.0.113.9, ,", "203.0.113.9:0"},
		{XForwardedFor, "rubbish\x80\", 203.0.113.9", "203.0.113.9:0"},
		{XForwardedFor, "unknown", ""},
		{XForwardedFor, "203.0.113.9, unknown", ""},
		{XForwardedFor, "unix:", ""},
		{XForwardedFor, "", ""},
		{XForwardedFor, "203.0.113.9, rubbish", bad},
		{XForwardedFor, "203.0.113.9, rubbish, 10.1.2.3", bad},
		{XForwardedFor, "203.0.113.9:70000", bad},
		{XForwardedFor, "203.0.113.09", bad},
		{XRealIP, "203.0.113.9", "203.0.113.9:0"},
		{XRealIP, "10.1.2.3", "10.1.2.3:0"},
		{XRealIP, "203.0.113.9, 203.0.113.9", bad}, // two lines
		{XRealIP, "", ""},
		{CFConnectingIP, "2001:db8::9", "[2001:db8::9]:0"},
		{CFConnectingIP, "x", bad},
		{Forwarded, "for=203.0.113.9", "203.0.113.9:0"},
		{Forwarded, "For=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9:0"},
		{Forwarded, `by=10.0.0.1;for="203.0.113.9:4711"`, "203.0.113.9:4711"},
		{Forwarded, `for="[2001:db8::9]:4711"`, "[2001:db8::9]:4711"},
		{Forwarded, `for="203.0.113.9:_port"`, "203.0.113.9:0"},
		{Forwarded, `for=198.51.100.1, for=203.0.113.9, for=10.1.2.3`, "203.0.113.9:0"},
		{Forwarded, `for="rubbish, for=203.0.113.9`, "203.0.113.9:0"},
		{Forwarded, `for="rubbish, for="[2001:db8::9]"`, "[2001:db8::9]:0"},
		{Forwarded, `for=203.0.113.9;host="a;for=198.51.100.1"`, "203.0.113.9:0"},
		{Forwarded, `for=203.0.113.9;host="a, for=198.51.100.1"`, "203.0.113.9:0"},
		{Forwarded, `for=203.0.113.9;host="a\", for=198.51.100.1"`, "203.0.113.9:0"},
		{Forwarded, "FOR=203.0.113.9;PROTO=https;", "203.0.113.9:0"},
		{Forwarded, ";;for=203.0.113.9; ;by=10.0.0.1", "203.0.113.9:0"},
		{Forwarded, "for=203.0.113.9;,, for=10.1.2.3;", "203.0.113.9:0"},
		{Forwarded, "for=203.0.113.9, ;", ""}, // the last proxy does not say
		{Forwarded, ";", ""},
		{Forwarded, "for=203.0.113.9;x", bad},
		{Forwarded, "for=unknown", ""},
		{Forwarded, "for=_hidden", ""},
		{Forwarded, "for=203.0.113.9, proto=https", ""},
		{Forwarded, "", ""},
		{Forwarded, "for=203.0.113.9;for=198.51.100.1", bad},
		{Forwarded, "203.0.113.9", bad},
		{Forwarded, "for=rubbish", bad},
		{"", "203.0.113.9", ""},
	} {
		got, _, err := trusting(tt.header).Ask(of(string(tt.header), tt.value))
		switch {
		case tt.want == bad:
			if err == nil || !strings.HasPrefix(err.Error(), string(tt.header)+" header: ") || got.IsValid() {
				t.Errorf("%s: %s: %v, error %v, want one that names the header", tt.header, tt.value, got, err)
			}
		case err != nil || tt.want == "" && got.IsValid() || tt.want != "" && got.String() != tt.want:
			t.Errorf("%s: %s: %v, error %v, want %s", tt.header, tt.value, got, err, tt.want)
		}
	}
}

func TestAskHost(t *testing.T) {
	for _, tt := range []struct {
		header    Header
		xfh, fwd  string
		wantsHost string
	}{
		{"", "live.example", "", "live.example"},
		{XForwardedFor, "live.example:8443", "", "live.example:8443"},
		{"", " live.example , inner.example", "", "live.example"},
		{Forwarded, "", `for=203.0.113.9;host="live.example:8443"`, "live.example:8443"},
		{Forwarded, "", `for=203.0.113.9;host=live.example, for=10.0.0.1;host=inner.example`, "live.example"},
		{Forwarded, "other.example", `for=203.0.113.9;host=live.example`, "other.example"},
		{XForwardedFor, "", `for=203.0.113.9;host=live.example`, ""},
		{"", "", "", ""},
	} {
		_, host, err := trusting(tt.header).Ask(of("X-Forwarded-Host", tt.xfh, "Forwarded", tt.fwd))
		if err != nil || host != tt.wantsHost {
			t.Errorf("%+v: %q, %v", tt, host, err)
		}
	}
}

// FuzzAsk: whatever a viewer writes, the address is the one that the trusted proxy adds
// behind it, in each of the forms that proxies use.
func FuzzAsk(f *testing.F) {
	for _, seed := range []string{"", "198.51.100.1", `for="x, for=1.2.3.4`, `\`, `"`, "for=198.51.100.1;by=\"", ", ,", `a\"b`, "10.0.0.1", "unknown"} {
		f.Add(seed)
	}
	const client = "[2001:db8::9]:0"
	f.Fuzz(func(t *testing.T, forged string) {
		for _, added := range []string{"2001:db8::9", "[2001:db8::9]", "2001:db8::9, 10.0.0.1"} {
			got, _, err := trusting(XForwardedFor).Ask(of(string(XForwardedFor), forged+", "+added))
			if err != nil || got.String() != client {
				t.Errorf("X-Forwarded-For %q + %q: %v, %v", forged, added, got, err)
			}
		}
		for _, added := range []string{`for="[2001:db8::9]"`, `proto=http;for="[2001:db8::9]";by=10.0.0.1`, `for="[2001:db8::9]", for="10.0.0.1"`} {
			got, _, err := trusting(Forwarded).Ask(of(string(Forwarded), forged+", "+added))
			if err != nil || got.String() != client {
				t.Errorf("Forwarded %q + %q: %v, %v", forged, added, got, err)
			}
		}
		for _, h := range Headers() { // alone it may be refused, no more
			if _, _, err := trusting(Header(h)).Ask(of(h, forged)); err != nil && !strings.HasPrefix(err.Error(), h) {
				t.Errorf("%s: %v", h, err)
			}
		}
	})
}

func TestConfig(t *testing.T) {
	trusted := trusting("").Trusted
	for name, tt := range map[string]struct {
		Config
		ok bool
	}{
		"nothing":        {Config{}, true},
		"all":            {Config{Trusted: trusted, Protocol: true, Header: Forwarded}, true},
		"unknown header": {Config{Trusted: trusted, Header: "X-Client"}, false},
		"PROXY of whom":  {Config{Protocol: true}, false},
		"header of whom": {Config{Header: XRealIP}, false},
	} {
		if err := tt.Check(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := trusting("")
	for a, want := range map[string]bool{"10.9.9.9": true, "11.0.0.1": false, "2001:db8:1:2::3": true, "2001:db8:2::3": false} {
		if c.Trusts(netip.MustParseAddr(a)) != want {
			t.Errorf("%s is trusted: %v", a, !want)
		}
	}
	if c.Trusts(netip.Addr{}) || (&Config{}).Trusts(netip.MustParseAddr("127.0.0.1")) {
		t.Error("nobody is trusted")
	}
}

func TestParsePrefix(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "10.1.2.3/8": "10.0.0.0/8", "127.0.0.1": "127.0.0.1/32", "::1": "::1/128",
		"2001:db8::/32": "2001:db8::/32", "::ffff:10.0.0.1": "10.0.0.1/32",
		"0.0.0.0/0": "", "::/0": "", "10.0.0.0/33": "", "10.0.0": "", "proxy.example": "", "": "", "fe80::1%eth0": "", "::ffff:10.0.0.0/104": "",
	} {
		p, err := ParsePrefix(text)
		if (err == nil) != (want != "") || err == nil && p.String() != want {
			t.Errorf("%q: %v, %v, want %q", text, p, err, want)
		}
	}
}

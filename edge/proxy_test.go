package edge_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/edge/events"
	"barrage/edge/proxy"
	"barrage/frame"
)

// behindProxies has the server trust 127.0.0.1 and 10.0.0.0/8; tests are the proxy at
// the former, and whoever connects from another address of the loopback is none.
func behindProxies(p proxy.Config) func(*edge.Config) {
	return func(c *edge.Config) {
		c.Proxies = p
		c.Proxies.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}
	}
}

// from dials the server from an address of the loopback.
func from(t testing.TB, s *edgetest.Server, address string) *net.TCPConn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: edgetest.Patience}
	c, err := d.Dial("tcp", s.Addr().String())
	edgetest.Must(t, err)
	_ = c.SetDeadline(time.Now().Add(edgetest.Patience))
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// v1Request is an upgrade to barrage.v1, whose connections are listed.
func v1Request(headers ...string) string {
	return edgetest.UpgradeRequest("/ws?room=a", append(headers, "Sec-WebSocket-Protocol: barrage.v1\r\n")...)
}

const (
	proxyV1 = "PROXY TCP4 203.0.113.9 127.0.0.1 4711 8080\r\n"
	proxyV2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\x7f\x00\x00\x01\x12\x67\x1f\x90"
)

// TestWhoseAddress: the address of a connection is what a trusted proxy says, in the way
// that is set, and nothing that anybody else says.
func TestWhoseAddress(t *testing.T) {
	const proxys, viewers, peers = "127.0.0.1", "127.0.0.7", "itself"
	xff := proxy.Config{Header: proxy.XForwardedFor}
	tcp := proxy.Config{Protocol: true}
	both := proxy.Config{Protocol: true, Header: proxy.XForwardedFor}
	type row struct{ name, from, before, headers, address string } // address: peers is the socket's
	for _, tt := range []struct {
		name string
		proxy.Config
		rows []row
	}{
		{"X-Forwarded-For", xff, []row{
			{"proxy", proxys, "", "X-Forwarded-For: 203.0.113.9\r\n", "203.0.113.9"},
			{"two lines", proxys, "", "X-Forwarded-For: 198.51.100.1\r\nx-forwarded-for: 2001:db8::9, 10.0.0.1\r\n", "2001:db8::9"},
			{"with a port", proxys, "", "X-Forwarded-For: 203.0.113.9:4711\r\n", "203.0.113.9:4711"},
			{"another header", proxys, "", "X-Real-IP: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n", peers},
			{"forged", viewers, "", "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Host: x\r\n", peers},
			{"nothing said", proxys, "", "", peers},
		}},
		{"Forwarded", proxy.Config{Header: proxy.Forwarded}, []row{
			{"proxy", proxys, "", "Forwarded: for=\"[2001:db8::9]:4711\";proto=https\r\n", "[2001:db8::9]:4711"},
			{"another header", proxys, "", "X-Forwarded-For: 203.0.113.9\r\n", peers},
			{"forged", viewers, "", "Forwarded: for=203.0.113.9\r\n", peers},
		}},
		{"X-Real-IP", proxy.Config{Header: proxy.XRealIP}, []row{
			{"proxy", proxys, "", "X-Real-IP: 203.0.113.9\r\n", "203.0.113.9"},
			{"forged", viewers, "", "X-Real-IP: 203.0.113.9\r\n", peers},
		}},
		{"CF-Connecting-IP", proxy.Config{Header: proxy.CFConnectingIP}, []row{
			{"proxy", proxys, "", "CF-Connecting-IP: 203.0.113.9\r\nX-Forwarded-For: 198.51.100.1\r\n", "203.0.113.9"},
			{"forged", viewers, "", "CF-Connecting-IP: 203.0.113.9\r\n", peers},
		}},
		{"PROXY", tcp, []row{
			{"version 1", proxys, proxyV1, "", "203.0.113.9:4711"},
			{"version 2", proxys, proxyV2, "", "203.0.113.9:4711"},
			{"of nobody", proxys, "PROXY UNKNOWN\r\n", "", peers},
			{"of nobody, version 2", proxys, "\r\n\r\n\x00\r\nQUIT\n\x21\x00\x00\x00", "", peers},
			{"header not believed", proxys, proxyV1, "X-Forwarded-For: 198.51.100.1\r\n", "203.0.113.9:4711"},
			{"no proxy", viewers, "", "X-Forwarded-For: 198.51.100.1\r\n", peers},
		}},
		{"PROXY and X-Forwarded-For", both, []row{
			{"of a viewer", proxys, proxyV1, "X-Forwarded-For: 198.51.100.1\r\n", "203.0.113.9:4711"},
			{"of a proxy", proxys, "PROXY TCP4 10.0.0.5 127.0.0.1 1 2\r\n", "X-Forwarded-For: 198.51.100.1\r\n", "198.51.100.1"},
			{"no proxy", viewers, "", "X-Forwarded-For: 198.51.100.1\r\n", peers},
		}},
		{"nobody is asked", proxy.Config{}, []row{{"proxy", proxys, "", "X-Forwarded-For: 203.0.113.9\r\n", peers}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told := make(chan string, 1)
			s := edgetest.Start(t, func(c *edge.Config) { behindProxies(tt.Config)(c); c.Events = emitter(t, told) })
			for _, r := range tt.rows {
				conn := from(t, s, r.from)
				want := r.address
				if want == peers {
					want = conn.LocalAddr().String()
				}
				c, resp := edgetest.ShakeOn(t, conn, r.before+v1Request(r.headers))
				if resp.StatusCode != http.StatusSwitchingProtocols {
					t.Errorf("%s: status %d: %s", r.name, resp.StatusCode, edgetest.Body(resp))
					continue
				}
				list, _, err := s.Connections(context.Background(), "", "", 9)
				if err != nil || len(list) != 1 || list[0].Address != want {
					t.Errorf("%s: connections %+v, %v, want one of %s", r.name, list, err, want)
				}
				if got := <-told; got != want {
					t.Errorf("%s: the event is of %s, want %s", r.name, got, want)
				}
				_ = c.Conn.Close()
				edgetest.WaitFor(t, "its end", func() bool { return s.Stats().Connections == 0 })
			}
		})
	}
}

// emitter tells of connections only, and to told.
func emitter(t testing.TB, told chan<- string) *events.Emitter {
	t.Helper()
	e, err := events.New(events.Config{Sink: remotes(told), Types: []events.Type{events.Connect}, Linger: time.Millisecond})
	edgetest.Must(t, err)
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	return e
}

// remotes is a backend that is told where connections come from.
type remotes chan<- string

func (r remotes) Send(_ context.Context, batch []events.Record) error {
	for _, rec := range batch {
		var e events.Event
		if err := json.Unmarshal(rec.JSON, &e); err != nil {
			return err
		}
		r <- e.Remote
	}
	return nil
}

func (remotes) Close() {}

// TestProxyInPieces: a PROXY header and the request behind it may come in any pieces, or
// in one with what the client says next.
func TestProxyInPieces(t *testing.T) {
	s := edgetest.Start(t, behindProxies(proxy.Config{Protocol: true}))
	hello := string(frame.AppendMasked(nil, frame.Text, edgetest.Mask, []byte("hello")))
	for _, header := range []string{proxyV1, proxyV2} {
		c := &edgetest.Viewer{T: t, Conn: edgetest.DialTCP(t, s)}
		request := header + edgetest.UpgradeRequest("/ws?room=a")
		for i := range request {
			c.Write([]byte(request[i : i+1]))
		}
		buf := make([]byte, 12)
		if _, err := c.Conn.Read(buf); err != nil || string(buf) != "HTTP/1.1 101" {
			t.Errorf("got %q, %v", buf, err)
		}
		glued, resp := edgetest.Shake(t, s, header+edgetest.UpgradeRequest("/ws?room=b")+hello)
		if resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("status %d", resp.StatusCode)
		}
		glued.Want(frame.Text, "hello")
		if page, resp := edgetest.Shake(t, s, header+"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"); resp.StatusCode != http.StatusOK {
			t.Errorf("a page: status %d", resp.StatusCode)
		} else {
			_ = page.Conn.Close()
		}
	}
}

// logLines is a log to be looked at.
type logLines struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

// all returns what was logged, and forgets it.
func (l *logLines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// TestProxyRefused: what is wrong between a proxy and the server is answered, and logged
// in a line that names the setting and the addresses.
func TestProxyRefused(t *testing.T) {
	upgrade := edgetest.UpgradeRequest
	for _, tt := range []struct {
		name string
		proxy.Config
		from, request string
		status        int
		logged        []string // parts of the one line; none: nothing is
	}{
		{"no PROXY header", proxy.Config{Protocol: true}, "127.0.0.1", upgrade("/ws?room=a"), 400,
			[]string{"proxy_protocol", "trusted_proxies", "proxy=127.0.0.1", "does not begin"}},
		{"bad PROXY header", proxy.Config{Protocol: true}, "127.0.0.1", "PROXY TCP4 a b c d\r\n" + upgrade("/ws?room=a"), 400,
			[]string{"proxy_protocol", "invalid address"}},
		{"endless PROXY header", proxy.Config{Protocol: true}, "127.0.0.1", "PROXY " + strings.Repeat("x", 1<<20), 400,
			[]string{"proxy_protocol", "over 107 bytes"}},
		{"PROXY header of another", proxy.Config{Protocol: true}, "127.0.0.7", proxyV1 + upgrade("/ws?room=a"), 400,
			[]string{"proxy_protocol", "trusted_proxies", "address=127.0.0.7:"}},
		{"version 2 of another", proxy.Config{Protocol: true}, "127.0.0.7", proxyV2 + upgrade("/ws?room=a"), 400,
			[]string{"proxy_protocol", "trusted_proxies", "address=127.0.0.7:"}},
		{"PROXY header unasked", proxy.Config{}, "127.0.0.1", proxyV1 + upgrade("/ws?room=a"), 400,
			[]string{"proxy_protocol", "address=127.0.0.1:"}},
		{"bad address", proxy.Config{Header: proxy.XForwardedFor}, "127.0.0.1", upgrade("/ws?room=a", "X-Forwarded-For: 203.0.113.9, x\r\n"), 400,
			[]string{"client_address_header", "trusted_proxies", "proxy=127.0.0.1", `said="203.0.113.9, x"`, "X-Forwarded-For header: no IP address"}},
		{"no address", proxy.Config{Header: proxy.XRealIP}, "127.0.0.1", upgrade("/ws?room=a"), 101,
			[]string{"client_address_header", "max_connections_per_ip", "proxy=127.0.0.1", "header=X-Real-IP"}},
		{"no address needed", proxy.Config{Header: proxy.XRealIP}, "127.0.0.1", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200, nil},
		{"not a proxy's", proxy.Config{Header: proxy.XForwardedFor}, "127.0.0.7", upgrade("/ws?room=a", "X-Forwarded-For: x\r\n"), 101, nil},
		{"the proxy's Host", proxy.Config{}, "127.0.0.7", upgrade("/ws?room=a", "Origin: https://live.example\r\n", "X-Forwarded-Host: live.example\r\n"), 403,
			[]string{"allowed_origins", "trusted_proxies", "proxy_set_header Host $http_host", "X-Forwarded-Host",
				"origin=https://live.example", "host=example.com", "forwarded_host=live.example", "address=127.0.0.7:"}},
		{"the viewer's Host", proxy.Config{}, "127.0.0.1", upgrade("/ws?room=a", "Origin: https://live.example\r\n", "X-Forwarded-Host: live.example\r\n"), 101, nil},
		{"the viewer's port", proxy.Config{}, "127.0.0.1", upgrade("/ws?room=a", "Origin: http://live.example:81\r\n", "X-Forwarded-Host: live.example:81, example.com\r\n"), 101, nil},
		{"another page", proxy.Config{Header: proxy.XForwardedFor}, "127.0.0.1",
			upgrade("/ws?room=a", "Origin: https://evil.example\r\n", "X-Forwarded-Host: live.example\r\n", "X-Forwarded-For: 203.0.113.9\r\n"), 403,
			[]string{"origin=https://evil.example", "host=live.example", "address=203.0.113.9\n"}},
		{"long origin", proxy.Config{}, "127.0.0.7", upgrade("/ws?room=a", "Origin: https://"+strings.Repeat("x", 4000)+"\r\n"), 403,
			[]string{"origin=https://xxxx", "…"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := new(logLines)
			s := edgetest.Start(t, func(c *edge.Config) {
				behindProxies(tt.Config)(c)
				c.Logger = slog.New(slog.NewTextHandler(log, nil))
			})
			for range 3 { // one line says it
				if _, resp := edgetest.ShakeOn(t, from(t, s, tt.from), tt.request); resp.StatusCode != tt.status {
					t.Fatalf("status %d, want %d: %s", resp.StatusCode, tt.status, edgetest.Body(resp))
				}
			}
			lines := log.all()
			if len(lines) != min(1, len(tt.logged)) {
				t.Fatalf("%d lines: %q", len(lines), lines)
			}
			for _, part := range tt.logged {
				if !strings.Contains(lines[0], part) || len(lines[0]) > 1200 {
					t.Errorf("logged %q without %q", lines[0], part)
				}
			}
		})
	}
}

// TestPerViewerLimit: behind a proxy the limit is each viewer's, an IPv6 viewer is a
// network, and the proxy itself is not limited.
func TestPerViewerLimit(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) {
		behindProxies(proxy.Config{Header: proxy.XForwardedFor})(c)
		c.MaxPerIP, c.IPv6Prefix = 2, 56
	})
	ask := func(address, forwarded string) (*edgetest.Viewer, int) {
		headers := []string{"X-Forwarded-For: " + forwarded + "\r\n"}
		if forwarded == "" {
			headers = nil
		}
		c, resp := edgetest.ShakeOn(t, from(t, s, address), edgetest.UpgradeRequest("/ws?room=a", headers...))
		return c, resp.StatusCode
	}
	for round := range 2 { // what was counted is counted off again
		var in []*edgetest.Viewer
		for _, tt := range []struct {
			from, forwarded string
			status          int
		}{
			{"127.0.0.1", "203.0.113.9", 101}, {"127.0.0.1", "203.0.113.9", 101}, {"127.0.0.1", "203.0.113.9", 429},
			{"127.0.0.1", "10.0.0.9, 203.0.113.9", 429}, {"127.0.0.1", "203.0.113.8", 101},
			{"127.0.0.1", "2001:db8:0:100::1", 101}, {"127.0.0.1", "2001:db8:0:1ff::2", 101},
			{"127.0.0.1", "2001:db8:0:133::3", 429}, {"127.0.0.1", "2001:db8:0:200::1", 101},
			{"127.0.0.1", "", 101}, {"127.0.0.1", "", 101}, {"127.0.0.1", "", 101},
			{"127.0.0.1", "unknown", 101},
			{"127.0.0.7", "203.0.113.7", 101}, {"127.0.0.7", "203.0.113.6", 101}, {"127.0.0.7", "203.0.113.5", 429},
		} {
			c, status := ask(tt.from, tt.forwarded)
			if status != tt.status {
				t.Errorf("round %d: %+v: status %d", round, tt, status)
			}
			if status == http.StatusSwitchingProtocols {
				in = append(in, c)
			}
		}
		for i, c := range in {
			if i%2 == 0 {
				edgetest.Must(t, c.Conn.SetLinger(0)) // a reset: the kernel forgets the peer before we do
			}
			_ = c.Conn.Close()
		}
		edgetest.WaitFor(t, "all to be gone", func() bool { return s.Stats().Connections == 0 })
	}
}

package main

// Viewers behind proxies: whose address the server knows, whom it limits, lets in and puts
// out.

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"barrage/frame"
)

// TestProxies has each proxy for which deploy/ has settings in front of a server, with
// those settings on both sides.
func TestProxies(t *testing.T) {
	t.Parallel()
	bin := buildBinary(t)
	for _, tt := range []struct {
		name string
		sample
	}{
		{"nginx", sample{file: "nginx.conf", program: "nginx", main: nginxMain, address: "0.0.0.0:80"}},
		{"HAProxy", sample{file: "haproxy.cfg", program: "haproxy", main: haproxyMain, address: "0.0.0.0:80", checks: true}},
		{"HAProxy, PROXY protocol 2", sample{file: "haproxy-tcp.cfg", program: "haproxy", main: haproxyMain, address: "0.0.0.0:80", checks: true}},
		{"HAProxy, PROXY protocol 1", sample{file: "haproxy-tcp.cfg", change: strings.NewReplacer("send-proxy-v2", "send-proxy"),
			program: "haproxy", main: haproxyMain, address: "0.0.0.0:80", checks: true}},
		{"Caddy", sample{file: "Caddyfile", program: "caddy", main: caddyMain, address: "live.example"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &front{t: t, backend: newBackend(t), bytes: strings.Contains(tt.file, "tcp")}
			f.node = start(t, bin.command(context.Background(), []string{"BARRAGE_AUTH_SECRET=" + v1Secret, "BARRAGE_WEBHOOK_SECRET=" + hookSecret},
				"serve", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--shards=2", "--config="+tt.settings(t),
				"--anonymous", "--max-connections-per-ip=2", "--webhook-url="+f.backend.URL+"/hook"))
			f.proxy = tt.start(t, f.node)
			f.addresses()
			f.pages()
			f.streams()
			f.limits()
			f.bans()
			if tt.checks {
				f.checked()
			}
			if log := f.node.stderr.String(); strings.Contains(log, "does not say for whom") || strings.Contains(log, "no address") {
				t.Error("the server does not know its viewers' addresses")
			}
		})
	}
}

// TestProxiesIPv6: a viewer's address is of another kind than that between the proxy and
// the server.
func TestProxiesIPv6(t *testing.T) {
	t.Parallel()
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("no IPv6: ", err)
	} else {
		_ = l.Close()
	}
	bin := buildBinary(t)
	for _, s := range []sample{
		{file: "nginx.conf", program: "nginx", main: nginxMain},
		{file: "haproxy-tcp.cfg", program: "haproxy", main: haproxyMain},
		{file: "haproxy-tcp.cfg", program: "haproxy", main: haproxyMain, change: strings.NewReplacer("send-proxy-v2", "send-proxy")},
	} {
		s.address, s.ipv6 = "0.0.0.0:80", true
		n := bin.serveNamed(t, "--config="+s.settings(t))
		f := &front{t: t, node: n, proxy: s.start(t, n)}
		v, status := f.join("::1", f.proxy.addr, "amy", forged...)
		want := "::1"
		if strings.Contains(s.file, "tcp") {
			want = v.conn.LocalAddr().String()
		}
		if got := f.known("amy"); status != http.StatusSwitchingProtocols || got != want {
			t.Errorf("%s: status %d, amy connects from %q, want %q", s.file, status, got, want)
		}
	}
}

// front is a proxy in front of a server, and a backend behind both.
type front struct {
	t       *testing.T
	node    *child
	proxy   *running
	backend *backend
	bytes   bool // it passes on bytes, after a PROXY header
}

// dial connects from an address of the loopback, which is a viewer's own: none of
// 127.0.0.2 and up is a proxy's.
func (f *front) dial(from, to string) *viewer {
	f.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	conn, err := d.Dial("tcp", to)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	return &viewer{t: f.t, conn: conn, r: bufio.NewReader(conn), asm: frame.Assembler{Client: true}}
}

// ask sends a request, an upgrade if headers have one, and returns the status.
func (v *viewer) ask(before, target string, headers ...string) (status int) {
	v.t.Helper()
	host := v.conn.RemoteAddr().String()
	if _, err := io.WriteString(v.conn, before+"GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\n"+strings.Join(headers, "\r\n")+"\r\n\r\n"); err != nil {
		v.t.Fatal(err)
	}
	resp, err := v.answered()
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode
}

var upgradeHeaders = []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"}

// forged are headers by which a viewer tries to be another.
var forged = []string{"X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9", "X-Real-IP: 203.0.113.9", "CF-Connecting-IP: 203.0.113.9"}

// join opens a WebSocket of a user, of nobody for "", and returns the status.
func (f *front) join(from, to, user string, headers ...string) (*viewer, int) {
	f.t.Helper()
	target := "/ws?room=salon"
	if user != "" {
		target += "&token=" + v1Token(f.t, user)
	}
	v := f.dial(from, to)
	return v, v.ask("", target, append(headers, upgradeHeaders...)...)
}

// addresses: of a viewer behind the proxy, whatever it says itself; and of one that comes
// past it.
func (f *front) addresses() {
	for _, tt := range []struct{ user, from, to string }{{"amy", "127.0.0.2", f.proxy.addr}, {"ben", "127.0.0.3", f.node.ws}} {
		v, status := f.join(tt.from, tt.to, tt.user, forged...)
		if status != http.StatusSwitchingProtocols {
			f.t.Fatalf("%s: status %d", tt.user, status)
		}
		want := v.conn.LocalAddr().String()
		if tt.to == f.proxy.addr && !f.bytes {
			want = tt.from // the header has no port
		}
		if got := f.known(tt.user); got != want {
			f.t.Errorf("%s connects from %q, want %q", tt.user, got, want)
		}
		await(f.t, "the backend to be told of "+tt.user, func() bool { return f.told(tt.user) != "" })
		if got := f.told(tt.user); got != want {
			f.t.Errorf("the backend is told of %s from %q, want %q", tt.user, got, want)
		}
		f.node.publish("salon", "hello")
		v.want(frame.Text, "hello")
		v.mustSend(frame.Text, "from "+tt.user)
		v.want(frame.Text, "from "+tt.user)
		v.leave()
	}
	const header = "PROXY TCP4 203.0.113.9 127.0.0.1 4711 8080\r\n"
	if status := f.dial("127.0.0.3", f.node.ws).ask(header, "/ws?room=salon", upgradeHeaders...); status != http.StatusBadRequest {
		f.t.Errorf("a forged PROXY header: status %d", status)
	}
	if f.bytes {
		if status := f.dial("127.0.0.1", f.node.ws).ask("", "/healthz"); status != http.StatusBadRequest {
			f.t.Errorf("the proxy without a PROXY header: status %d", status)
		}
	}
}

// known is the address of a user's connection in the list that operators get.
func (f *front) known(user string) string {
	f.t.Helper()
	_, body := f.node.mustGet("/v1/connections?user=" + user)
	var list struct{ Connections []struct{ Address string } }
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Connections) != 1 {
		f.t.Fatalf("connections of %s: %s, %v", user, body, err)
	}
	return list.Connections[0].Address
}

// told is the address of which the backend was told, "" before it is.
func (f *front) told(user string) string {
	f.backend.mu.Lock()
	defer f.backend.mu.Unlock()
	for _, e := range f.backend.told {
		if e.Type == "connect" && e.User == user {
			return e.Remote
		}
	}
	return ""
}

// leave closes the connection as a browser does.
func (v *viewer) leave() {
	v.t.Helper()
	v.mustSend(frame.Close, "\x03\xe8")
	if m, err := v.next(); err != nil || m.op != frame.Close {
		v.t.Errorf("after the goodbye: %+v, %v", m, err)
	}
	_ = v.conn.Close()
}

// pages: the server's own page may connect, another may not, and the log says whose it
// was.
func (f *front) pages() {
	if status := f.dial("127.0.0.4", f.proxy.addr).ask("", "/"); status != http.StatusOK {
		f.t.Errorf("the page: status %d", status)
	}
	v, status := f.join("127.0.0.4", f.proxy.addr, "", "Origin: http://"+f.proxy.addr)
	if status != http.StatusSwitchingProtocols {
		f.t.Fatalf("its own page: status %d", status)
	}
	v.leave()
	if _, status := f.join("127.0.0.4", f.proxy.addr, "", "Origin: http://evil.example"); status != http.StatusForbidden {
		f.t.Errorf("another page: status %d", status)
	}
	if _, status := f.join("127.0.0.4", f.proxy.addr, "", "Origin: http://evil.example", "X-Forwarded-Host: evil.example"); status != http.StatusForbidden {
		f.t.Errorf("another page, whose viewer says that it asked for its host: status %d", status)
	}
	await(f.t, "the log to say so", func() bool { return strings.Contains(f.node.stderr.String(), "a page was refused") })
	if log := f.node.stderr.String(); !strings.Contains(log, `"address":"127.0.0.4`) || !strings.Contains(log, "http://evil.example") {
		f.t.Errorf("the log does not say whose page was refused")
	}
}

// limits: each viewer has its own, and gets back what it had.
func (f *front) limits() {
	for range 2 {
		var in []*viewer
		for _, tt := range []struct {
			from   string
			status int
		}{{"127.0.0.5", 101}, {"127.0.0.5", 101}, {"127.0.0.5", 429}, {"127.0.0.6", 101}, {"127.0.0.6", 101}, {"127.0.0.6", 429}, {"127.0.0.7", 101}} {
			v, status := f.join(tt.from, f.proxy.addr, "", forged...)
			if status != tt.status {
				f.t.Errorf("connection of %s: status %d, want %d", tt.from, status, tt.status)
			}
			if status == http.StatusSwitchingProtocols {
				in = append(in, v)
			}
		}
		for _, v := range in {
			v.leave()
		}
		await(f.t, "all to be gone", func() bool { return f.node.metrics()["barrage_connections"] == 0 })
	}
}

// bans: who is put out is the viewer, not everybody behind the proxy.
func (f *front) bans() {
	eve, _ := f.join("127.0.0.8", f.proxy.addr, "eve")
	joe, _ := f.join("127.0.0.9", f.proxy.addr, "joe")
	f.node.do("POST", "/v1/users/eve/disconnect", "", `{"reason":"spam","for":"1m"}`)
	if m, err := eve.next(); err != nil || m.op != frame.Close {
		f.t.Errorf("eve gets %+v, %v", m, err)
	}
	if _, status := f.join("127.0.0.8", f.proxy.addr, "eve"); status != http.StatusForbidden {
		f.t.Errorf("eve comes again: status %d", status)
	}
	f.node.publish("salon", "at peace")
	joe.want(frame.Text, "at peace")
	if got := f.known("joe"); !strings.HasPrefix(got, "127.0.0.9") {
		f.t.Errorf("joe connects from %q", got)
	}
	joe.leave()
}

// checked: the proxy asks the server whether it is well, and finds that it is.
func (f *front) checked() {
	await(f.t, "the proxy's check", func() bool { return f.node.metrics()[`barrage_http_requests_total{code="200",route="/readyz"}`] > 0 })
	v, status := f.join("127.0.0.10", f.proxy.addr, "")
	if status != http.StatusSwitchingProtocols || strings.Contains(f.proxy.stderr.String(), "DOWN") {
		f.t.Errorf("after the check: status %d, %s", status, f.proxy.stderr)
	}
	v.leave()
}

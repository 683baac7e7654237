package main

// What goes wrong between proxies and a server: PROXY headers that do not end, and a proxy
// that asks for its own host.

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"barrage/frame"
)

// TestHalfProxyHeaders: whoever connects through a proxy that passes on bytes can have
// it send no more than a part of a PROXY header, or be one that is broken. That costs no
// goroutine, keeps nobody out, and ends at handshake_timeout.
func TestHalfProxyHeaders(t *testing.T) {
	t.Parallel()
	const half = 5000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < half+1000 {
		t.Skipf("a limit of %d open files (%v) is too low for %d connections", limit.Cur, err, half)
	}
	n := buildBinary(t).serve(t, "--trusted-proxies=127.0.0.1", "--proxy-protocol", "--handshake-timeout=4s", "--close-timeout=60s", "--max-connections="+strconv.Itoa(half+100))
	before := n.metrics()["go_goroutines"]
	parts := []string{"P", "PROXY TCP4 203.0.113.9 127.0.0.1 47", "\r\n\r\n\x00\r\nQU", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71"}
	conns := make([]net.Conn, half)
	for i := range conns {
		c, err := net.DialTimeout("tcp", n.ws, patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, parts[i%len(parts)]); err != nil {
			t.Fatal(err)
		}
		conns[i] = c
	}
	s := n.metrics()
	t.Logf("%v goroutines before, %v with %v connections", before, s["go_goroutines"], s["barrage_sockets"])
	if more := s["go_goroutines"] - before; more > 20 { // the runtime's own come and go
		t.Errorf("%v goroutines more for %d half headers", more, half)
	}
	honest, err := dial(t, n.ws, "salon") // whose first bytes are no PROXY header
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := honest.answered(); err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("without a PROXY header: %+v, %v", resp, err)
	}
	v := (&front{t: t}).dial("127.0.0.1", n.ws)
	if status := v.ask("PROXY TCP4 203.0.113.9 127.0.0.1 4711 8080\r\n", "/ws?room=salon", upgradeHeaders...); status != http.StatusSwitchingProtocols {
		t.Errorf("with one: status %d", status)
	}
	n.publish("salon", "hello")
	v.want(frame.Text, "hello")
	// Without one of them closing.
	await(t, "all to be gone", func() bool {
		return n.metrics()[`barrage_sockets_closed_total{reason="handshake_timeout"}`] == half
	})
	for i, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		answer, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
			t.Fatalf("half header %q ends with %q, %v", parts[i%len(parts)], answer, err)
		}
		_ = c.Close()
	}
	n.publish("salon", "still here")
	v.want(frame.Text, "still here")
}

// defaultHost is nginx as most guides have it, with nothing about the host.
const defaultHost = `
map $http_upgrade $cu { default upgrade; '' close; }
server { listen 0.0.0.0:80; location / {
    proxy_pass http://127.0.0.1:8080; proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $cu; FORWARDED
} }
`

// TestDefaultHost: behind an nginx that asks for its own host a page is refused, and the
// log names what helps; told the viewer's host by a proxy that is trusted, the server
// knows its own page.
func TestDefaultHost(t *testing.T) {
	t.Parallel()
	bin := buildBinary(t)
	for _, tt := range []struct {
		name, forwarded, flag string
		status                int
	}{
		{"host unknown", "", "--trusted-proxies=127.0.0.1", http.StatusForbidden},
		{"host from a stranger", "proxy_set_header X-Forwarded-Host $http_host;", "--trusted-proxies=127.0.0.99", http.StatusForbidden},
		{"host from a trusted proxy", "proxy_set_header X-Forwarded-Host $http_host;", "--trusted-proxies=127.0.0.1", http.StatusSwitchingProtocols},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := bin.serve(t, tt.flag)
			s := sample{program: "nginx", main: nginxMain, address: "0.0.0.0:80", body: strings.Replace(defaultHost, "FORWARDED", tt.forwarded, 1)}
			f := &front{t: t, node: n, proxy: s.start(t, n)}
			origin := "http://" + f.proxy.addr
			if _, status := f.join("127.0.0.2", f.proxy.addr, "", "Origin: "+origin); status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if tt.status == http.StatusForbidden {
				await(t, "the log to say why", func() bool {
					log := n.stderr.String()
					return strings.Contains(log, "allowed_origins") && strings.Contains(log, "trusted_proxies") &&
						strings.Contains(log, `"origin":"`+origin+`"`) && strings.Contains(log, `"host":"`+n.ws+`"`)
				})
			}
			if _, status := f.join("127.0.0.2", f.proxy.addr, "", "Origin: http://evil.example"); status != http.StatusForbidden {
				t.Errorf("another page: status %d", status)
			}
		})
	}
}

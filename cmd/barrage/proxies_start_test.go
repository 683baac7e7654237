package main

// Real proxies in front of the real server, with the settings that deploy/ has for both.

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// sample is a file of deploy/, and how the program that reads it is run.
type sample struct {
	file    string
	body    string            // instead of the file's
	change  *strings.Replacer // beyond addresses; nil: nothing
	program string
	// main writes further files that the program needs into dir, and returns its
	// arguments; conf is the path of the sample there.
	main func(t *testing.T, dir, conf string) []string
	// address is how the sample names the address that the program listens on.
	address string
	ipv6    bool // it listens on an IPv6 address instead
	// checks tells that the program asks the server whether it is ready.
	checks bool
}

func nginxMain(t *testing.T, dir, conf string) []string {
	t.Helper()
	main := filepath.Join(dir, "main.conf")
	text := strings.NewReplacer("DIR", dir, "CONF", conf).Replace(`
daemon off; pid DIR/nginx.pid; error_log stderr warn; worker_processes 1;
events { worker_connections 512; }
http {
    client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
    include CONF;
}
`)
	if err := os.WriteFile(main, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{"-e", "stderr", "-p", dir, "-c", main}
}

func haproxyMain(_ *testing.T, dir, conf string) []string {
	return []string{"-db", "-p", filepath.Join(dir, "haproxy.pid"), "-f", conf}
}

func caddyMain(t *testing.T, dir, conf string) []string {
	t.Helper()
	main := filepath.Join(dir, "main")
	if err := os.WriteFile(main, []byte("{\n\tadmin off\n}\nimport "+conf+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{"run", "--config", main, "--adapter", "caddyfile"}
}

// text is the sample as it is shipped.
func (s *sample) text(t *testing.T) string {
	t.Helper()
	if s.body != "" {
		return s.body
	}
	text, err := os.ReadFile("../../deploy/" + s.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settings are the server's, which the sample's first comment names, as a file.
func (s *sample) settings(t *testing.T) (path string) {
	t.Helper()
	var yaml strings.Builder
	for line := range strings.Lines(s.text(t)) {
		if setting, ok := strings.CutPrefix(line, "#     "); ok {
			yaml.WriteString(setting)
		}
	}
	return writeFile(t, "barrage.yaml", yaml.String())
}

// running is a proxy in front of a server.
type running struct {
	addr   string // where viewers find it
	stderr *lockedBuffer
}

// start runs the program with the sample, in which nothing but addresses is replaced, and
// ends it with the test.
func (s *sample) start(t *testing.T, node *child) *running {
	t.Helper()
	program := findProgram(t, s.program)
	for range 5 { // another process may take the port that is free now
		if p := s.try(t, program, node); p != nil {
			return p
		}
	}
	t.Fatalf("%s does not start", s.program)
	return nil
}

// findProgram also looks where Debian puts servers.
func findProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		t.Fatalf("%s is not installed (make deps): %v", name, err)
	}
	return path
}

// try is start with a port that is free now; nil if the program ends at once.
func (s *sample) try(t *testing.T, program string, node *child) *running {
	t.Helper()
	p := &running{addr: s.freeAddress(t), stderr: &lockedBuffer{}}
	conf := writeFile(t, "sample", s.between(t, p.addr, node))
	dir := filepath.Dir(conf)
	cmd := exec.Command(program, s.main(t, dir, conf)...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, p.stderr, p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // on which it ends its workers
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { // ends with the proxy, which the cleanup waits for
		defer close(exited)
		_ = cmd.Wait() // it is told to end
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-exited
		if t.Failed() {
			t.Logf("log of %s:\n%s", s.program, p.stderr)
		}
	})
	if !p.listens(t, exited) {
		return nil
	}
	return p
}

// between is the sample with the addresses of viewers and of the server.
func (s *sample) between(t *testing.T, addr string, node *child) string {
	t.Helper()
	if !strings.Contains(s.address, ":") { // a site's name, whose certificate would be fetched
		addr = "http://" + addr
	}
	_, adminPort, _ := net.SplitHostPort(node.admin)
	text := strings.NewReplacer(s.address, addr, "127.0.0.1:8080", node.ws, "port 8081", "port "+adminPort).Replace(s.text(t))
	if s.change != nil {
		text = s.change.Replace(text)
	}
	return text
}

// listens waits until viewers find the program, and tells whether it has not ended.
func (p *running) listens(t *testing.T, exited <-chan struct{}) (up bool) {
	t.Helper()
	await(t, "a proxy to listen on "+p.addr, func() bool {
		if c, err := net.Dial("tcp", p.addr); err == nil {
			up = true
			_ = c.Close()
		}
		select {
		case <-exited:
			up = false
			return true
		default:
			return up
		}
	})
	return up
}

// freeAddress is an address on which nobody listens at present.
func (s *sample) freeAddress(t *testing.T) string {
	t.Helper()
	host := "127.0.0.1"
	if s.ipv6 {
		host = "::1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

package main

// barrage.v1 without WebSocket: what a shell has of it, and the life of a Unix socket's file.

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// plain is a connection of lines.
type plain struct {
	net.Conn
	t     *testing.T
	lines *bufio.Reader
}

func dialPlain(t *testing.T, network, addr string) *plain {
	t.Helper()
	conn, err := net.DialTimeout(network, addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &plain{conn, t, bufio.NewReader(conn)}
}

// ask sends a line, if it is not empty, and reads one that begins so.
func (p *plain) ask(line, begin string) {
	p.t.Helper()
	if line != "" {
		if _, err := io.WriteString(p, line+"\n"); err != nil {
			p.t.Fatal(err)
		}
	}
	if got, err := p.lines.ReadString('\n'); err != nil || !strings.HasPrefix(got, begin) {
		p.t.Fatalf("got %q, %v, want %s", got, err, begin)
	}
}

func withoutWebSocket(t *testing.T, bin binary) {
	path := shortPath(t, "s")
	flags := []string{"--listen-tcp=127.0.0.1:0,unix:" + path, "--tcp-socket-mode=0620", "--drain-window=0"}
	killed := bin.serve(t, flags...)
	dialPlain(t, "unix", path).ask("", `{"push":"welcome"`)
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-killed.exited
	n := bin.serve(t, flags...) // in the place of the file that is left
	if st, err := os.Lstat(path); err != nil || st.Mode().Perm() != 0o620 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	second := bin.command(context.Background(), nil, append([]string{"serve", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0"}, flags...)...)
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "another process listens there") {
		t.Errorf("a second server: %v, %s", err, out)
	}
	addr := regexp.MustCompile(`tcp on (127[^,]+), tcp on unix:`).FindStringSubmatch(n.stdout.String())
	if addr == nil {
		t.Fatalf("ready line %q", n.stdout.String())
	}
	local, far := dialPlain(t, "unix", path), dialPlain(t, "tcp", addr[1])
	for _, p := range []*plain{local, far} {
		p.ask("", `{"push":"welcome"`)
		p.ask(`{"id":1,"cmd":"join","room":"lobby"}`, `{"id":1,"ok":{"room":"lobby"`)
	}
	if out, err := exec.Command("ss", "-lxn").Output(); err != nil || strings.Count(string(out), path) != 1 {
		t.Errorf("ss: %v, %s", err, out)
	}
	if _, err := n.post("lobby", "application/json", "{\n  \"on\":\n  [1, 2]\n}"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*plain{local, far} {
		p.ask("", `{"push":"message","room":"lobby"`)
		p.ask(`{"id":2,"cmd":"ping","room":"lobby"}`, `{"id":2,"ok":{`)
	}
	n.signal(sigterm)
	for _, p := range []*plain{local, far} {
		p.ask("", `{"push":"bye","code":1001`)
		if rest, err := io.ReadAll(p.lines); err != nil || len(rest) > 0 {
			t.Errorf("behind bye: %q, %v", rest, err)
		}
		_ = p.Close()
	}
	n.wantExit(exitOK)
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
}

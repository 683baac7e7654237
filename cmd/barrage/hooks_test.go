package main

// This file tests hooks over two nodes that share a Redis, with the backend of
// docs/recipes.md.

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"barrage/frame"
	"barrage/internal/redistest"
)

// TestHooks: the sessions of a site decide who comes and who enters, as the recipe says, and
// what a backend makes of a message is what viewers of the other node get.
func TestHooks(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	site, settings := recipeBackend(t)
	censor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `{"data":%q}`, regexp.MustCompile(`"data":"(.*?)"`).FindSubmatch(body)[1][:3])
	}))
	t.Cleanup(censor.Close)
	var addrs []string
	for range 2 {
		n := startNode(t, settings, "--redis="+redis.URL(), "--redis-timeout=20s",
			"--publish-hooks=mod:*="+censor.URL, "--connect-timeout=20s", "--join-timeout=20s", "--publish-timeout=20s")
		t.Cleanup(n.Close)
		addrs = append(addrs, n.Addr().String())
	}
	ann, resp := enter(t, addrs[0], "/ws?room=mod:1&room=vip:1", "Cookie: session=Zx81\r\n")
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("ann: status %d", resp.StatusCode)
	}
	ann.want(frame.Text, "Hello Ann")
	guest, resp := enter(t, addrs[1], "/ws?room=mod:1", "")
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("a guest: status %d", resp.StatusCode)
	}
	guest.want(frame.Text, "Log in to join the talk.")
	if _, resp := enter(t, addrs[1], "/ws?room=vip:1", ""); resp.StatusCode != http.StatusForbidden || resp.Header.Get("Barrage-Error") != "members_only" {
		t.Errorf("a guest among members: %d, %v", resp.StatusCode, resp.Header)
	}
	guest.mustSend(frame.Text, "guests may not speak")
	ann.mustSend(frame.Text, "hello from ann")
	ann.want(frame.Text, "hel")
	guest.want(frame.Text, "hel")

	site()
	if _, resp := enter(t, addrs[0], "/ws?room=mod:1", "Cookie: session=Zx81\r\n"); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("without the site: %d, %v", resp.StatusCode, resp.Header)
	}
}

// recipeBackend runs the backend of the recipe, until stop or the end of the test.
func recipeBackend(t *testing.T) (stop func(), settings string) {
	nodejs, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed (Debian package nodejs): no test of the recipe's backend")
	}
	text, err := os.ReadFile("../../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile("(?s)\n## Your sessions decide\n.*?```yaml\n(.*?)```.*?```js\n(.*?)```").FindSubmatch(text)
	if parts == nil {
		t.Fatal("docs/recipes.md lacks the recipe")
	}
	_, port, _ := net.SplitHostPort(redistest.FreeAddr(t))
	script := filepath.Join(t.TempDir(), "site.js")
	if err := os.WriteFile(script, []byte(strings.ReplaceAll(string(parts[2]), "3000", port)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, nodejs, script)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() { cancel(); _ = cmd.Wait() }
	t.Cleanup(stop)
	await(t, "the recipe's backend", func() bool {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return stop, strings.ReplaceAll(string(parts[1]), "3000", port)
}

// enter asks for a WebSocket with more headers.
func enter(t *testing.T, addr, target, headers string) (*viewer, *http.Response) {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(2 * patience))
	v := &viewer{t: t, conn: c, r: bufio.NewReader(c), asm: frame.Assembler{Client: true}}
	if _, err := io.WriteString(c, strings.TrimSuffix(upgradeRequest(target), "\r\n")+headers+"\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := v.answered()
	if err != nil {
		t.Fatal(err)
	}
	return v, resp
}

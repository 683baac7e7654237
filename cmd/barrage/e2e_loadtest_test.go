package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// loadtestNode runs the loadtest command against a node and returns its exit
// code and what it wrote.
func loadtestNode(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), &process{
		args: append([]string{"loadtest"}, args...), environ: nil,
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs,
	})
	return code, out.String(), errs.String()
}

// TestLoadtestBadSettings: one line that names the setting and the limit, and
// exit 2.
func TestLoadtestBadSettings(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--connections", "0", "--url", "ws://127.0.0.1:1/"}, "--connections: "},
		{[]string{"--size", "5", "--url", "ws://127.0.0.1:1/"}, "--size: "},
		{[]string{"--url", "wss://127.0.0.1:1/"}, "--url: "},
		{[]string{"--url", "ws://127.0.0.1:1/", "--preset", "barrage", "--assert", "p98<1"}, "--assert: "},
		{[]string{"--url", "ws://127.0.0.1:1/", "--preset", "barrage", "--find", "luck"}, "--find: "},
		{[]string{"--url", "ws://127.0.0.1:1/", "--preset", "barrage", "--slo", "p99=1s"}, "--slo: "},
		{[]string{"--url", "ws://127.0.0.1:1/", "--preset", "barrage", "--processes", "-1"}, "--processes: "},
		{[]string{"--url", "ws://127.0.0.1:1/", "--preset", "barrage", "--deflate", "--batch"}, "--batch: needs --preset barrage.v1"},
		{[]string{"--url", "ws://127.0.0.1:1/", "--preset", "barrage.v1", "--batch"}, "--batch: needs --deflate"},
		{[]string{"nosuchscenario"}, "nosuchscenario"},
	} {
		code, _, stderr := loadtestNode(t, c.args...)
		if code != exitUsage || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d, %q", c.args, code, stderr)
		}
	}
}

// TestLoadtest: against the real server, with two agent processes: every copy
// arrives, and conditions decide the exit code.
func TestLoadtest(t *testing.T) {
	t.Parallel()
	bin := buildBinary(t)
	n := bin.serve(t)
	dir := t.TempDir()
	common := []string{
		"loadtest", "room", "--preset", "barrage", "--url", "ws://" + n.ws, "--publish-url", "http://" + n.admin,
		"--connections", "300", "--rate", "50", "--duration", "1s", "--hold", "300ms", "--plain", "--processes", "2",
	}
	jsonFile, htmlFile := filepath.Join(dir, "r.json"), filepath.Join(dir, "r.html")
	o := bin.run(t, nil, "", append(common, "--json", jsonFile, "--html", htmlFile, "--assert", "missing==0 && delivered==15000")...)
	if o.code != exitOK {
		t.Fatalf("exit %d: %s%s", o.code, o.stdout, o.stderr)
	}
	var r struct {
		Messages struct{ Expected, Delivered, Missing, Duplicated int }
		Client   struct{ Agents []struct{ Connections int } }
	}
	text, err := os.ReadFile(jsonFile)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	m := r.Messages
	if err != nil || m.Expected != 15000 || m.Delivered != 15000 || m.Missing+m.Duplicated != 0 || len(r.Client.Agents) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if page, err := os.ReadFile(htmlFile); err != nil || !bytes.Contains(page, []byte("<svg")) {
		t.Errorf("no plots in the page: %v", err)
	}
	if o := bin.run(t, nil, "", append(common, "--connections", "10", "--assert", "delivered<1")...); o.code != exitFailure || !strings.Contains(o.stdout, "FAIL") {
		t.Errorf("a condition that does not hold: exit %d\n%s", o.code, o.stdout)
	}
}

func TestLoadtestNobodyThere(t *testing.T) {
	code, stdout, stderr := loadtestNode(t, "idle", "--url", "ws://127.0.0.1:1/ws?room={room}", "--publish", "none", "--connections", "5", "--hold", "0s", "--plain")
	if code != exitFailure || !strings.Contains(stdout+stderr, "127.0.0.1:1: connection refused") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

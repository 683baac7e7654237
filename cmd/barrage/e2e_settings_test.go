package main

// Settings that cannot be: one line on stderr, and the exit code. Settings that others
// are not to see.

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func badSettings(t *testing.T, bin binary) {
	for _, tt := range []struct {
		name, env, file string
		args            []string
		names           string // the setting, as it was given
	}{
		{"unknown flag", "", "", []string{"--frobnicate=1"}, "--frobnicate"},
		{"unknown key", "", "frobnicate: 1\n", nil, "frobnicate"},
		{"unknown variable", "BARRAGE_FROBNICATE=1", "", nil, "BARRAGE_FROBNICATE"},
		{"bad flag", "", "", []string{"--shards=many"}, "shards (--shards)"},
		{"bad key", "", "ping_interval: soon\n", nil, "ping_interval"},
		{"bad variable", "BARRAGE_LOG_BYTES=much", "", nil, "log_bytes (BARRAGE_LOG_BYTES)"},
		{"out of bounds", "", "", []string{"--drain-window=-1s"}, "drain_window"},
		{"not a file", "", "", []string{"--config=/no/such/file"}, "config"},
		{"not YAML", "", "listen: [\n", nil, "config.yaml"},
		{"not a Redis", "BARRAGE_REDIS=http://:s3cret@h", "", nil, "redis (BARRAGE_REDIS)"},
		{"public admin address without a token", "", "", []string{"--admin=0.0.0.0:0"}, "admin_token"},
		{"one address for both", "", "", []string{"--listen=127.0.0.1:8081"}, "admin"},
	} {
		args, env := append([]string{"serve"}, tt.args...), []string(nil)
		if tt.env != "" {
			env = []string{tt.env}
		}
		if tt.file != "" {
			args = append(args, "--config", writeFile(t, "config.yaml", tt.file))
		}
		got := bin.run(t, env, "", args...)
		if got.code != exitUsage || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 ||
			!strings.HasPrefix(got.stderr, "barrage: ") || !strings.Contains(got.stderr, tt.names) || strings.Contains(got.stderr, "s3cret") {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// A port that is taken, be it by a server of the same user that would share it
// (SO_REUSEPORT), is a failure at run time.
func portsInUse(t *testing.T, bin binary) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	running := bin.serve(t)
	for _, tt := range []struct{ name, listen, admin, taken string }{
		{"public", l.Addr().String(), "127.0.0.1:0", l.Addr().String()},
		{"admin", "127.0.0.1:0", l.Addr().String(), l.Addr().String()},
		{"public, by a server", running.ws, "127.0.0.1:0", running.ws},
		{"admin, by a server", "127.0.0.1:0", running.admin, running.admin},
	} {
		got := bin.run(t, nil, "", "serve", "--listen="+tt.listen, "--admin="+tt.admin)
		complaint := got.stderr[strings.Index("\n"+got.stderr, "\nbarrage: "):] // the log comes first
		if got.code != exitFailure || got.stdout != "" || strings.Count(complaint, "\n") != 1 ||
			!strings.Contains(complaint, tt.taken) || !strings.Contains(complaint, "address already in use") {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// No secret is in what a server or check says: not in its log, at the start or when
// backends fail, not in a refusal, a metric or a profile.
func secretsStaySecret(t *testing.T, bin binary) {
	const secret = "hunter2-hunter2-hunter2-hunter2-hunter2"
	args := []string{
		"--auth-secret=" + secret + "," + v1Secret, "--admin-token=" + secret, "--webhook-secret=" + secret, "--log-level=debug",
		"--webhook-url=http://u:hunter2@127.0.0.1:1/send?access_token=hunter2", "--auth-jwks=http://127.0.0.1:1/keys?key=hunter2",
		"--request-routes=m=http://u:hunter2@127.0.0.1:1/y?key=hunter2", "--redis=redis://:hunter2@127.0.0.1:1",
	}
	said := func(what, text string) {
		if i := strings.Index(text, "hunter2"); i >= 0 {
			t.Errorf("a secret in %s: %.300s", what, text[max(0, i-200):])
		}
	}
	check := bin.run(t, nil, "", append([]string{"check"}, args...)...)
	said("what check says", check.stdout+check.stderr)
	if check.code != exitOK || !strings.Contains(check.stdout, "settings") {
		t.Errorf("check: %+v", check)
	}
	n := bin.serve(t, args...)
	m := n.member("ann")
	m.wantError(`"cmd":"request","method":"m","data":1`, "backend_error")
	m.ask(`"cmd":"join","room":"lobby"`)
	for _, failed := range []string{"events cannot be delivered", "key set of the tokens' issuer cannot be read", "serving without Redis"} {
		await(t, "a failure: "+failed, func() bool { return strings.Contains(n.stderr.String(), failed) })
	}
	for _, path := range []string{"/metrics", "/v1/rooms", "/readyz", "/nothing", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/debug/pprof/symbol"} {
		for _, token := range []string{secret, secret + "x"} {
			r, err := http.NewRequest("GET", "http://"+n.admin+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			w, err := n.http.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(w.Body)
			_ = w.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			said(path, string(text))
		}
	}
	n.signal(sigterm)
	n.wantExit(exitOK)
	said("the log", n.stderr.String())
	if !strings.Contains(n.stderr.String(), `"webhook_url":"http://...@127.0.0.1:1/send?..."`) {
		t.Error("the log does not show what is no secret")
	}
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"barrage/loadtest"
)

// TestLoadtestDeflate: viewers inflate what the server compresses, and batches, and
// count every copy. What the server does not agree to is told.
func TestLoadtestDeflate(t *testing.T) {
	t.Parallel()
	bin := buildBinary(t)
	on, off := bin.serve(t, "--compression"), bin.serve(t)
	const small, large = "100", "600" // single messages below 256 bytes are not compressed
	for i, c := range []struct {
		name   string
		n      *child
		assert string
		args   []string
	}{
		{"raw", on, "deflated==50 && bytes_per_copy<500", []string{"--preset", "barrage", "--deflate", "--size", large}},
		{"raw, plain", on, "bytes_per_copy>600", []string{"--preset", "barrage", "--size", large}},
		{"raw, off", off, "deflated==0 && bytes_per_copy>600", []string{"--preset", "barrage", "--deflate", "--size", large}},
		{"barrage.v1", on, "deflated==50 && copies_per_frame==1", []string{"--preset", "barrage.v1", "--deflate", "--size", small}},
		{"batches", on, "deflated==50 && copies_per_frame>1.5 && bytes_per_copy<220", []string{"--preset", "barrage.v1", "--deflate", "--batch", "--size", small}},
		{"sockets", on, "deflated==50", []string{"--preset", "barrage.v1", "--deflate", "--batch", "--publish", "socket", "--talkers", "40"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := bin.run(t, nil, "", append([]string{
				"loadtest", "room", "--url", "ws://" + c.n.ws, "--publish-url", "http://" + c.n.admin, "--connections", "50", "--rate", "100",
				"--room", fmt.Sprint("r", i), // nobody else's: they run at the same time
				"--duration", "1s", "--hold", "100ms", "--drain", "5s", "--plain", "--assert",
				"missing==0 && delivered==5000 && duplicated+out_of_order+misrouted+closed+publish_failed==0 && " + c.assert,
			}, c.args...)...)
			if o.code != exitOK || strings.Contains(o.stdout, "Only 0 of 50 connections negotiated") != (c.n == off) {
				t.Errorf("exit %d: %s%s", o.code, o.stdout, o.stderr)
			}
		})
	}
}

// TestLoadtestV1: viewers who speak barrage.v1, each a user with a token of its
// own, join by command and with presence; the admin listener wants a token, too.
func TestLoadtestV1(t *testing.T) {
	t.Parallel()
	bin, secret := buildBinary(t), strings.Repeat("s", 32)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := bin.serve(t, "--auth-secret="+secret, "--admin-token=an-admin-token")
	join := func(room string) []string {
		return []string{
			"loadtest", "room", "--preset", "barrage.v1", "--url", "ws://" + n.ws + "/ws", "--publish-url", "http://" + n.admin,
			"--open-text", `{"id":1,"cmd":"join","room":"` + room + `","presence":true}`, "--auth-secret-file", file,
			"--metrics", "http://" + n.admin + "/metrics", "--connections", "100", "--rate", "50", "--duration", "500ms",
			"--hold", "300ms", "--drain", "2s", "--plain", "--processes", "2",
		}
	}
	env := []string{loadtest.EnvAdminToken + "=an-admin-token"}
	o := bin.run(t, env, "", append(join("{room}"), "--assert", "missing==0 && delivered==2500 && closed==0 && misrouted==0")...)
	if o.code != exitOK {
		t.Errorf("exit %d: %s%s", o.code, o.stdout, o.stderr)
	}
	if o := bin.run(t, env, "", join("no room")...); !strings.Contains(o.stdout, `100 × said {"id":1,"error":{"code":"bad_room"`) {
		t.Errorf("exit %d, a refusal is not told: %s%s", o.code, o.stdout, o.stderr)
	}
	if o := bin.run(t, nil, "", join("{room}")...); o.code != exitFailure || !strings.Contains(o.stderr, "401") {
		t.Errorf("exit %d without the admin token: %s%s", o.code, o.stdout, o.stderr)
	}
}

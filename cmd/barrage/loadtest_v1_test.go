package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLoadtestV1: viewers who speak barrage.v1, each a user with a token of its
// own, join by command and with presence; the admin listener wants a token, too.
func TestLoadtestV1(t *testing.T) {
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
	env := []string{envAdminToken + "=an-admin-token"}
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

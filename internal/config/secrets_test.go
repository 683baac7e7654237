// Secrets: where they come from, what is refused, and that nobody gets to see them.

package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestSecretsFromFiles(t *testing.T) {
	token := writeFile(t, "token", "s3cret\n")
	cfg, err := load(t, "", "BARRAGE_ADMIN_TOKEN_FILE="+token)
	if err != nil || !slices.Equal(cfg.AdminTokens, []string{"s3cret"}) {
		t.Errorf("tokens %q, %v", cfg.AdminTokens, err)
	}
	cfg, err = load(t, "admin_token: other", "BARRAGE_ADMIN_TOKEN_FILE="+token, "--admin-token", "flag")
	if err != nil || !slices.Equal(cfg.AdminTokens, []string{"flag"}) {
		t.Errorf("tokens %q, %v", cfg.AdminTokens, err)
	}
	for name, environ := range map[string]string{
		"missing": "BARRAGE_ADMIN_TOKEN_FILE=" + token + ".no",
		"empty":   "BARRAGE_ADMIN_TOKEN_FILE=" + writeFile(t, "empty", "\n"),
		"blank":   "BARRAGE_ADMIN_TOKEN_FILE=" + writeFile(t, "blank", " \n,\n"),
		"commas":  "BARRAGE_ADMIN_TOKEN=,",
		"twice":   "BARRAGE_ADMIN_TOKEN=s3cret BARRAGE_ADMIN_TOKEN_FILE=" + token,
	} {
		if _, err := load(t, "", environ); err == nil || !strings.HasPrefix(err.Error(), "admin_token") {
			t.Errorf("%s: error %v, want one naming admin_token", name, err)
		}
	}
	if _, err := load(t, "", "BARRAGE_LISTEN_FILE="+token); err == nil {
		t.Error("a setting that is no secret came from a file")
	}
}

// TestEmptySecrets: what is given as empty where that would take away a protection, or
// the other nodes, is a template without its value.
func TestEmptySecrets(t *testing.T) {
	filled := 0
	for i := range Table.Settings {
		s := &Table.Settings[i]
		if s.Secret && !s.Filled {
			t.Errorf("%s is a secret, and may be empty", s.Key)
		}
		if !s.Filled {
			continue
		}
		filled++
		for name, given := range map[string]struct {
			file, env string
			args      []string
		}{
			"flag":      {"", "", []string{"--" + s.FlagName() + "="}},
			"variable":  {"", Table.Variable(s) + "=", nil},
			"YAML text": {s.Key + ": ''", "", nil},
			"YAML list": {s.Key + ": []", "", nil},
		} {
			if _, err := load(t, given.file, given.env, given.args...); err == nil || !strings.HasPrefix(err.Error(), s.Key) {
				t.Errorf("%s, %s: %v", s.Key, name, err)
			}
		}
	}
	if filled < 8 {
		t.Errorf("%d settings must not be empty", filled)
	}
	if _, err := load(t, "", "BARRAGE_ALLOWED_ORIGINS= BARRAGE_DEFAULT_ROOM="); err != nil {
		t.Errorf("without a meaning of that kind: %v", err)
	}
}

// TestSecretFiles: what editors and tools put into files beside a secret.
func TestSecretFiles(t *testing.T) {
	b64 := func(n int) string { return strings.Repeat("Ab+/", n/4) }
	hex := strings.Repeat("0123456789abcdef", 4)
	const wrapped = "wrapped into several lines"
	for name, tt := range map[string]struct {
		text string
		want []string
		err  string
	}{
		"byte order mark":           {"\ufeff" + b64(44) + "\r\n", []string{b64(44)}, ""},
		"UTF-16":                    {"\xff\xfea\x00b\x00", nil, "UTF-16"},
		"one line":                  {b64(128) + "\n", []string{b64(128)}, ""},
		"openssl rand -base64 64":   {b64(64) + "\n" + b64(20) + "Ab==\n", nil, wrapped},
		"openssl rand -base64 96":   {b64(64) + "\n" + b64(64) + "\n", nil, wrapped},
		"base64":                    {b64(76) + "\n" + b64(40) + "\n", nil, wrapped},
		"the second of two":         {b64(44) + "\n" + b64(64) + "\r\n" + b64(8) + "\r\n", nil, wrapped},
		"openssl rand -hex 32":      {hex + "\n" + hex + "\n", []string{hex, hex}, ""},
		"openssl rand -base64 32":   {b64(40) + "Abc=\n" + b64(40) + "Abd=\n", []string{b64(40) + "Abc=", b64(40) + "Abd="}, ""},
		"64 characters, a comma":    {b64(64) + ",\n" + b64(60), []string{b64(64), b64(60)}, ""},
		"64 characters, a password": {b64(64) + "\n" + strings.Repeat("a passphrase ", 3), []string{b64(64), strings.TrimSpace(strings.Repeat("a passphrase ", 3))}, ""},
	} {
		file := "BARRAGE_AUTH_SECRET_FILE=" + writeFile(t, "secret", tt.text)
		cfg, err := load(t, "", file)
		if tt.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), "auth_secret") || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), b64(8)) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || !slices.Equal(cfg.AuthSecrets, tt.want) {
			t.Errorf("%s: %q, %v", name, cfg.AuthSecrets, err)
		}
	}
	if _, err := load(t, "auth_secret: |\n  "+b64(64)+"\n  "+b64(24)+"\n", ""); err == nil || !strings.Contains(err.Error(), wrapped) {
		t.Errorf("a YAML text: %v", err)
	}
	// Two flags are two secrets, and a public key may begin with a mark too.
	cfg, err := load(t, "", "", "--auth-secret="+b64(64), "--auth-secret="+b64(64))
	if err != nil || len(cfg.AuthSecrets) != 2 {
		t.Errorf("two flags: %q, %v", cfg.AuthSecrets, err)
	}
	const key = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
	if _, err := load(t, "", "", "--auth-public-keys="+writeFile(t, "key.pem", "\ufeff"+key)); err != nil {
		t.Errorf("a public key: %v", err)
	}
	empty := writeFile(t, "empty.pem", "\n")
	if _, err := load(t, "", "", "--auth-public-keys="+empty); err == nil || err.Error() != "auth_public_keys: "+empty+" is empty" {
		t.Errorf("an empty file of public keys: %v", err)
	}
}

// TestSeveralSecrets: while a secret is being changed there are two, in whatever
// form they are given.
func TestSeveralSecrets(t *testing.T) {
	file := writeFile(t, "tokens", "new\r\nold\n")
	for name, given := range map[string]struct {
		file, env string
		args      []string
	}{
		"flag":      {"", "", []string{"--admin-token=new,old"}},
		"two flags": {"", "", []string{"--admin-token=new", "--admin-token=old"}},
		"variable":  {"", "BARRAGE_ADMIN_TOKEN=new,old,", nil}, // the template had room for a third
		"file":      {"", "BARRAGE_ADMIN_TOKEN_FILE=" + file, nil},
		"YAML":      {"admin_token: [new, old]", "", nil},
		"YAML text": {"admin_token: new,old", "", nil},
	} {
		cfg, err := load(t, given.file, given.env, given.args...)
		if err != nil || !slices.Equal(cfg.AdminTokens, []string{"new", "old"}) {
			t.Errorf("%s: %q, %v", name, cfg.AdminTokens, err)
		}
	}
}

// The lines for the log tell what was changed, and no secret.
func TestChangedIsRedacted(t *testing.T) {
	cfg, err := load(t, "", "", "--redis", "redis://u:hunter2@127.0.0.1:1", "--admin-token", "hunter2", "--shards", "3",
		"--webhook-url", "https://hunter2@h.example:1/robot/send?access_token=hunter2#hunter2", "--webhook-secret", "hunter2hunter2hunter2",
		"--auth-jwks", "https://h.example/keys?key=hunter2", "--request-routes", "a=http://u:hunter2@i.example/x?k=hunter2,b=http://i.example/y")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(cfg.Changed()...)
	for _, want := range []string{
		"admin_token=set", "shards=3", "webhook_url=https://...@h.example:1/robot/send?...#...", "auth_jwks=https://h.example/keys?...",
		"request_routes=a=http://...@i.example/x?...,b=http://i.example/y",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	if strings.Contains(got, "hunter2") || strings.Contains(got, "listen") {
		t.Errorf("changed: %s", got)
	}
}

// A refusal shows no part of a URL that may be secret.
func TestRefusalsAreRedacted(t *testing.T) {
	for _, arg := range []string{
		"--webhook-url=ftp://u:hunter2@h/x?k=hunter2", "--webhook-url=http://u:hunter2@h:x/", "--webhook-url=http://h:70000/?k=hunter2",
		"--webhook-url=hunter2\x01", "--auth-jwks=https://u:hunter2@h/", "--auth-jwks=https://h:70000/?hunter2", "--request-routes=http://u:hunter2@h/",
		"--request-routes=a=ftp://u:hunter2@h/", "--request-routes=a=http://h/?hunter2,a=http://h/?hunter2", "--redis=redis://:hunter2@h:70000",
		"--redis=redis://:hunter2:6379", "--redis=redis://h/hunter2", "--redis=redis://h?hunter2=1", "--redis=rediss://h?tls_ca_file=/none/hunter2",
		"--redis=redis+sentinel://u:hunter2,h:1/m", "--webhook-url=http://h:1/hunter2\x7f", "--webhook-url=http://u:hunter2/", "--webhook-url=http://:80/hunter2",
		"--auth-jwks=ftp://h/hunter2", "--connect-url=h/hunter2?hunter2", "--join-hooks=http://h/hunter2", "--join-hooks=http://h/hunter2?k=1",
		"--publish-hooks=a=h/hunter2", "--request-routes=http://h/hunter2?k=1,m=http://h/", "--allowed-origins=https://u:hunter2@h", "--allowed-origins=https://h/hunter2?hunter2",
	} {
		if _, err := load(t, "", "BARRAGE_WEBHOOK_SECRET=0123456789abcdef", arg); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", arg, err)
		}
	}
	for _, file := range []string{"admin_token: *hunter2", "admin_token: !!int hunter2", "admin_token: {a: hunter2}", "admin_token: \"hunter2", "webhook_url: [hunter2, {}]", "join_hooks: [http://h/hunter2]", "join_hooks: {a: [http://h/hunter2]}", "redis: [redis://h/hunter2, x]"} {
		if _, err := load(t, file, ""); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

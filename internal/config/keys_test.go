package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"barrage/edge/auth/keyring"
)

var keyHash = "sha256:" + strings.Repeat("0a", 32)

// TestKeys: a list of keys is read from a file, and as one text.
func TestKeys(t *testing.T) {
	want := keyring.Entries{
		{Name: "shop", Hash: keyHash, Rooms: []string{"live:*", "a"}, Publish: true, Get: true, Rate: new(2.0), Expires: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)},
		{Name: "tv", Hash: "sha256:" + strings.Repeat("0b", 32), Rooms: []string{"*"}, Subscribe: true, Origins: []string{"https://a.example"}},
	}
	file := "keys:\n" +
		"  - {name: shop, hash: '" + keyHash + "', rooms: ['live:*', a], publish: true, get: true, rate: 2, expires: 2027-01-31}\n" +
		"  - name: tv\n    hash: " + want[1].Hash + "\n    rooms: ['*']\n    subscribe: true\n    origins: [https://a.example]\n"
	text := `[{"name":"shop","hash":"` + keyHash + `","rooms":["live:*","a"],"publish":true,"get":true,"rate":2.0,"expires":"2027-01-31T00:00:00Z"},` +
		`{"name":"tv","hash":"` + want[1].Hash + `","rooms":["*"],"subscribe":true,"origins":["https://a.example"]}]`
	other := "keys: [{name: old, hash: '" + keyHash + "', rooms: [a], publish: true}]"
	listed := writeFile(t, "keys.yaml", strings.TrimPrefix(file, "keys:\n"))
	for name, given := range map[string]struct {
		file, env string
		args      []string
	}{
		"file":         {file: file},
		"variable":     {file: other, env: "BARRAGE_KEYS=" + text},
		"secret file":  {env: "BARRAGE_KEYS_FILE=" + listed},
		"flag":         {file: other, env: "BARRAGE_KEYS=[]", args: []string{"--keys", text}},
		"YAML in flag": {args: []string{"--keys", mustRead(t, listed)}},
	} {
		cfg, err := load(t, given.file, given.env, given.args...)
		if err != nil || !reflect.DeepEqual(cfg.Keys, want) {
			t.Errorf("%s: %+v, %v", name, cfg.Keys, err)
		}
	}
	if cfg, err := load(t, "", ""); err != nil || cfg.Keys != nil {
		t.Errorf("without any: %v, %v", cfg.Keys, err)
	}
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestBadKeys: an error names the setting, the key and the field, in one line.
func TestBadKeys(t *testing.T) {
	entry := func(more string) string { return "keys: [{name: a, hash: '" + keyHash + "', " + more + "}]" }
	for file, want := range map[string]string{
		entry("rooms: [a], publish: true, rom: x"):                            "invalid keys: rom",
		entry("rooms: [a], publish: 1"):                                       "'[0].publish' expected type 'bool'",
		entry("rooms: [a], publish: true, expires: soon"):                     "no time such as 2027-01-31",
		entry("rooms: [a], publish: true, origins: ['https://a.example/x']"):  `"a": origins`,
		entry("rooms: ['a b'], publish: true"):                                `"a": rooms`,
		entry("rooms: [a], publish: true, rate: 0"):                           `"a": rate: 0 must be`,
		entry("rooms: [a]"):                                                   "publish, subscribe",
		"keys: {a: b}":                                                        "must be an array",
		"keys: [a]":                                                           "expected a map",
		"keys: 'a: [b'":                                                       "no list in YAML",
		"keys: [{name: a, hash: bk_hunter2, rooms: [a], publish: true}]":      `"a": hash`,
		"keys: [{name: a, hash: [bk_hunter2], rooms: [a], publish: true}]":    "'[0].hash'",
		"keys: [{name: a, hash:bk_hunter2, rooms: [a]}]":                      "'[0]' has invalid keys: hash:(not shown; a blank is missing",
		"keys: '[{name: a, hash:hunter2}]'":                                   "'[0]' has invalid keys: hash:(not shown; a blank is missing",
		"keys: [{name: a, " + strings.Repeat("hunter2", 5) + "}]":             "'[0]' has invalid keys: (not shown)",
		"{echo: true, admin_token:hunter2}":                                   "admin_token:(not shown; a blank is missing behind the colon): there is no such setting",
		"admin_token:hunter2":                                                 "no map from settings to values",
		"keys: |\n  [{name: a}]\n  ---\n  [{name: b}]":                        "a second document",
		"keys: [{name: bk_hunter2 x, hash: x, rooms: [a], publish: true}]":    "number 1: name",
		"{auth_cookie: live, allowed_origins: [https://a.example, '*']}":      "pages that anybody may make",
		"{auth_cookie: live, allowed_origins: ['null']}":                      "pages that anybody may make",
		"{ws_paths: ['/a/{room}', '/{room}/b']}":                              "may be of both",
		"{auth_cookie: live, allowed_origins: [https://*.a.example, '*:80']}": "pages that anybody may make",
	} {
		_, err := load(t, file, "")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want one line holding %q", file, err, want)
		}
	}
}

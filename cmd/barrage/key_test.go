package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"barrage/edge/auth/keyring"
)

// TestKeyCreate: the key is printed once, and its entry is what the server reads.
func TestKeyCreate(t *testing.T) {
	t.Parallel()
	got := runWith(t, "", "", "key", "create", "--name", "shop", "--rooms", "live:*,a", "--publish", "--get",
		"--origins", "https://a.example", "--rate", "2", "--expires", "2027-01-31")
	key, entry := strings.TrimSuffix(got.stdout, "\n"), got.stderr
	if got.code != exitOK || !strings.HasPrefix(key, keyring.Prefix) || strings.Contains(entry, key) {
		t.Fatalf("%+v", got)
	}
	var read struct{ Keys keyring.Entries }
	if err := yaml.Unmarshal([]byte(entry), &read); err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(read.Keys)
	if err != nil {
		t.Fatal(err)
	}
	k := ring.Find(key)
	if k == nil || k.Name != "shop" || !k.Publish || !k.Get || k.Subscribe || k.Rate != 2 || len(k.Rooms) != 2 || k.Origins[0] != "https://a.example" || k.Expires.Year() != 2027 {
		t.Errorf("the entry is %+v", read.Keys)
	}
}

func TestKeyCreateFrom(t *testing.T) {
	t.Parallel()
	const old = "3f9c2ab17d4e8056b1c7f2e9d0a46835"
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(old+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{path, "-"} {
		got := runWith(t, "", old+"\r\n", "key", "create", "--name", "old", "--rooms", "*", "--subscribe", "--from", from)
		if got.code != exitOK || got.stdout != "" || !strings.Contains(got.stderr, keyring.Hash(old)) || strings.Contains(got.stderr, old) {
			t.Errorf("%s: %+v", from, got)
		}
	}
	for wrong, args := range map[string][]string{
		"repeats itself":  {"--rooms", "*", "--publish", "--from", "-"},
		"rooms":           {"--publish"},
		"neither is true": {"--rooms", "*"},
		"rooms of users":  {"--rooms", "user:*", "--subscribe", "--publish"},
		"over already":    {"--rooms", "*", "--publish", "--expires", "2020-01-01"},
		"rate: 0 must be": {"--rooms", "*", "--publish", "--rate", "0"},
		"get: it needs":   {"--rooms", "*", "--subscribe", "--get"},
		"--expires":       {"--rooms", "*", "--publish", "--expires", "soon"},
		"no such file":    {"--rooms", "*", "--publish", "--from", path + ".no"},
	} {
		got := runWith(t, "", strings.Repeat("password", 8), append([]string{"key", "create", "--name", "x"}, args...)...)
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, wrong) || strings.Contains(got.stderr, "passwordpass") {
			t.Errorf("want %q: %+v", wrong, got)
		}
	}
}

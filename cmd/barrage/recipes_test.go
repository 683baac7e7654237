package main

// This file keeps docs/recipes.md at what the program takes.

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRecipes: serve starts with the settings of every recipe as they are printed.
func TestRecipes(t *testing.T) {
	text, err := os.ReadFile("../../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	heading, recipes := "", 0
	for _, m := range regexp.MustCompile("(?ms)^## ([^\n]*)$|^```yaml\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		if m[1] != "" {
			heading = m[1]
			continue
		}
		recipes++
		t.Run(heading, func(t *testing.T) { serveRecipe(t, m[2]) })
	}
	if recipes < 6 {
		t.Errorf("found %d recipes with settings", recipes)
	}
}

// serveRecipe runs a server until it says that it is ready.
func serveRecipe(t *testing.T, config string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	here := strings.NewReplacer("127.0.0.1:8090", "127.0.0.1:0", "/run/barrage.sock", shortPath(t, "s")) // where the test may listen
	var stderr bytes.Buffer
	ready := false
	code := run(ctx, &process{
		args: []string{"serve", "--config", writeFile(t, "recipe.yaml", here.Replace(config)),
			"--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--shards=1", "--drain-window=0"},
		stdin: strings.NewReader(""), stderr: &stderr,
		stdout: writerFunc(func() { ready = true; cancel() }),
	})
	if code != exitOK || !ready {
		t.Errorf("code %d, ready %v: %s", code, ready, stderr.String())
	}
}

// shortPath is a path for a Unix socket, for which that of t.TempDir may be too long.
func shortPath(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, name)
}

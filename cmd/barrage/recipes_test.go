package main

// This file keeps docs/recipes.md at what the program takes.

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
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

// TestShellRecipe: what a shell and Python say to plain TCP and a Unix socket, as it is printed.
func TestShellRecipe(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("nc"); err != nil {
		t.Skip("nc is not installed (Debian package netcat-openbsd)")
	}
	text, err := os.ReadFile("../../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, recipe, _ := strings.Cut(string(text), "\n## A device, or a shell\n")
	shell := regexp.MustCompile(`(?m)^[^#].* \| nc .*$`).FindAllString(recipe, 2)
	python := regexp.MustCompile("(?ms)^```python\n(.*?)^```").FindStringSubmatch(recipe)
	if len(shell) != 2 || python == nil {
		t.Fatalf("the recipe has %q and %q", shell, python)
	}
	path := shortPath(t, "s")
	n := buildBinary(t).serve(t, "--listen-tcp=127.0.0.1:0,unix:"+path)
	host, port, _ := strings.Cut(regexp.MustCompile(`tcp on (127[^,]+), tcp on unix:`).FindStringSubmatch(n.stdout.String())[1], ":")
	here := strings.NewReplacer("127.0.0.1 8090", host+" "+port, "'127.0.0.1', 8090", "'"+host+"', "+port, "/run/barrage.sock", path)

	viewer := runRecipe(t, "sh", "-c", here.Replace(shell[0]))
	viewer.lines(`{"push":"welcome"`, `{"id":1,"ok":{"room":"lobby"`)
	scripts := []*recipeProcess{viewer}
	if _, err := exec.LookPath("python3"); err == nil {
		script := runRecipe(t, "python3", "-u", "-c", "import socket, json\n"+here.Replace(python[1]))
		script.lines(`{'push': 'welcome'`, `{'id': 1, 'ok': {'room': 'lobby'`)
		scripts = append(scripts, script)
	}
	patient := strings.Replace(here.Replace(shell[1]), "nc -w 1 ", "nc -w 60 ", 1) // it may take its time
	speaker := runRecipe(t, "sh", "-c", patient)
	speaker.lines(`{"push":"welcome"`, `{"id":1,"ok":{`)
	for _, s := range scripts {
		line, err := s.stdout.ReadString('\n')
		if err != nil || !strings.Contains(line, "21.5 °C") {
			t.Errorf("got %q, %v", line, err)
		}
	}
}

// recipeProcess is a command of a recipe, whose words a test reads.
type recipeProcess struct {
	*exec.Cmd
	t      *testing.T
	stdout *bufio.Reader
}

// runRecipe starts a command, which ends with the test, with all that it started.
func runRecipe(t *testing.T, name string, args ...string) *recipeProcess {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	_ = out.(*os.File).SetReadDeadline(time.Now().Add(patience)) // a pipe, which has deadlines
	return &recipeProcess{cmd, t, bufio.NewReader(out)}
}

// lines wants lines that begin so.
func (p *recipeProcess) lines(begins ...string) {
	p.t.Helper()
	for _, begin := range begins {
		if got, err := p.stdout.ReadString('\n'); err != nil || !strings.HasPrefix(got, begin) {
			p.t.Fatalf("got %q, %v, want %s", got, err, begin)
		}
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

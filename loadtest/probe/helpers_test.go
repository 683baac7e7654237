// Starts real processes for the tests: the test binary itself, told by
// an environment variable to be a server that can be looked at.

package probe

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

const childVariable = "BARRAGE_PROBE_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		beChild()
		return
	}
	os.Exit(m.Run())
}

// beChild obeys one command per line until its input ends.
func beChild() {
	var kept []byte
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "burn": // CPU, for as long as it takes
			for t := Self(); Self() < t+0.2; {
			}
		case "allocate":
			kept = make([]byte, childBytes)
			for i := 0; i < len(kept); i += os.Getpagesize() {
				kept[i] = 1
			}
		}
		os.Stdout.WriteString("done\n")
	}
	runtime.KeepAlive(kept)
}

const childBytes = 64 << 20

// child is a process to look at.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startChild(t *testing.T) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(exe)}
	c.cmd.Env = append(os.Environ(), childVariable+"=1")
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.stop)
	return c
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// do gives a command and waits until it has been obeyed.
func (c *child) do(command string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, command+"\n"); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.out.ReadString('\n'); err != nil {
		c.t.Fatal(err)
	}
}

// end lets the process end, but does not ask for its status.
func (c *child) end() { _ = c.in.Close() }

// stop ends the process for good.
func (c *child) stop() {
	c.end()
	_ = c.cmd.Wait() // again after a stop: harmless
}

// await polls until ok, for at most ten seconds.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s after ten seconds", what)
		}
	}
}

// tree writes files below a temporary root and returns it as a machine.
func tree(t *testing.T, files map[string]string) machine {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return newMachine(root)
}

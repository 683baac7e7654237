// Tests subprocesses: this binary, started again.

package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// ended reports whether a process is no more, or only waits for its parent.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}

func pidOf(t *testing.T, c *Client) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimPrefix(c.Name(), "process "))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestKilledProcessIsLost(t *testing.T) {
	c, err := spawn(t, "agent", io.Discard)
	closeAfter(t, c, err)
	if err := c.Prepare(t.Context(), testJob()); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pidOf(t, c), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, err = c.Snapshot(t.Context())
	expect(t, err, ErrLost, "agent "+c.Name()+": snapshot: the agent is lost: it has ended: signal: killed")
	expect(t, c.Storm(t.Context()), ErrLost, "signal: killed")
	expect(t, c.Close(t.Context()), ErrLost)
}

// TestProcessesEndOneByOne: no process keeps another's pipe open.
func TestProcessesEndOneByOne(t *testing.T) {
	a, err := spawn(t, "agent", io.Discard)
	closeAfter(t, a, err)
	b, err := spawn(t, "agent", io.Discard)
	closeAfter(t, b, err)
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !ended(pidOf(t, a)) {
		t.Error("the closed agent lives")
	}
	if err := b.Prepare(t.Context(), testJob()); err != nil {
		t.Errorf("the other agent: %v", err)
	}
}

func TestStdinsEndEndsAnAgent(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=agent")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := newClient("child", duplex{out, in})
	if _, err := c.open(t.Context(), "", thisProgram()); err != nil {
		t.Fatal(err)
	}
	if err := c.Prepare(t.Context(), testJob()); err != nil {
		t.Fatal(err)
	}
	in.Close()
	_, _ = io.Copy(io.Discard, out) // the agent ends its stdout, too
	if err := cmd.Wait(); err != nil {
		t.Errorf("the agent: %v", err)
	}
}

// parentChild is a controller that is killed: its child does not look at stdin.
func parentChild() {
	_ = os.Setenv(childEnv, "deaf")
	p, err := startProcess(os.Args[0], nil, io.Discard)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.cmd.Process.Pid)
	<-p.exited
}

func TestAgentsDieWithTheirController(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if ended(pid) {
		t.Error("the agent ended too early")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	until(t, "end of the agent", func() bool { return ended(pid) })
}

// TestProcessOfAnotherVersion: that it ends, too, is not the reason.
func TestProcessOfAnotherVersion(t *testing.T) {
	t.Setenv(childEnv, "agent")
	p, err := startProcess(os.Args[0], nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(p.name(), p.pipes)
	c.ended, c.why = p.end, p.why
	_, err = c.open(t.Context(), "", identity{protocolVersion, "v9.9.9"})
	expect(t, err, ErrVersion, "agent "+p.name()+": handshake: ", "v9.9.9")
	if !ended(p.cmd.Process.Pid) {
		t.Error("the process lives")
	}
}

func TestFailedStarts(t *testing.T) {
	_, err := Spawn(t.Context(), "/nonexistent/barrage", nil, io.Discard)
	expect(t, err, os.ErrNotExist, "agent /nonexistent/barrage: start: ")

	var stderr lines
	_, err = spawn(t, "refuse", &stderr)
	expect(t, err, nil, "agent process ", ": handshake: it has ended: exit status 3")
	got := stderr.all()
	if len(got) != 2 || !strings.HasSuffix(got[0], ": no such\n") || !strings.HasSuffix(got[1], ": flag\n") ||
		!strings.HasPrefix(got[0], "agent process ") {
		t.Errorf("stderr: %q", got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Spawn(ctx, os.Args[0], nil, io.Discard) // still set to refuse
	expect(t, err, nil, ": handshake: ")
}

func TestStderrIsPassedOn(t *testing.T) {
	var stderr lines
	c, err := spawn(t, "agent", &stderr)
	closeAfter(t, c, err)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"agent " + c.Name() + ": serving\n"}; !slices.Equal(stderr.all(), want) {
		t.Errorf("%q, want %q", stderr.all(), want)
	}
}

func TestPassOn(t *testing.T) {
	long := strings.Repeat("y", maxLine)
	for _, test := range []struct {
		name     string
		in, want []string
	}{
		{"one line", []string{"a\n"}, []string{"> a\n"}},
		{"two lines at once", []string{"a\nb\n"}, []string{"> a\n", "> b\n"}},
		{"a line in pieces", []string{"a", "b", "c\nd"}, []string{"> abc\n", "> d\n"}},
		{"empty lines", []string{"\n\n"}, []string{"> \n", "> \n"}},
		{"nothing", []string{""}, nil},
		{"longest", []string{long + "\n"}, []string{"> " + long + "\n"}},
		{"too long", []string{long + "z\n"}, []string{"> " + long + "\n", "> z\n"}},
		{"too long in pieces", []string{"z", long + "\n"}, []string{"> z" + long[1:] + "\n", "> y\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out lines
			r, w := io.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				passOn(&out, "> ", r)
			}()
			for _, s := range test.in {
				if n, err := io.WriteString(w, s); n != len(s) || err != nil {
					t.Errorf("Write: %d, %v", n, err)
				}
			}
			w.Close()
			<-done
			if !slices.Equal(out.all(), test.want) {
				t.Errorf("%q, want %q", out.all(), test.want)
			}
		})
	}
}

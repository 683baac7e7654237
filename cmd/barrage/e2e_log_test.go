package main

// A log or ready line that nobody takes: a pipe without a reader, a full disk, a
// terminal under Ctrl-S, closed descriptors. The server does not care.

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"barrage/frame"
)

func unreadLog(t *testing.T, bin binary) {
	for _, tt := range []struct {
		name    string
		open    func(*testing.T) *os.File // nil: as usual
		shell   string                    // starts the server instead, if it is not empty
		stdout  bool                      // of it that is the file, else of stderr
		dropped string                    // reason; "": none
	}{
		{"stderr is a stopped pipe", stoppedPipe, "", false, "full"},
		{"stdout is a stopped pipe", stoppedPipe, "", true, ""},
		{"stderr is a pipe without a reader", deadPipe, "", false, "failed"},
		{"stderr is a full disk", fullDisk, "", false, "failed"},
		{"stdout is a full disk", fullDisk, "", true, ""},
		{"stderr is a terminal under Ctrl-S", stoppedTerminal, "", false, "full"},
		{"stdout is a terminal under Ctrl-S", stoppedTerminal, "", true, ""},
		{"both are closed", nil, `exec "$0" "$@" >&- 2>&-`, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ws, admin := freeAddress(t), freeAddress(t)
			cmd := bin.command(t.Context(), nil, append([]string{"serve", "--listen=" + ws, "--admin=" + admin}, chatter(t)...)...)
			if tt.shell != "" {
				cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", tt.shell}, cmd.Args...)
			}
			if tt.open != nil {
				if f := tt.open(t); tt.stdout {
					cmd.Stdout = f
				} else {
					cmd.Stderr = f
				}
			}
			n := startMute(t, cmd, ws, admin)
			n.wantDropped(tt.dropped)
			n.servesAndStops()
		})
	}
}

// What is missing is said, and it is as many lines as were counted, when somebody
// reads again.
func logReadAgain(t *testing.T, bin binary) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ws, admin := freeAddress(t), freeAddress(t)
	cmd := bin.command(t.Context(), nil, append([]string{"serve", "--listen=" + ws, "--admin=" + admin}, chatter(t)...)...)
	cmd.Stderr = w
	n := startMute(t, cmd, ws, admin)
	_ = w.Close()
	n.wantDropped("full")
	counted := n.metrics().sum("barrage_log_lines_dropped_total")
	said, stopped := make(chan float64, 100), make(chan bool, 1)
	go func() { // ends with the server
		stop := false
		s := bufio.NewScanner(r)
		for s.Buffer(nil, 2<<20); s.Scan(); {
			var line struct {
				Msg   string
				Lines float64
			}
			if err := json.Unmarshal(s.Bytes(), &line); err != nil {
				t.Errorf("%.80q: %v", s.Text(), err)
			}
			if strings.Contains(line.Msg, "are missing") {
				said <- line.Lines
			}
			stop = line.Msg == "stopped"
		}
		stopped <- stop
	}()
	select {
	case lines := <-said:
		if lines != counted {
			t.Errorf("%v lines are said to be missing, %v were counted", lines, counted)
		}
	case <-time.After(patience):
		t.Fatal("no line says that some are missing")
	}
	n.servesAndStops()
	if !<-stopped {
		t.Error("the last line did not come")
	}
}

// startMute starts a server from which no ready line can be had.
func startMute(t *testing.T, cmd *exec.Cmd, ws, admin string) *child {
	t.Helper()
	c := &child{
		t: t, cmd: cmd, ws: ws, admin: admin, stdout: &lockedBuffer{}, stderr: &lockedBuffer{}, exited: make(chan struct{}),
		http: &http.Client{Timeout: patience, Transport: &http.Transport{MaxConnsPerHost: 1}},
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the child, which the cleanup waits for
		defer close(c.exited)
		_ = cmd.Wait() // the tests look at ProcessState
	}()
	t.Cleanup(c.end)
	await(t, "an answer of the admin listener", func() bool {
		_, _, err := c.get("/healthz")
		return err == nil || c.gone()
	})
	return c
}

// chatter has the server's first line fill what may wait to be written (1 MiB), so that
// there is no room for the second: no client can make a server say much.
func chatter(t *testing.T) (args []string) {
	t.Helper()
	const bound, kept, rest = 1 << 20, 64, 300 // of the line, beside the origins
	origins, each := "", "https://"+strings.Repeat("a", 4000)+".example,"
	for len(origins)+len(each) < bound-kept-rest {
		origins += each
	}
	last := bound - kept - rest - len(origins) - len("https://")
	origins += "https://" + strings.Repeat("b", last)
	return []string{"--log-format=json", "--drain-window=0", "--config=" + writeFile(t, "config.yaml", "allowed_origins: ["+origins+"]\n")}
}

// wantDropped: some lines were, for that reason if there is one.
func (c *child) wantDropped(reason string) {
	c.t.Helper()
	if reason == "" {
		return
	}
	name := fmt.Sprintf("barrage_log_lines_dropped_total{reason=%q}", reason)
	await(c.t, "dropped lines", func() bool { return c.metrics()[name] > 0 })
}

// servesAndStops: viewers come, see what is published, and are told of the stop.
func (c *child) servesAndStops() {
	c.t.Helper()
	v := c.join("lobby")
	c.waitReady()
	c.publish("lobby", "hello")
	if m, err := v.next(); err != nil || m.text != "hello" {
		c.t.Fatalf("%+v, %v", m, err)
	}
	c.signal(sigterm)
	m, err := v.next()
	if err != nil || m.op != frame.Close {
		c.t.Fatalf("%+v, %v", m, err)
	}
	if code, _ := frame.ParseClose([]byte(m.text)); code != frame.CloseGoingAway {
		c.t.Errorf("close code %d", code)
	}
	_ = v.conn.Close()
	c.wantExit(exitOK)
}

// freeAddress is one of loopback that nothing connects from.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.83.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// kept is a file that is closed when the test ends.
func kept(t *testing.T, f *os.File) *os.File {
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// stoppedPipe is full, and somebody may read it but does not.
func stoppedPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	kept(t, r)
	_ = w.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)) // by which it is full, or the server fills it
	for b := make([]byte, 64<<10); ; {
		if _, err := w.Write(b); err != nil {
			return kept(t, w)
		}
	}
}

func deadPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	return kept(t, w)
}

func fullDisk(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return kept(t, f)
}

func stoppedTerminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	kept(t, master)
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetInt(int(f.Fd()), unix.TCXONC, unix.TCOOFF); err != nil {
		t.Fatal(err)
	}
	return kept(t, f)
}

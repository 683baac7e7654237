package main

// A running server as a child process, and its admin listener.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

type child struct {
	t              *testing.T
	cmd            *exec.Cmd
	ws, admin      string // addresses
	stdout, stderr *lockedBuffer
	exited         chan struct{} // closed after cmd.Wait
	http           *http.Client  // holds one connection to admin
}

// serve starts a server and waits for its ready line. It is killed at the end if
// the test has not stopped it.
func (b binary) serve(t *testing.T, args ...string) *child {
	t.Helper()
	args = append([]string{"serve", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--shards=2"}, args...)
	return start(t, b.command(context.Background(), nil, args...))
}

// serveNamed starts a server that wants tokens (v1Token) and does not count
// messages.
func (b binary) serveNamed(t *testing.T, args ...string) *child {
	t.Helper()
	return start(t, b.named(args...))
}

func (b binary) named(args ...string) *exec.Cmd {
	return b.command(context.Background(), []string{"BARRAGE_AUTH_SECRET=" + v1Secret}, append([]string{"serve", "--listen=127.0.0.1:0",
		"--admin=127.0.0.1:0", "--shards=2", "--publish-rate=1000000", "--publish-burst=1000000"}, args...)...)
}

func start(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	return startBy(t, cmd, cmd.Start)
}

// startBy is start with a way to start of the caller's.
func startBy(t *testing.T, cmd *exec.Cmd, start func() error) *child {
	t.Helper()
	c := &child{
		t: t, cmd: cmd, stdout: &lockedBuffer{}, stderr: &lockedBuffer{}, exited: make(chan struct{}),
		http: &http.Client{Timeout: patience, Transport: &http.Transport{MaxConnsPerHost: 1}},
	}
	cmd.Stdout, cmd.Stderr = c.stdout, c.stderr
	if err := start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the child, which the cleanup waits for
		defer close(c.exited)
		_ = cmd.Wait() // the tests look at ProcessState
	}()
	t.Cleanup(c.end)
	await(t, "the ready line", func() bool { return strings.Contains(c.stdout.String(), "\n") || c.gone() })
	m := readyLine.FindStringSubmatch(c.stdout.String())
	if m == nil {
		t.Fatalf("ready line %q", c.stdout.String())
	}
	c.ws, c.admin = m[1], m[2]
	return c
}

func (c *child) gone() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// end kills the child if it still runs, and judges what it logged.
func (c *child) end() {
	c.http.CloseIdleConnections()
	if !c.gone() {
		_ = c.cmd.Process.Kill() // it may end just now
	}
	<-c.exited
	log := c.stderr.String()
	if strings.Contains(log, "DATA RACE") || strings.Contains(log, `"level":"ERROR"`) {
		c.t.Errorf("the log has errors")
	}
	if c.t.Failed() {
		c.t.Logf("log of %s:\n%s", c.ws, log[max(0, len(log)-8000):])
	}
}

func (c *child) signal(sig syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		c.t.Fatal(err)
	}
}

func (c *child) wantExit(code int) {
	c.t.Helper()
	await(c.t, "the child's end", c.gone)
	if got := c.cmd.ProcessState.ExitCode(); got != code {
		c.t.Errorf("exit code %d (%v), want %d", got, c.cmd.ProcessState, code)
	}
}

// proc reads a file of the child's in /proc.
func (c *child) proc(name string) string {
	c.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", c.cmd.Process.Pid, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

func (c *child) openFiles() int {
	c.t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	return len(list)
}

// desk is the child with an HTTP connection of its own, for another goroutine.
func (c *child) desk() *child {
	d := *c
	d.http = &http.Client{Timeout: patience, Transport: &http.Transport{MaxConnsPerHost: 1}}
	c.t.Cleanup(d.http.CloseIdleConnections)
	return &d
}

// get asks the admin listener.
func (c *child) get(path string) (status int, body string, err error) {
	w, err := c.http.Get("http://" + c.admin + path)
	if err != nil {
		return 0, "", err
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	return w.StatusCode, string(text), err
}

func (c *child) mustGet(path string) (status int, body string) {
	c.t.Helper()
	status, body, err := c.get(path)
	if err != nil {
		c.t.Fatal(err)
	}
	return status, body
}

// ready tells what /readyz says, after checking that /healthz does not care.
func (c *child) ready() (ok bool, reasons []string) {
	c.t.Helper()
	if status, body := c.mustGet("/healthz"); status != http.StatusOK {
		c.t.Fatalf("/healthz: %d %s", status, body)
	}
	status, body := c.mustGet("/readyz")
	var answer struct {
		Ready   bool
		Reasons []string
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Ready != (status == http.StatusOK) ||
		!answer.Ready && (status != http.StatusServiceUnavailable || len(answer.Reasons) == 0) {
		c.t.Fatalf("/readyz: %d %s", status, body)
	}
	return answer.Ready, answer.Reasons
}

func (c *child) waitReady() {
	c.t.Helper()
	await(c.t, "readiness", func() bool { ok, _ := c.ready(); return ok })
}

// published is the answer to a publish.
type published struct {
	ID          string
	Offset      uint64
	DeliveredTo int  `json:"delivered_to"`
	LocalOnly   bool `json:"local_only"`
}

func (c *child) post(room, contentType, payload string) (p published, err error) {
	w, err := c.http.Post("http://"+c.admin+"/v1/rooms/"+room+"/messages", contentType, strings.NewReader(payload))
	if err != nil {
		return p, err
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil || w.StatusCode != http.StatusOK {
		return p, fmt.Errorf("publish: %d %s, %w", w.StatusCode, body, err)
	}
	return p, json.Unmarshal(body, &p)
}

// publish sends a text through the API.
func (c *child) publish(room, text string) published {
	c.t.Helper()
	p, err := c.post(room, "text/plain", text)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// samples is a page of metrics: values by name and labels as they are written.
type samples map[string]float64

func (c *child) metrics() samples {
	c.t.Helper()
	status, page := c.mustGet("/metrics")
	if status != http.StatusOK {
		c.t.Fatalf("/metrics: %d %s", status, page)
	}
	s := make(samples)
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			c.t.Fatalf("/metrics: %q: %v", line, err)
		}
		s[line[:at]] = v
	}
	return s
}

// sum adds up all values of a name, whatever their labels.
func (s samples) sum(name string) (total float64) {
	for key, v := range s {
		if key == name || strings.HasPrefix(key, name+"{") {
			total += v
		}
	}
	return total
}

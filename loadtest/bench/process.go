package main

// Servers and tools as processes: start, wait until ready, stop for certain.

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	readyWithin = 20 * time.Second
	stopWithin  = 5 * time.Second
)

// process is a running server. What it has changes only while it starts.
type process struct {
	cmd   *exec.Cmd
	log   string        // file of what it says
	ended chan struct{} // closed when it has been waited for
	pids  []int         // of those that do the work: itself, or its children
}

// start starts a server and waits until up says that it answers. The bench stops
// it at its end, if nobody does before. Its log is NAME.log.
func (b *bench) start(ctx context.Context, name string, cmd *exec.Cmd, up func(*process) bool) (*process, error) {
	p := &process{cmd: cmd, log: filepath.Join(b.out, name+".log"), ended: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own descriptor
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, &failure{"the server does not start", err}
	}
	p.pids = []int{cmd.Process.Pid}
	b.running = append(b.running, p)
	go func() { // ends with the process
		_ = cmd.Wait() // how it ended is its log's to say
		close(p.ended)
	}()
	if err := p.ready(ctx, up); err != nil {
		p.stop()
		return nil, &failure{name + " " + err.Error(), fmt.Errorf("it said %q", lastLine(p.log))}
	}
	return p, nil
}

func (p *process) ready(ctx context.Context, up func(*process) bool) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for !up(p) {
		select {
		case <-p.ended:
			return fmt.Errorf("ended")
		case <-ctx.Done():
			return fmt.Errorf("was not ready within %s", readyWithin)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// alive tells whether it still runs.
func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// stop ends it: politely, and after a while not.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error is that it has ended
	select {
	case <-p.ended:
		return
	case <-time.After(stopWithin):
	}
	// Before their parent, which has to be there for the pids to be theirs.
	for _, pid := range p.pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// stop stops all servers, what needs another before that other.
func (b *bench) stop() {
	for i := len(b.running) - 1; i >= 0; i-- {
		b.running[i].stop()
	}
	b.running = nil
}

// freePorts finds addresses that nobody listens on, all different.
func freePorts(n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close() // not before all are known
		addresses[i] = ln.Addr().String()
	}
	return addresses, nil
}

// listens tells whether something accepts connections there.
func listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// node is a running Barrage.
type node struct {
	*process
	public, admin string
	plain         string // of barrage.v1 without WebSocket
}

// url is where viewers of a preset go.
func (n node) url(preset string) string {
	if preset == tcp {
		return "tcp://" + n.plain
	}
	return "ws://" + n.public
}

func (n node) metrics() string { return "http://" + n.admin + "/metrics" }

// startFor starts a Barrage for viewers of a preset.
func (b *bench) startFor(ctx context.Context, preset, name, binary string, env []string, flags ...string) (node, error) {
	if preset != tcp {
		return b.startNode(ctx, name, binary, env, flags...)
	}
	at, err := freePorts(1)
	if err != nil {
		return node{}, err
	}
	n, err := b.startNode(ctx, name, binary, env, append(flags, "--listen-tcp", at[0])...)
	n.plain = at[0]
	return n, err
}

// startNode starts a Barrage.
func (b *bench) startNode(ctx context.Context, name, binary string, env []string, flags ...string) (node, error) {
	at, err := freePorts(2)
	if err != nil {
		return node{}, err
	}
	n := node{public: at[0], admin: at[1]}
	words := append(strings.Fields(b.server), binary, "serve", "--listen", n.public, "--admin", n.admin, "--drain-window", "0")
	cmd := exec.Command(words[0], append(words[1:], flags...)...)
	cmd.Env = append(os.Environ(), env...)
	n.process, err = b.start(ctx, name, cmd, func(*process) bool {
		answer, err := http.Get("http://" + n.admin + "/readyz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return n, err
}

// startRedis starts a Redis that keeps nothing, and returns its URL.
func (b *bench) startRedis(ctx context.Context) (url string, err error) {
	if err := install(ctx, "redis-server"); err != nil {
		return "", err
	}
	at, err := freePorts(1)
	if err != nil {
		return "", err
	}
	host, port, _ := net.SplitHostPort(at[0])
	cmd := exec.Command("redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", b.work)
	_, err = b.start(ctx, "redis", cmd, func(*process) bool { return listens(at[0]) })
	return "redis://" + at[0], err
}

//go:embed install.sh
var installScript string

// install installs Debian's packages, if they are not.
func install(ctx context.Context, packages ...string) error {
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", installScript, "install.sh"}, packages...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("installing %s: %w", strings.Join(packages, ", "), err)
	}
	return nil
}

// output runs a command and returns what it printed; its error ends with the last
// line of what it complained.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(name), err, last(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func last(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// lastLine is the last line of a file.
func lastLine(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return last(string(text))
}

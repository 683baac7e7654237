package main

// Servers as processes: start, wait until ready, stop for certain.

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	readyWithin = 20 * time.Second
	stopWithin  = 5 * time.Second
)

// process is a running server. Only the goroutine that started it uses it.
type process struct {
	cmd    *exec.Cmd
	log    *tail
	ended  chan struct{} // closed when it has been waited for
	worker []int         // children that do the work, if they do
}

// start starts a server and waits until it accepts connections.
func start(ctx context.Context, s server, binary, dir string, p ports) (*process, error) {
	cmd, err := s.command(binary, dir, p)
	if err != nil {
		return nil, err
	}
	proc := &process{cmd: cmd, log: &tail{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = io.Discard, proc.log
	if err := cmd.Start(); err != nil {
		return nil, &failure{"the server does not start", err}
	}
	go func() { // ends with the process
		_ = cmd.Wait() // how it ended is its log's to say
		close(proc.ended)
	}()
	if err := proc.ready(ctx, s, p); err != nil {
		proc.stop()
		return nil, &failure{err.Error(), fmt.Errorf("it said: %q", proc.log.last())}
	}
	return proc, nil
}

// ready waits until all ports answer and all workers are there.
func (p *process) ready(ctx context.Context, s server, at ports) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for !p.up(s, at) {
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended", s.name)
		case <-ctx.Done():
			return fmt.Errorf("%s: not ready within %s", s.name, readyWithin)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func (p *process) up(s server, at ports) bool {
	for _, address := range []string{at.public, s.publish(at)} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		conn.Close()
	}
	if s.workers == 0 {
		return true
	}
	workers, err := children(p.cmd.Process.Pid)
	p.worker = workers
	return err == nil && len(workers) == s.workers
}

// pids are the processes whose CPU and memory are the server's.
func (p *process) pids() string {
	if len(p.worker) == 0 {
		return strconv.Itoa(p.cmd.Process.Pid)
	}
	var list []string
	for _, pid := range p.worker {
		list = append(list, strconv.Itoa(pid))
	}
	return strings.Join(list, ",")
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
	for _, pid := range p.worker {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// children are the processes that a process has started.
func children(pid int) ([]int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil, err
	}
	var list []int
	for _, field := range strings.Fields(string(data)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		list = append(list, child)
	}
	return list, nil
}

// freePorts finds two that nobody listens on.
func freePorts() (ports, error) {
	var addresses [2]string
	for i := range addresses {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports{}, err
		}
		defer ln.Close() // not before both are known: they must differ
		addresses[i] = ln.Addr().String()
	}
	return ports{public: addresses[0], admin: addresses[1]}, nil
}

// tail keeps the end of what is written to it. Any goroutine may use it.
type tail struct {
	mu   sync.Mutex
	data []byte
}

const tailBytes = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if extra := len(t.data) - tailBytes; extra > 0 {
		t.data = append(t.data[:0], t.data[extra:]...)
	}
	return len(p), nil
}

// last is the last line.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return lastLine(string(t.data))
}

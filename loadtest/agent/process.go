package agent

// This file is an agent's subprocess.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	endTime  = 5 * time.Second // for a process to end by itself when its stdin has ended
	killTime = 2 * time.Second // for a process whose stdout has ended, to tell why
)

// subprocess is a running agent. Its goroutine waits for its end, and is the one
// that has started it.
type subprocess struct {
	cmd    *exec.Cmd
	pipes  duplex // its stdout and stdin
	stderr *prefixer

	exited chan struct{} // closed when err is set
	err    error
}

func startProcess(exe string, args []string, stderr io.Writer) (*subprocess, error) {
	stdin, toStdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close() // only the child is to have it, so that it sees the end
	fromStdout, stdout, err := os.Pipe()
	if err != nil {
		toStdin.Close()
		return nil, err
	}
	defer stdout.Close()

	p := &subprocess{cmd: exec.Command(exe, args...), pipes: duplex{fromStdout, toStdin}, exited: make(chan struct{})}
	p.stderr = &prefixer{w: stderr}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, stdout, p.stderr
	p.cmd.WaitDelay = time.Second // for stderr, which its own children may hold
	p.cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		Setpgid:   true, // an interrupt on the terminal is the controller's to handle
	}
	started := make(chan error)
	go p.run(started) // ends with the process
	if err := <-started; err != nil {
		p.pipes.Close()
		return nil, err
	}
	return p, nil
}

// run starts the process and waits for its end, on one thread: the kernel sends
// Pdeathsig when the thread that has started the process ends (prctl(2)).
func (p *subprocess) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.stderr.mu.Lock()
	err := p.cmd.Start()
	if err == nil {
		p.stderr.prefix = "agent " + p.name() + ": "
	}
	p.stderr.mu.Unlock()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	p.stderr.flush()
	close(p.exited)
}

func (p *subprocess) name() string { return fmt.Sprintf("process %d", p.cmd.Process.Pid) }

// why is the reason for err: the end of the process, if err is that of its pipes.
func (p *subprocess) why(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.EPIPE) {
		return err
	}
	select {
	case <-p.exited:
		if p.err == nil {
			return errors.New("it has ended")
		}
		return fmt.Errorf("it has ended: %w", p.err)
	case <-time.After(killTime):
		return err
	}
}

// end waits for the process, whose stdin is closed, and kills it if that takes
// too long or ctx ends.
func (p *subprocess) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
	}
	_ = p.cmd.Process.Kill() // fails only if it has ended
	<-p.exited
	return nil
}

// prefixer passes on whole lines, each with a prefix. Any goroutine may use it.
type prefixer struct {
	mu     sync.Mutex // guards what follows, and is held while writing: lines stay whole
	w      io.Writer
	prefix string
	line   []byte // without its end
}

// maxLine bounds a line; longer ones are broken.
const maxLine = 8 << 10

// Write never fails: an agent is not to break because nobody reads its log.
func (p *prefixer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		part, rest, found := bytes.Cut(b, []byte{'\n'})
		if room := maxLine - len(p.line); len(part) > room {
			part, rest, found = part[:room], b[room:], true
		}
		p.line = append(p.line, part...)
		if b = rest; found {
			p.emitLocked()
		}
	}
	return n, nil
}

// flush passes on a last line that has no end.
func (p *prefixer) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.line) > 0 {
		p.emitLocked()
	}
}

func (p *prefixer) emitLocked() {
	out := append([]byte(p.prefix), p.line...)
	_, _ = p.w.Write(append(out, '\n')) // see Write
	p.line = p.line[:0]
}

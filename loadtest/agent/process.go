// An agent's subprocess.

package agent

import (
	"bufio"
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
	pipes  duplex    // its stdout and stdin
	stderr io.Writer // of the controller

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

	p := &subprocess{cmd: exec.Command(exe, args...), pipes: duplex{fromStdout, toStdin}, stderr: stderr, exited: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout = stdin, stdout
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
	said, stderr := io.Pipe()
	p.cmd.Stderr = stderr
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	var lines sync.WaitGroup
	lines.Go(func() { passOn(p.stderr, "agent "+p.name()+": ", said) }) // ends with stderr
	p.err = p.cmd.Wait()
	stderr.Close()
	lines.Wait()
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

// maxLine bounds a line; longer ones are broken.
const maxLine = 8 << 10

// passOn writes each line of r with a prefix, in one Write, until r ends. Errors of
// w are ignored: an agent is not to break because nobody reads its log.
func passOn(w io.Writer, prefix string, r io.Reader) {
	lines := bufio.NewReaderSize(r, maxLine)
	for broken := false; ; {
		line, more, err := lines.ReadLine()
		if err != nil {
			return
		}
		if len(line) > 0 || !broken { // else the break came just before the line's end
			_, _ = fmt.Fprintf(w, "%s%s\n", prefix, line)
		}
		broken = more
	}
}

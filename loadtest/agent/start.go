// Where Clients come from: the kinds of agents.

package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// InProcess returns an agent within this process.
func InProcess(newDriver NewDriver) *Client {
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() { // ends with the Client's end of the pipe; Close waits for it
		defer close(served)
		// Errors are those of the pipe, which the Client sees as well.
		_ = Serve(ctx, far, newDriver)
	}()
	c := newClient("local", near)
	c.same = true
	c.ended = func(ctx context.Context) error {
		defer cancel()
		ctx, enough := context.WithTimeout(ctx, endTime)
		defer enough()
		select {
		case <-served:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if _, err := c.open(ctx, "", thisProgram()); err != nil {
		c.lose(fmt.Errorf("%w: %w", ErrLost, err))
	}
	return c
}

// Spawn starts a program that serves a session on its stdin and stdout. What it
// writes on stderr is passed on line by line, each with the agent's name before
// it and in one Write. ctx is only for the start. The process ends with the
// Client, and with this process.
func Spawn(ctx context.Context, exe string, args []string, stderr io.Writer) (*Client, error) {
	p, err := startProcess(exe, args, stderr)
	if err != nil {
		return nil, &Error{exe, "start", err}
	}
	c := newClient(p.name(), p.pipes)
	c.ended, c.why = p.end, p.why
	return c.open(ctx, "", thisProgram())
}

// Dial connects to an agent that listens on addr. ctx is only for the start.
func Dial(ctx context.Context, addr, secret string) (*Client, error) {
	return dial(ctx, addr, secret, thisProgram())
}

func dial(ctx context.Context, addr, secret string, id identity) (*Client, error) {
	d := net.Dialer{Timeout: handshakeTime, KeepAliveConfig: keepAlive, Control: userTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, &Error{addr, "connect", err}
	}
	c := newClient(addr, conn)
	return c.open(ctx, secret, id)
}

// open begins the session and measures the agent's clock.
func (c *Client) open(ctx context.Context, secret string, id identity) (*Client, error) {
	w, err := c.handshake(ctx, secret, id)
	if err != nil {
		err = c.why(err)
		c.rw.Close()
		now, cancel := context.WithCancel(ctx)
		cancel()
		_ = c.ended(now) // the handshake's error tells more
		return nil, &Error{c.name, "handshake", err}
	}
	c.capacity, c.cores = w.Capacity, w.Cores
	if err := c.Sync(ctx); err != nil {
		_ = c.Close(ctx) // the first error tells more
		return nil, err
	}
	return c, nil
}

// handshake is greet within its time.
func (c *Client) handshake(ctx context.Context, secret string, id identity) (welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.rw.Close() })
	defer stop()
	w, err := greet(c.rw, secret, id)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return w, err
}

// Stdio is the connection of a subprocess to its controller: its stdin and
// stdout. Nothing else may use these.
func Stdio() (io.ReadWriteCloser, error) {
	in, err := pollable(unix.Stdin, "stdin")
	if err != nil {
		return nil, err
	}
	out, err := pollable(unix.Stdout, "stdout")
	if err != nil {
		in.Close()
		return nil, err
	}
	return duplex{in, out}, nil
}

// pollable is a copy of a descriptor that Close takes out of a Read or Write
// under way, if it is a pipe or socket. (Writing to a broken pipe that is not
// descriptor 1 is an error, not a deadly signal.)
func pollable(fd int, name string) (*os.File, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("agent: %s: %w", name, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(own, &st); err == nil && (st.Mode&unix.S_IFMT == unix.S_IFIFO || st.Mode&unix.S_IFMT == unix.S_IFSOCK) {
		_ = unix.SetNonblock(own, true) // without it, only Close is less prompt
	}
	return os.NewFile(uintptr(own), name), nil
}

// The agent that waits for controllers on TCP.

package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

const (
	shortestSecret = 16 // characters, on addresses that others can reach

	// maxHandshakes bounds the connections that have proved nothing yet.
	maxHandshakes = 16

	// silence is how long the other machine may acknowledge nothing before the
	// connection is broken. A process that is stopped still acknowledges.
	silence = 30 * time.Second
)

// keepAlive finds out that the other machine is gone while nothing is sent;
// TCP_USER_TIMEOUT (RFC 5482) that it is gone while something is.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: silence / 2, Interval: silence / 6, Count: 3}

func userTimeout(_, _ string, raw syscall.RawConn) error {
	var err error
	failed := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
	})
	return errors.Join(failed, err)
}

// Listener is a remote agent: it serves one controller after the other.
type Listener struct {
	l       net.Listener
	secret  string
	clock   Clock
	program identity

	mu   sync.Mutex // guards what follows; nothing else is done under it
	user string     // the controller whose test is under way
}

// Listen waits on an address for controllers that know the secret. On an
// address that is not loopback, the secret must have 16 characters or more;
// otherwise it may be empty.
func Listen(addr, secret string) (*Listener, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("agent: listen on %s: %w", addr, err)
	}
	if n := utf8.RuneCountInString(secret); n < shortestSecret && !tcp.IP.IsLoopback() {
		return nil, fmt.Errorf("agent: listen on %s: others can reach this address, so a secret of at least %d characters is needed; this one has %d",
			addr, shortestSecret, n)
	}
	config := net.ListenConfig{KeepAliveConfig: keepAlive, Control: userTimeout}
	// What was resolved is what is listened on.
	l, err := config.Listen(context.Background(), "tcp", tcp.String())
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	return &Listener{l: l, secret: secret, clock: ProcessClock(), program: thisProgram()}, nil
}

// Addr is where it listens.
func (l *Listener) Addr() net.Addr { return l.l.Addr() }

// Serve serves controllers until ctx ends, which ends the test under way, or
// until listening fails. It returns when all its goroutines have.
func (l *Listener) Serve(ctx context.Context, newDriver NewDriver, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	var sessions sync.WaitGroup // each ends with ctx, as its connection is closed
	defer sessions.Wait()
	defer cancel()
	defer l.l.Close()
	stop := context.AfterFunc(ctx, func() { l.l.Close() })
	defer stop()

	handshakes := make(chan struct{}, maxHandshakes)
	pause := time.Duration(0)
	for {
		conn, err := l.l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("agent: %w", err)
		case err != nil: // such as too many open files, or a connection that was reset at once
			// As net/http's server does; cenkalti/backoff keeps many apart, and here is one.
			pause = min(max(5*time.Millisecond, 2*pause), time.Second)
			log.Warn("cannot accept", "error", err, "pause", pause)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			continue
		}
		pause = 0
		select {
		case handshakes <- struct{}{}:
		default:
			log.Warn("refused: too many connections that have not proved themselves", "controller", conn.RemoteAddr())
			conn.Close()
			continue
		}
		sessions.Go(func() { l.serve(ctx, conn, newDriver, log, handshakes) })
	}
}

// serve is one connection, which has a place in handshakes.
func (l *Listener) serve(ctx context.Context, conn net.Conn, newDriver NewDriver, log *slog.Logger, handshakes <-chan struct{}) {
	name := conn.RemoteAddr().String()
	log = log.With("controller", name)
	release := sync.OnceFunc(func() { <-handshakes })
	defer release()
	entered := false
	enter := func() (busy string) {
		if busy = l.take(name); busy == "" {
			entered = true
			release()
			log.Info("test begins")
		}
		return busy
	}
	s := &session{rw: conn, newDriver: newDriver, clock: l.clock, program: l.program}
	err := s.serve(ctx, l.secret, enter)
	switch {
	case !entered:
		log.Warn("refused", "error", err)
		return
	case err != nil:
		log.Warn("test broken off", "error", err)
	default:
		log.Info("test ends")
	}
	l.take("") // last: the agent is free when its Driver is closed
}

// take makes a controller the user, or returns who is. The empty name frees the
// agent.
func (l *Listener) take(name string) (busy string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if name != "" && l.user != "" {
		return l.user
	}
	l.user = name
	return ""
}

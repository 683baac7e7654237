// Tests an agent that waits on TCP: one test at a time, whoever comes.

package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

func TestOneTestAtATime(t *testing.T) {
	addr := listen(t, secret, newFake)
	first, err := Dial(t.Context(), addr, secret)
	closeAfter(t, first, err)
	us := first.rw.(net.Conn).LocalAddr().String()

	_, err = Dial(t.Context(), addr, secret)
	expect(t, err, ErrBusy, "agent "+addr+": handshake: the agent is busy with a test from "+us)
	_, err = Dial(t.Context(), addr, "not the secret")
	expect(t, err, ErrSecret)
	if strings.Contains(err.Error(), us) {
		t.Errorf("strangers are told who uses it: %v", err)
	}

	if err := first.Prepare(t.Context(), testJob()); err != nil {
		t.Errorf("the first is disturbed: %v", err)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var second *Client
	until(t, "the agent is free", func() bool {
		second, err = Dial(t.Context(), addr, secret)
		return !errors.Is(err, ErrBusy)
	})
	closeAfter(t, second, err)
}

// TestLostController: its test ends, and the agent is free.
func TestLostController(t *testing.T) {
	closed := make(chan struct{})
	addr := listen(t, secret, func(job Job, now func() int64) (Driver, error) {
		d, err := newFake(job, now)
		d.(*fake).closed = func() { close(closed) }
		return d, err
	})
	c, err := Dial(t.Context(), addr, secret)
	closeAfter(t, c, err)
	if err := c.Prepare(t.Context(), testJob()); err != nil {
		t.Fatal(err)
	}
	// A reset, not an orderly end.
	if err := c.rw.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.rw.Close()
	<-closed
	_, err = c.Snapshot(t.Context())
	expect(t, err, ErrLost, "agent "+addr+": snapshot: ")
}

func TestListenersEndEndsItsTests(t *testing.T) {
	l, err := Listen("127.0.0.1:0", secret)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- l.Serve(ctx, newFake, quiet()) }()
	addr := l.Addr().String()
	c, err := Dial(t.Context(), addr, secret)
	closeAfter(t, c, err)
	idle, err := net.Dial("tcp", addr) // in its handshake
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	_, err = c.Snapshot(t.Context())
	expect(t, err, ErrLost, "agent "+addr+": snapshot: ")
}

// TestStrangersDoNoHarm: an agent leaves who does not speak its protocol, and
// too many who say nothing.
func TestStrangersDoNoHarm(t *testing.T) {
	addr := listen(t, secret, newFake)
	for _, says := range []string{
		"GET / HTTP/1.1\r\n\r\n", "\x00\x00\x00\x00", "\x00\x00\x10\x01", "\x00\x00\x00\x02{}", "\x00\x00\x00\x03abc", "\x00\x00\x00\x04null",
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, says)
		if n, _ := io.Copy(io.Discard, conn); n != 0 {
			t.Errorf("%q is answered with %d bytes", says, n)
		}
		conn.Close()
	}
	idle := make([]net.Conn, maxHandshakes+1)
	for i := range idle {
		var err error
		if idle[i], err = net.Dial("tcp", addr); err != nil {
			t.Fatal(err)
		}
	}
	// All places are taken, so the last has been left at once.
	if n, _ := io.Copy(io.Discard, idle[maxHandshakes]); n != 0 {
		t.Errorf("%d bytes for one too many", n)
	}
	for _, conn := range idle {
		conn.Close()
	}
	var c *Client
	var err error
	until(t, "a place is free", func() bool {
		c, err = Dial(t.Context(), addr, secret)
		return err == nil
	})
	closeAfter(t, c, err)
}

// TestRequestsThatEndASession: the agent leaves a controller that breaks the
// protocol, and says why in its log.
func TestRequestsThatEndASession(t *testing.T) {
	for _, test := range []struct{ name, says, want string }{
		{"oversized", "\xff\xff\xff\xff", "read a request: a message of 4294967295 bytes is larger than 16777216"},
		{"not JSON", "\x00\x00\x00\x03abc", "read a request: invalid character"},
		{"of another type", "\x00\x00\x00\x02[]", "read a request: json: cannot unmarshal array"},
		{"cut off", "\x00\x00\x00\x03{}", "read a request: unexpected EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			near, far := duplexPair()
			served := make(chan error, 1)
			go func() { served <- Serve(t.Context(), far, newFake) }()
			if _, err := greet(near, "", thisProgram()); err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(near, test.says)
			near.(duplex).w.Close()
			expect(t, <-served, nil, "agent: "+test.want)
		})
	}
}

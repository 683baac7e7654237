// Tests who is let in, and whom a controller believes.

package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

func TestSecrets(t *testing.T) {
	for _, test := range []struct {
		name, agent, controller string
		want                    error
	}{
		{"alike", secret, secret, nil},
		{"none", "", "", nil},
		{"wrong", secret, "0123456789abcdeg", ErrSecret},
		{"a part", secret, secret[:15], ErrSecret},
		{"only the agent's", secret, "", ErrSecret},
		{"only the controller's", "", secret, ErrSecret},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr := listen(t, test.agent, newFake)
			c, err := Dial(t.Context(), addr, test.controller)
			if test.want != nil {
				expect(t, err, test.want, "agent "+addr+": handshake: ")
				return
			}
			if closeAfter(t, c, err).Name() != addr {
				t.Errorf("name %q", c.Name())
			}
		})
	}
}

func TestVersions(t *testing.T) {
	ours := thisProgram()
	for name, theirs := range map[string]identity{
		"program":  {Protocol: ours.Protocol, Program: "v9.9.9"},
		"protocol": {Protocol: 99, Program: ours.Program},
	} {
		t.Run(name, func(t *testing.T) {
			addr := listen(t, secret, newFake)
			_, err := dial(t.Context(), addr, secret, theirs)
			expect(t, err, ErrVersion, addr, ours.String(), theirs.String())

			addr = listen(t, secret, newFake, func(l *Listener) { l.program = theirs })
			_, err = Dial(t.Context(), addr, secret)
			expect(t, err, ErrVersion, addr, ours.String(), theirs.String())
		})
	}
}

func TestAddressesThatNeedASecret(t *testing.T) {
	for _, test := range []struct {
		addr, secret, want string
	}{
		{"127.0.0.1:0", "", ""},
		{"[::1]:0", "", ""},
		{"localhost:0", "short", ""},
		{"0.0.0.0:0", secret, ""},
		{"0.0.0.0:0", "fifteen letters", "agent: listen on 0.0.0.0:0: others can reach this address, so a secret of at least 16 characters is needed; this one has 15"},
		{":0", "", "at least 16 characters"},
		{"[::]:0", "", "at least 16 characters"},
		{"nowhere", "", "agent: listen on nowhere: "},
	} {
		t.Run(test.addr+" "+test.secret, func(t *testing.T) {
			l, err := Listen(test.addr, test.secret)
			if test.want != "" {
				expect(t, err, nil, test.want)
				return
			}
			if err != nil {
				if strings.Contains(test.addr, "::") {
					t.Skip("no IPv6: ", err)
				}
				t.Fatal(err)
			}
			l.Close()
		})
	}
}

// tap remembers what is read and written.
type tap struct {
	net.Conn
	mu            sync.Mutex
	read, written bytes.Buffer
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read.Write(p[:n])
	return n, err
}

func (c *tap) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written.Write(p)
	return c.Conn.Write(p)
}

// TestReplay: what was heard of a good handshake convinces neither side.
func TestReplay(t *testing.T) {
	addr := listen(t, secret, newFake)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	heard := &tap{Conn: conn}
	if _, err := greet(heard, secret, thisProgram()); err != nil {
		t.Fatal(err)
	}
	conn.Close()

	t.Run("as the controller", func(t *testing.T) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(heard.written.Bytes()); err != nil {
			t.Fatal(err)
		}
		var h hello
		var w welcome
		if err := errors.Join(receive(conn, &h, maxHandshake), receive(conn, &w, maxHandshake)); err != nil {
			t.Fatal(err)
		}
		if w.Refused != refusedSecret || w.MAC != nil || w.Capacity != 0 {
			t.Errorf("welcome %+v", w)
		}
		if n, err := io.Copy(io.Discard, conn); n != 0 {
			t.Errorf("%d more bytes, %v", n, err)
		}
	})
	t.Run("as the agent", func(t *testing.T) {
		addr := impostor(t, func(conn net.Conn) { _, _ = conn.Write(heard.read.Bytes()) })
		_, err := Dial(t.Context(), addr, secret)
		expect(t, err, ErrSecret, "it does not know ours")
	})
}

// impostor listens for one connection, and ends when the other side does.
func impostor(t *testing.T, f func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		f(conn)
		_, _ = io.Copy(io.Discard, conn)
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// TestReflection: a controller's own words do not convince it.
func TestReflection(t *testing.T) {
	addr := impostor(t, func(conn net.Conn) {
		var h hello
		var p proof
		_ = receive(conn, &h, maxHandshake)
		_ = send(conn, h, maxHandshake) // its own nonce, too
		_ = receive(conn, &p, maxHandshake)
		_ = send(conn, welcome{MAC: p.MAC, Capacity: 1}, maxHandshake)
	})
	_, err := Dial(t.Context(), addr, secret)
	expect(t, err, ErrSecret, "it does not know ours")
}

func TestStrangeAgents(t *testing.T) {
	helloOf := func(change func(*hello)) string {
		h := newHello(thisProgram())
		change(&h)
		b, err := encode(h, maxHandshake)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, test := range []struct{ name, says, want string }{
		{"a web server", "HTTP/1.1 400 Bad Request\r\n\r\n", "no greeting of an agent"},
		{"somebody else", "\x00\x00\x00\x0d{\"name\":\"ftp\"}", "no greeting of an agent"},
		{"other JSON", helloOf(func(h *hello) { h.Name = "x" }), "does not speak the protocol"},
		{"short nonce", helloOf(func(h *hello) { h.Nonce = h.Nonce[:8] }), "a nonce of 8 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr := impostor(t, func(conn net.Conn) {
				_, _ = io.WriteString(conn, test.says)
				_ = conn.(*net.TCPConn).CloseWrite()
			})
			_, err := Dial(t.Context(), addr, secret)
			expect(t, err, nil, "agent "+addr+": handshake: ", test.want)
		})
	}
	t.Run("silent", func(t *testing.T) {
		heard := make(chan struct{})
		addr := impostor(t, func(conn net.Conn) {
			_, _ = readFrame(conn, maxHandshake)
			close(heard)
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-heard
			cancel()
		}()
		_, err := Dial(ctx, addr, secret)
		expect(t, err, context.Canceled, "agent "+addr+": handshake: ")
	})
	t.Run("nobody", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		_, err = Dial(t.Context(), addr, secret)
		expect(t, err, nil, "agent "+addr+": connect: ")
	})
}

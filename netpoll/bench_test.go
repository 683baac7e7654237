// What the calls that carry bytes cost.

package netpoll

import (
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkSend sends 64 bytes into a datagram socket that nobody reads, which
// throws away what does not fit and so takes everything.
func BenchmarkSend(b *testing.B) {
	sink, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(sink)
	if err := unix.Bind(sink, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		b.Fatal(err)
	}
	at, err := unix.Getsockname(sink)
	if err != nil {
		b.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, at)
	}
	if err != nil {
		b.Fatal(err)
	}
	h := new(testHandler)
	l, _ := startLoop(b, Config{}, h)
	onLoop(l, func() { l.open(fd, h.Opened) })
	id := h.opened()[0]
	msg := make([]byte, 64)
	parts := [][]byte{msg[:32], msg[32:]}
	for _, bc := range []struct {
		name string
		send func() int
	}{
		{"call=send", func() int { return l.Send(id, msg) }},
		{"call=sendv", func() int { return l.Sendv(id, parts) }},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			onLoop(l, func() {
				for b.Loop() {
					if bc.send() != len(msg) {
						b.Error("the socket took less")
						return
					}
				}
			})
		})
	}
}

// BenchmarkReceive has 64 bytes written to a socket's peer and reads them.
func BenchmarkReceive(b *testing.B) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(fds[1])
	got := 0
	h := &testHandler{data: func(_ ID, p []byte) { got += len(p) }}
	l, _ := startLoop(b, Config{}, h)
	onLoop(l, func() { l.open(fds[0], h.Opened) })
	id := h.opened()[0]
	msg := make([]byte, 64)
	b.ReportAllocs()
	onLoop(l, func() {
		for b.Loop() {
			before := got
			if _, err := unix.Write(fds[1], msg); err != nil {
				b.Error(err)
				return
			}
			if l.onReadable(id); got != before+len(msg) {
				b.Errorf("got %d bytes", got-before)
				return
			}
		}
	})
}

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
	onLoop(l, func() { l.open(fd) })
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

// What the kernel knows of how far sent bytes have got.

package netpoll

import "golang.org/x/sys/unix"

// Flow is how far what was sent to a connection has got.
type Flow struct {
	Acked  uint64 // bytes that the peer's kernel has acknowledged since the beginning
	Behind bool   // bytes wait here that its window, or the network, has no room for
}

// Flow asks the kernel, which costs a system call. The zero value means that the
// socket cannot say.
func (l *Loop) Flow(id ID) Flow {
	c := l.table.At(id)
	info, err := unix.GetsockoptTCPInfo(int(c.fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return Flow{}
	}
	behind := info.Notsent_bytes > 0 || c.flags&flagBlocked != 0
	return Flow{Acked: info.Bytes_acked, Behind: behind}
}

// What the kernel knows of how far sent bytes have got.

package netpoll

import "golang.org/x/sys/unix"

// Flow is how far what was sent to a connection has got.
type Flow struct {
	Acked  uint64 // bytes that the peer's kernel has acknowledged since the beginning
	Behind bool   // bytes wait here that its window, or the network, has no room for
}

// sentAll is more than is ever sent to a connection.
const sentAll = 1 << 62

// Flow asks the kernel, which costs a system call. A Unix socket knows what waits in it,
// not what has passed: of Acked only the difference of two is right then, and of those at
// which nothing was sent meanwhile. The zero value means that the socket cannot say.
func (l *Loop) Flow(id ID) Flow {
	c := l.table.At(id)
	info, err := unix.GetsockoptTCPInfo(int(c.fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		waiting, err := unix.IoctlGetInt(int(c.fd), unix.SIOCOUTQ)
		if err != nil {
			return Flow{}
		}
		return Flow{Acked: uint64(sentAll - waiting - l.Queued(id)), Behind: waiting > 0 || c.flags&flagBlocked != 0}
	}
	behind := info.Notsent_bytes > 0 || c.flags&flagBlocked != 0
	return Flow{Acked: info.Bytes_acked, Behind: behind}
}

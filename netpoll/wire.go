// The three system calls that carry the bytes of connections.

package netpoll

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wire is these calls, repeated where they were interrupted. n is without meaning
// where errno is not 0. The machine's kernel is called directly: through the interface
// a send of 64 bytes takes 1 to 2 % longer.
type wire struct {
	fake kernel // nil but in tests
}

// kernel is each call made once.
type kernel interface {
	recv(fd int32, p []byte) (n int, errno unix.Errno)
	send(fd int32, p []byte) (n int, errno unix.Errno)
	sendv(fd int32, bufs []unix.Iovec) (n int, errno unix.Errno)
}

func (w wire) recv(fd int32, p []byte) (n int, errno unix.Errno) {
	for errno = unix.EINTR; errno == unix.EINTR; {
		if w.fake == nil {
			n, errno = sockets{}.recv(fd, p)
		} else {
			n, errno = w.fake.recv(fd, p)
		}
	}
	return n, errno
}

func (w wire) send(fd int32, p []byte) (n int, errno unix.Errno) {
	for errno = unix.EINTR; errno == unix.EINTR; {
		if w.fake == nil {
			n, errno = sockets{}.send(fd, p)
		} else {
			n, errno = w.fake.send(fd, p)
		}
	}
	return n, errno
}

func (w wire) sendv(fd int32, bufs []unix.Iovec) (n int, errno unix.Errno) {
	for errno = unix.EINTR; errno == unix.EINTR; {
		if w.fake == nil {
			n, errno = sockets{}.sendv(fd, bufs)
		} else {
			n, errno = w.fake.sendv(fd, bufs)
		}
	}
	return n, errno
}

// sockets is the machine's kernel. Raw system calls do not tell Go's scheduler: with
// MSG_DONTWAIT they return in microseconds, and the bookkeeping costs more.
type sockets struct{}

func (sockets) recv(fd int32, p []byte) (int, unix.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

func (sockets) send(fd int32, p []byte) (int, unix.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

func (sockets) sendv(fd int32, bufs []unix.Iovec) (int, unix.Errno) {
	msg := unix.Msghdr{Iov: unsafe.SliceData(bufs)}
	msg.SetIovlen(len(bufs))
	n, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return int(n), errno
}

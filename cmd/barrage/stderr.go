package main

// This file keeps the end of the process from waiting for who reads stderr: the runtime
// writes the stacks of a crash, and of SIGQUIT, to descriptor 2, where no code of ours
// runs any more.

import (
	"os"

	"golang.org/x/sys/unix"
)

// waitless has writes to descriptor 2 fail rather than wait, and returns where the log
// goes, which may. Others have the same pipe or terminal and go on as before, since it is
// opened anew; only one that cannot be, as a socket, is changed for them, too. Files do not
// wait.
func waitless() *os.File {
	fd := int(os.Stderr.Fd())
	var is unix.Stat_t
	if unix.Fstat(fd, &is) != nil || is.Mode&unix.S_IFMT == unix.S_IFREG {
		return os.Stderr
	}
	kept, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return os.Stderr
	}
	anew, err := unix.Open("/proc/self/fd/2", unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = unix.SetNonblock(fd, true) // the log tries again: see package lines
	} else {
		_ = unix.Dup3(anew, fd, 0) // which leaves it as it was if it fails
		_ = unix.Close(anew)
	}
	return os.NewFile(uintptr(kept), "/dev/stderr")
}

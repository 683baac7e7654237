// Unix sockets: a listener that all loops share, and its file.

package netpoll

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Local is the address of whoever connects through a Unix socket. No host has it.
var Local = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)

// UnixPrefix begins an address that is the path of a Unix socket.
const UnixPrefix = "unix:"

// MaxUnixPath is how many bytes a Unix socket's path may have.
const MaxUnixPath = 107

// ErrListens is of a Unix socket on which another process listens.
var ErrListens = errors.New("another process listens there")

// SocketFile is the file of a Unix socket.
type SocketFile struct {
	path string
	made inode
}

// inode tells a file from another that was made later, whose number may be the same.
type inode struct {
	dev, ino uint64
	modified unix.Timespec // when it was made: nothing is written to a socket
}

func inodeOf(path string) (inode, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return inode{}, sysErr("lstat", err)
	}
	return inode{st.Dev, st.Ino, st.Mtim}, nil
}

// ListenUnix opens a Unix socket for n loops. They wait for the same one, and those who
// find nothing go on waiting. Its file has the permissions mode from the beginning. One
// that is left of another process is replaced if nobody listens on it.
func ListenUnix(path string, mode fs.FileMode, n int, cfg ListenConfig) ([]*Listener, *SocketFile, error) {
	ls, file, err := listenUnix(path, mode.Perm(), n, cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("netpoll: listen on %s%s: %w", UnixPrefix, path, err)
	}
	return ls, file, nil
}

func listenUnix(path string, mode fs.FileMode, n int, cfg ListenConfig) ([]*Listener, *SocketFile, error) {
	if len(path) > MaxUnixPath {
		return nil, nil, fmt.Errorf("the path has %d bytes, at most %d are allowed", len(path), MaxUnixPath)
	}
	unlock, err := lockDir(path)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, sysErr("socket", err)
	}
	ls := []*Listener{{fd: fd, addr: Local}}
	file, err := bindUnix(fd, path, mode)
	if err == nil {
		err = sysErr("listen", unix.Listen(fd, cfg.backlog()))
	}
	for err == nil && len(ls) < n {
		var again int
		if again, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
			ls = append(ls, &Listener{fd: again, addr: Local})
		}
	}
	if err == nil {
		return ls, file, nil
	}
	for _, l := range ls {
		_ = l.Close()
	}
	if file != nil {
		_ = unix.Unlink(path)
	}
	return nil, nil, err
}

// bindUnix makes the file. Binding takes its permissions from the socket, less the umask's;
// until it listens nobody can connect.
func bindUnix(fd int, path string, mode fs.FileMode) (*SocketFile, error) {
	if err := unix.Fchmod(fd, uint32(mode)); err != nil {
		return nil, sysErr("fchmod", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, sysErr("bind", err)
	}
	file := &SocketFile{path: path}
	err := sysErr("chmod", unix.Chmod(path, uint32(mode)))
	if err == nil {
		file.made, err = inodeOf(path)
	}
	return file, err
}

// Remove removes the file, if it is still the one that was made. It is to be called
// before the listeners are closed: who comes then finds no file and makes a new one.
func (f *SocketFile) Remove() error {
	unlock, err := lockDir(f.path)
	if err == nil {
		defer unlock()
		var there inode
		if there, err = inodeOf(f.path); err == nil && there == f.made {
			err = sysErr("unlink", unix.Unlink(f.path))
		}
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("netpoll: remove %s: %w", f.path, err)
	}
	return nil
}

// removeStale removes the file of a socket on which nobody listens.
func removeStale(path string) error {
	var st unix.Stat_t
	switch err := unix.Lstat(path, &st); {
	case err == unix.ENOENT:
		return nil
	case err != nil:
		return sysErr("lstat", err)
	case st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return errors.New("there is a file that is no socket")
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return sysErr("socket", err)
	}
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	_ = unix.Close(fd)
	switch err {
	case nil, unix.EAGAIN:
		return ErrListens
	case unix.ECONNREFUSED:
		return sysErr("unlink", unix.Unlink(path))
	}
	return sysErr("connect", err)
}

// lockPatience is how long another process may be at a directory's sockets.
const lockPatience = 5 * time.Second

// lockDir keeps other processes that use this package from replacing the files of sockets
// in the directory: two that find a stale one would both remove it, and one of them the
// other's new one.
func lockDir(path string) (unlock func(), err error) {
	fd, err := unix.Open(filepath.Dir(path), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, sysErr("open its directory", err)
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(5 * time.Millisecond) {
		if err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return func() { _ = unix.Close(fd) }, nil
		}
		if err != unix.EINTR && err != unix.EWOULDBLOCK || time.Now().After(end) {
			_ = unix.Close(fd)
			return nil, sysErr("lock its directory", err)
		}
	}
}

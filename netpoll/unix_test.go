package netpoll

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// socketPath is a path for a Unix socket. That of t.TempDir may be too long.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "np")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// listenOn listens on a Unix socket, until the test ends.
func listenOn(t testing.TB, path string, mode fs.FileMode) {
	t.Helper()
	ls, _, err := ListenUnix(path, mode, 1, ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ls[0].Close() })
}

// TestUnixLoops: loops share a Unix socket, whose peers are local.
func TestUnixLoops(t *testing.T) {
	path := socketPath(t)
	ls, file, err := ListenUnix(path, 0o600, 2, ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var hs [2]testHandler
	for i := range ls {
		h := &hs[i]
		l, _ := startLoop(t, Config{}, h) // which listens on a TCP address too
		h.data = func(id ID, p []byte) {
			if l.Peer(id) != Local {
				t.Errorf("the peer is %v", l.Peer(id))
			}
			l.Queue(id, p)
		}
		onLoop(l, func() { err = l.Accept(ls[i], h.Opened) })
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		got := make([]byte, 4)
		if _, err := c.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(got); err != nil || string(got) != "ping" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if n := len(hs[0].opened()) + len(hs[1].opened()); n != 20 {
		t.Errorf("%d opened", n)
	}
	if err := file.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}

// TestUnixMode: the file has the permissions that are asked for, whatever the umask, and
// never more than those.
func TestUnixMode(t *testing.T) {
	for _, mode := range []fs.FileMode{0o600, 0o660, 0o666, 0o777} {
		path := socketPath(t)
		listenOn(t, path, mode)
		st, err := os.Lstat(path)
		if err != nil || st.Mode().Perm() != mode {
			t.Errorf("%v: %v, %v", mode, st.Mode(), err)
		}
	}
	path := socketPath(t)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Fchmod(fd, 0o600), unix.Bind(fd, &unix.SockaddrUnix{Name: path})); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Lstat(path); err != nil || st.Mode().Perm()&^0o600 != 0 {
		t.Errorf("between bind and chmod: %v, %v", st.Mode(), err)
	}
}

// TestUnixStale: what is left of a process that was killed is replaced, and nothing else.
func TestUnixStale(t *testing.T) {
	path := socketPath(t)
	ls, file, err := ListenUnix(path, 0o600, 1, ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := ListenUnix(path, 0o600, 1, ListenConfig{}); !errors.Is(err, ErrListens) || !strings.Contains(err.Error(), path) {
		t.Errorf("while somebody listens: %v", err)
	}
	if err := ls[0].Close(); err != nil { // as at a kill: the file stays
		t.Fatal(err)
	}
	waitFor(t, "a file that is not made at the same time", func() bool {
		ls, again, err := ListenUnix(path, 0o600, 1, ListenConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if again.made.modified == file.made.modified {
			return ls[0].Close() != nil
		}
		t.Cleanup(func() { _ = ls[0].Close() })
		return true
	})
	if err := file.Remove(); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the former process has removed the file of the next: %v", err)
	} else {
		_ = c.Close()
	}
}

// TestUnixRefused: what cannot be listened on is told, and stays as it is.
func TestUnixRefused(t *testing.T) {
	path := socketPath(t)
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	datagrams := path + "d"
	d, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: datagrams})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, c := range []struct{ path, want string }{
		{path, "a file that is no socket"},
		{datagrams, "connect"},
		{filepath.Join(filepath.Dir(path), "missing", "s"), "no such file or directory"},
		{"/" + strings.Repeat("x", MaxUnixPath), fmt.Sprintf("at most %d are allowed", MaxUnixPath)},
	} {
		before := len(descriptors(t))
		_, _, err := ListenUnix(c.path, 0o600, 2, ListenConfig{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "unix:"+c.path) {
			t.Errorf("%s: %v", c.path, err)
		}
		if n := len(descriptors(t)); n != before {
			t.Errorf("%s: %d descriptors, %d before", c.path, n, before)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestUnixRace: of many that find a stale file one listens, and has it.
func TestUnixRace(t *testing.T) {
	path := socketPath(t)
	for range 20 {
		_ = os.Remove(path)
		ls, _, err := ListenUnix(path, 0o600, 1, ListenConfig{})
		if err != nil {
			t.Fatal(err)
		}
		_ = ls[0].Close()
		var mu sync.Mutex
		var won []*Listener
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				ls, _, err := ListenUnix(path, 0o600, 1, ListenConfig{})
				if err != nil && !errors.Is(err, ErrListens) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				won = append(won, ls...)
			})
		}
		group.Wait()
		if len(won) != 1 {
			t.Fatalf("%d listen", len(won))
		}
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Close(), won[0].Close()
	}
}

// TestUnixFlow: what the peer of a full Unix socket takes is seen.
func TestUnixFlow(t *testing.T) {
	path := socketPath(t)
	ls, _, err := ListenUnix(path, 0o600, 1, ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	h := new(testHandler)
	l, _ := startLoop(t, Config{MaxQueue: 64 << 20}, h)
	onLoop(l, func() { err = l.Accept(ls[0], nil) })
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	waitFor(t, "accept", func() bool { return len(h.opened()) == 1 })
	id := h.opened()[0]
	flow := func() (f Flow) {
		onLoop(l, func() { f = l.Flow(id) })
		return f
	}
	if f := flow(); f.Behind {
		t.Errorf("with nothing sent: %+v", f)
	}
	onLoop(l, func() { l.Queue(id, make([]byte, 16<<20)) })
	before := flow()
	if !before.Behind {
		t.Fatalf("a full socket: %+v", before)
	}
	time.Sleep(20 * time.Millisecond) // it takes nothing, however long
	if f := flow(); f != before {
		t.Errorf("nothing was taken, but %+v became %+v", before, f)
	}
	for got := 0; got < 1<<20; {
		n, err := c.Read(make([]byte, 64<<10))
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	waitFor(t, "it to be seen", func() bool { return flow().Acked > before.Acked })
	if f := flow(); f.Acked > before.Acked+(16<<20) {
		t.Errorf("more was taken than sent: %+v, %+v", before, f)
	}
}

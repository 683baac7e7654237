// Package redistest runs redis-server for tests: real processes, on loopback
// ports that they come back to, which can be killed, frozen and started again. A
// test is skipped where the program is not installed.
//
// A Server belongs to one test, and to one goroutine, but for its Client. It ends
// with the test, or with the test's process.
package redistest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience bounds every wait.
const patience = 20 * time.Second

// Server is a redis-server.
type Server struct {
	*redis.Client        // the test's own, to look at it from outside
	Addr          string // host and port, the same for each of its processes
	Dir           string // its data, which outlive the process
	t             testing.TB
	cmd           *exec.Cmd // nil before the first
}

// New returns a server that does not run yet.
func New(t testing.TB) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed (Debian package redis-server): no test of the real thing")
	}
	s := &Server{t: t, Addr: FreeAddr(t), Dir: t.TempDir()}
	s.Client = redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: 20, DialTimeout: time.Second, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = s.Close() }) // the server is gone by then
	t.Cleanup(s.Kill)
	return s
}

// Start returns a server that answers.
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	s := New(t)
	s.Start(options...)
	return s
}

// FreeAddr is an address with a FreePort.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", FreePort(t))
}

// FreePort finds a port that nobody listens on, and claims it until the test ends: a
// server may be down for a while, and no other test, of any process, is given its port
// meanwhile. The port, and the one 10000 above, where a server of a Redis Cluster meets
// its like, are below those that the kernel gives to outgoing connections, one of which
// could take it as well.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 10000 + rand.IntN(10000)
		if claim, ok := claimPort(port); ok {
			t.Cleanup(func() { _ = claim.Close() })
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// claimPort claims a port of TCP by holding that of UDP with the same number, which no
// Redis uses: only one can, and with the process the claim ends.
func claimPort(port int) (claim io.Closer, ok bool) {
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	claim, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, false
	}
	l, err := net.Listen("tcp", addr)
	if err != nil { // somebody else's server
		_ = claim.Close()
		return nil, false
	}
	_ = l.Close()
	return claim, true
}

// Port is Addr's.
func (s *Server) Port() string {
	_, port, _ := net.SplitHostPort(s.Addr) // made by FreeAddr
	return port
}

// URL is its address for Barrage.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Args are the arguments for a server that keeps nothing on disk, and options,
// which overrule them.
func (s *Server) Args(options ...string) []string {
	return append([]string{"--port", s.Port(), "--bind", "127.0.0.1", "--dir", s.Dir,
		"--save", "", "--appendonly", "no", "--loglevel", "warning"}, options...)
}

// Start runs the program with Args.
func (s *Server) Start(options ...string) {
	s.t.Helper()
	s.Run(s.Args(options...)...)
}

// Restart runs the program, after Kill, as it ran before, with more arguments.
func (s *Server) Restart(more ...string) {
	s.t.Helper()
	s.Run(append(slices.Clone(s.cmd.Args[1:]), more...)...)
}

// Run runs the program with these arguments alone, and returns when it answers at
// Addr.
func (s *Server) Run(args ...string) {
	s.t.Helper()
	if err := s.Prepare(args...).Start(); err != nil {
		s.t.Fatal(err)
	}
	s.Await()
}

// Prepare is Run for who starts the process another way, and then waits by Await.
func (s *Server) Prepare(args ...string) *exec.Cmd {
	s.cmd = exec.Command("redis-server", args...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed cleans nothing up
	return s.cmd
}

// Await waits until the server answers, be it that it wants a password.
func (s *Server) Await() {
	s.t.Helper()
	s.eventually("redis-server to answer", func() bool {
		err := s.Ping(context.Background()).Err()
		return err == nil || redis.HasErrorPrefix(err, "NOAUTH")
	})
}

// Kill ends the process as kill -9 does, if there is one.
func (s *Server) Kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return // it never ran
	}
	_ = s.cmd.Process.Kill() // it may be dead already
	_ = s.cmd.Wait()         // always "killed"
}

// Freeze stops the process and returns when it stands.
func (s *Server) Freeze() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	s.eventually("redis-server to stand", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
		return err == nil && strings.Contains(string(stat), ") T ")
	})
}

// Thaw undoes Freeze.
func (s *Server) Thaw() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) eventually(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// The programs that an example starts: they end with it, whichever way it ends.

package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	patience = 30 * time.Second // for a program to be ready
	grace    = 5 * time.Second  // for it to end
)

// children are those programs, in the order in which they were started.
type children struct {
	dir     string
	running []*child
	ended   chan error // that one ended by itself
}

type child struct {
	*exec.Cmd
	gone chan struct{}
}

// barrage returns the server's program: the one that SERVER_BIN names, or one built now.
func (c *children) barrage(ctx context.Context) (string, error) {
	if binary := os.Getenv("SERVER_BIN"); binary != "" {
		return binary, nil
	}
	binary := filepath.Join(c.dir, "barrage")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "barrage/cmd/barrage")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("building the server: %w", err)
	}
	return binary, nil
}

// run starts a program in a group of its own, so that Ctrl-C is for its parent alone. What
// it says is only shown if it ends by itself.
func (c *children) run(name string, environ []string, args ...string) error {
	said, err := os.Create(filepath.Join(c.dir, fmt.Sprint("said-", len(c.running))))
	if err != nil {
		return err
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), environ...)
	cmd.Stdout, cmd.Stderr = os.Stdout, said // the server says on stdout where it listens
	if filepath.Base(name) == "redis-server" {
		cmd.Stdout = said
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	_ = said.Close()
	if err != nil {
		return err
	}
	one := &child{cmd, make(chan struct{})}
	c.running = append(c.running, one)
	go func() { // ends with the program
		err := cmd.Wait()
		text, _ := os.ReadFile(said.Name())
		c.ended <- fmt.Errorf("%s ended (%v): %s", filepath.Base(name), err, text)
		close(one.gone)
	}()
	return nil
}

// wait waits until what was started is ready, and fails if it ends instead.
func (c *children) wait(ctx context.Context, what string, ready func() bool) error {
	deadline := time.Now().Add(patience)
	for !ready() {
		select {
		case err := <-c.ended:
			return err
		case <-ctx.Done():
			return errors.New("stopped")
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %v", what, patience)
		}
	}
	return nil
}

// stop ends them, the newest first.
func (c *children) stop() {
	for i := len(c.running) - 1; i >= 0; i-- {
		one := c.running[i]
		_ = one.Process.Signal(syscall.SIGTERM)
		select {
		case <-one.gone:
		case <-time.After(grace):
			_ = one.Process.Kill()
			<-one.gone
		}
	}
}

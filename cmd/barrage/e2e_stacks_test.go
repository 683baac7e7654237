package main

// Stacks that the runtime writes to stderr, which nobody may be reading: the process ends
// all the same, and so whoever watches it starts another.

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func unreadStacks(t *testing.T, bin binary) {
	for _, tt := range []struct {
		name string
		open func(*testing.T) *os.File // nil: somebody reads them
	}{
		{"pipe", stoppedPipe},
		{"terminal under Ctrl-S", stoppedTerminal},
		{"socket", stoppedSocket},
		{"read", nil},
	} {
		for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT} {
			t.Run(tt.name+"/"+sig.String(), func(t *testing.T) {
				t.Parallel()
				ws, admin := freeAddress(t), freeAddress(t)
				cmd := bin.command(t.Context(), nil, "serve", "--listen="+ws, "--admin="+admin)
				var said lockedBuffer
				if cmd.Stderr = &said; tt.open != nil {
					cmd.Stderr = tt.open(t)
				}
				n := startMute(t, cmd, ws, admin)
				n.waitReady()
				n.signal(sig)
				n.wantExit(2) // the runtime's own
				if text := said.String(); tt.open == nil && !strings.Contains(text, "goroutine ") {
					t.Errorf("no stacks: %q", text)
				}
			})
		}
	}
}

// stoppedSocket is stderr under systemd, whose journal takes nothing.
func stoppedSocket(t *testing.T) *os.File {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	kept(t, os.NewFile(uintptr(fds[0]), "journal"))
	for b := make([]byte, 4<<10); err == nil; {
		err = unix.Sendto(fds[1], b, unix.MSG_DONTWAIT, nil)
	}
	return kept(t, os.NewFile(uintptr(fds[1]), "stderr"))
}

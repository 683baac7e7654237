// Sleeping until a message is due.

package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm wakes one goroutine at a time. The runtime's own timers count whole
// milliseconds while a process is idle: they would be up to one late, and that
// would be taken for the server's latency. A timerfd is not.
type alarm struct {
	fd   int
	file *os.File // owns fd; reads of it wait in the runtime's poller
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("publish: %w", os.NewSyscallError("timerfd_create", err))
	}
	return &alarm{fd: fd, file: os.NewFile(uintptr(fd), "timerfd")}, nil
}

// sleep returns after d, or earlier with the error of ctx.
func (a *alarm) sleep(ctx context.Context, d time.Duration) error {
	if err := a.file.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = a.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	after := unix.ItimerSpec{Value: unix.NsecToTimespec(max(int64(d), 1))} // 0 would stop it
	if err := unix.TimerfdSettime(a.fd, 0, &after, nil); err != nil {
		return fmt.Errorf("publish: %w", os.NewSyscallError("timerfd_settime", err))
	}
	var expirations [8]byte
	_, err := a.file.Read(expirations[:])
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return context.Cause(ctx)
	}
	return fmt.Errorf("publish: %w", err)
}

func (a *alarm) close() { _ = a.file.Close() } // nothing is written to it

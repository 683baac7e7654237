// The only file that makes epoll, eventfd and timerfd calls.

package netpoll

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	easygo "github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// poller is easygo's Epoll with an eventfd to wake it and a timerfd that ticks.
type poller struct {
	ep      *easygo.Epoll
	wakeFD  int
	timerFD int
}

const (
	interestIn  = easygo.EpollEvent(easygo.EPOLLIN)
	interestOut = easygo.EpollEvent(easygo.EPOLLOUT)
	brokenMask  = easygo.EpollEvent(easygo.EPOLLHUP | easygo.EPOLLERR)
)

func newPoller(tick time.Duration, onFatal func(error)) (*poller, error) {
	ep, err := createEpoll(onFatal)
	if err != nil {
		return nil, fmt.Errorf("netpoll: create epoll: %w", err)
	}
	p := &poller{ep: ep, wakeFD: -1, timerFD: -1}
	if p.wakeFD, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		p.close()
		return nil, fmt.Errorf("netpoll: create eventfd: %w", err)
	}
	if p.timerFD, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		p.close()
		return nil, fmt.Errorf("netpoll: create timerfd: %w", err)
	}
	every := unix.NsecToTimespec(tick.Nanoseconds())
	if err = unix.TimerfdSettime(p.timerFD, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		p.close()
		return nil, fmt.Errorf("netpoll: arm timerfd: %w", err)
	}
	return p, nil
}

// createEpoll creates easygo's epoll and sets CLOEXEC on the two descriptors it
// opens without, before any other goroutine can fork.
func createEpoll(onFatal func(error)) (*easygo.Epoll, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	ep, err := easygo.EpollCreate(&easygo.EpollConfig{OnWaitError: onFatal})
	if err != nil {
		return nil, err
	}
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		_ = ep.Close()
		return nil, err
	}
	for _, d := range names {
		link, err := os.Readlink("/proc/self/fd/" + d.Name())
		if err != nil || link != "anon_inode:[eventpoll]" && link != "anon_inode:[eventfd]" {
			continue // ReadDir's own descriptor is gone by now
		}
		if fd, err := strconv.Atoi(d.Name()); err == nil {
			unix.CloseOnExec(fd)
		}
	}
	return ep, nil
}

// add registers fd level-triggered. easygo keeps the map entry of a failed Add,
// which would refuse the next descriptor of the same number: Del removes it.
func (p *poller) add(fd int, ev easygo.EpollEvent, cb func(easygo.EpollEvent)) error {
	if err := p.ep.Add(fd, ev, cb); err != nil {
		_ = p.ep.Del(fd) // ENOENT is expected
		return fmt.Errorf("netpoll: register descriptor: %w", err)
	}
	return nil
}

func (p *poller) mod(fd int, ev easygo.EpollEvent) error { return p.ep.Mod(fd, ev) }

func (p *poller) del(fd int) { _ = p.ep.Del(fd) }

// wake makes the eventfd readable. Any goroutine.
func (p *poller) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// EAGAIN means the counter is at its limit, so readable already.
	_, _ = unix.Write(p.wakeFD, one[:])
}

// drain makes an eventfd or timerfd unreadable again, and reports whether it was
// readable.
func drain(fd int) bool {
	var b [8]byte
	_, err := unix.Read(fd, b[:])
	return err == nil
}

// close must not run on the loop goroutine: it waits for that to end.
func (p *poller) close() {
	for _, fd := range []int{p.wakeFD, p.timerFD} {
		if fd >= 0 {
			p.del(fd)
		}
	}
	_ = p.ep.Close()
	for _, fd := range []int{p.wakeFD, p.timerFD} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

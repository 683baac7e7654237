// The loop: wake-ups, inbox, ticks, dispatch and shutdown.

package netpoll

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	easygo "github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// Handler is called by a Loop, on its goroutine, one call at a time. No method
// may block.
type Handler interface {
	// Opened tells of a connection that was accepted, or that Dial began and
	// that is connected now.
	Opened(id ID)
	// Data hands over bytes that arrived. p is the loop's buffer: it may be
	// changed, and is valid during the call only.
	Data(id ID, p []byte)
	// Drained tells that a connection which was blocked takes bytes again and
	// that everything queued for it has been taken.
	Drained(id ID)
	// Expired tells that the deadline set by SetDeadline has passed, perhaps
	// while still connecting. The deadline is cleared before the call.
	Expired(id ID)
	// Closed tells that a connection is gone. It is called once for each Opened
	// and for each dialled connection, also for one that was never connected and
	// so not Opened. The ID may be reused as soon as it returns.
	Closed(id ID, reason CloseReason)
	// Work is called after Wake. It returns true when it has more to do and
	// wants to be called again after the sockets have been looked at.
	Work() (more bool)
	// Tick is called once every Config.Tick.
	Tick()
}

// Config holds a loop's settings. The zero value of a field means its default.
type Config struct {
	Tick       time.Duration // timer resolution; deadlines are seen at most Sweep late (default 100ms)
	Sweep      time.Duration // every deadline is looked at once in this time (default 1s)
	ReadBuffer int           // bytes read at once, and so handled of one connection before the others have their turn (default 2 KiB)
	MaxQueue   int           // bytes queued for one slow peer before it is closed (default 1 MiB)
	AcceptMax  int           // connections accepted per event (default 256)

	// OnFatal is called, on the loop goroutine, when epoll itself fails: the
	// loop is deaf from then on and the process should exit.
	OnFatal func(error)
	// OnPanic is called when a Handler method panicked on a connection's event.
	OnPanic func(v any, stack []byte)
}

func (c Config) withDefaults() (Config, error) {
	c.Tick = cmp.Or(c.Tick, 100*time.Millisecond)
	c.Sweep = cmp.Or(c.Sweep, time.Second)
	c.ReadBuffer = cmp.Or(c.ReadBuffer, 2<<10)
	c.MaxQueue = cmp.Or(c.MaxQueue, 1<<20)
	c.AcceptMax = cmp.Or(c.AcceptMax, 256)
	if c.OnFatal == nil || c.OnPanic == nil {
		return c, errors.New("netpoll: Config.OnFatal and Config.OnPanic must be set")
	}
	if c.Tick < time.Millisecond || c.Sweep < c.Tick || c.ReadBuffer < 0 || c.MaxQueue < 0 || c.AcceptMax < 0 {
		return c, fmt.Errorf("netpoll: bad Config: tick %v, sweep %v, read buffer %d, queue %d, accept %d",
			c.Tick, c.Sweep, c.ReadBuffer, c.MaxQueue, c.AcceptMax)
	}
	return c, nil
}

// Stats are a loop's counters. They only grow, except Conns and Queued.
type Stats struct {
	Conns         int64 // connections, from accept or Dial on: connecting, handshaking and lingering ones included
	Accepted      int64
	AcceptErrors  int64 // other than running out of descriptors
	AcceptNoFile  int64 // EMFILE or ENFILE: the listener was paused
	Wakeups       int64 // times Work was called
	Events        int64 // events on connections
	StaleEvents   int64 // events for a connection that had been closed in the same batch
	Panics        int64
	BytesReceived int64
	Queued        int64 // a gauge: see AllQueued
}

// Loop is one epoll, its listeners if it has any, and its connections. See the package
// comment for which goroutine may do what.
type Loop struct {
	cfg Config
	h   Handler
	p   *poller

	// Loop goroutine only.
	wire      wire
	table     table
	queues    map[ID]*[]byte // unsent bytes of blocked connections
	doomed    []ID           // to be closed by reap
	spare     []func()       // the other buffer of the inbox
	buf       []byte
	iovs      []unix.Iovec
	listeners []*listener
	sweepAt   uint32 // next slot to look at
	sweepDue  float64
	stopping  bool
	clock     uint32    // deadlines' clock: ticks' time in clockUnits
	ticked    time.Time // when clock was advanced

	// Any goroutine.
	signalled atomic.Bool // the eventfd is or will be readable
	stopped   chan struct{}
	dead      chan struct{} // epoll has failed: the loop's goroutine has ended

	inboxMu     sync.Mutex // guards what follows; nothing is called under it
	inbox       []func()
	inboxClosed bool // nothing is posted any more: the loop has stopped

	stats struct {
		conns, accepted, acceptErrors, acceptNoFile     atomic.Int64
		wakeups, events, staleEvents, panics, bytesRecv atomic.Int64
		queued                                          atomic.Int64 // bytes that queues take
	}
}

// New creates a loop and starts its goroutine, which ends at Stop.
func New(cfg Config, h Handler) (*Loop, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Loop{
		cfg:     cfg,
		h:       h,
		wire:    wire{},
		clock:   1, // 0 is "no deadline"
		ticked:  time.Now(),
		queues:  make(map[ID]*[]byte),
		buf:     make([]byte, cfg.ReadBuffer),
		iovs:    make([]unix.Iovec, MaxVectors),
		stopped: make(chan struct{}),
		dead:    make(chan struct{}),
	}
	var once sync.Once // easygo may report the failed wait, and the failed close after it
	waitFailed := func(err error) {
		once.Do(func() { close(l.dead) })
		cfg.OnFatal(err)
	}
	if l.p, err = newPoller(cfg.Tick, waitFailed); err != nil {
		return nil, err
	}
	if err = l.p.add(l.p.wakeFD, interestIn, func(easygo.EpollEvent) { l.onWake() }); err == nil {
		err = l.p.add(l.p.timerFD, interestIn, func(easygo.EpollEvent) { l.onTick() })
	}
	if err != nil {
		l.p.close()
		return nil, err
	}
	return l, nil
}

// Wake makes the loop call Handler.Work soon. Any goroutine. Wake-ups collapse:
// only the first after Work began costs a system call.
func (l *Loop) Wake() {
	if l.signalled.CompareAndSwap(false, true) {
		l.p.wake()
	}
}

// Post has f run on the loop goroutine, in the order of the calls. Any
// goroutine. After Stop f is dropped. A panic of f ends the process: what f does
// for one connection goes into Guard.
func (l *Loop) Post(f func()) {
	l.inboxMu.Lock()
	if !l.inboxClosed {
		l.inbox = append(l.inbox, f)
	}
	l.inboxMu.Unlock()
	l.Wake()
}

// Stats returns the counters. Any goroutine.
func (l *Loop) Stats() Stats {
	s := &l.stats
	return Stats{
		Conns: s.conns.Load(), Accepted: s.accepted.Load(),
		AcceptErrors: s.acceptErrors.Load(), AcceptNoFile: s.acceptNoFile.Load(),
		Wakeups: s.wakeups.Load(), Events: s.events.Load(), StaleEvents: s.staleEvents.Load(),
		Panics: s.panics.Load(), BytesReceived: s.bytesRecv.Load(), Queued: s.queued.Load(),
	}
}

// Stop closes the listener and every connection, and returns when the loop
// goroutine has ended. Any goroutine but the loop's own; once.
func (l *Loop) Stop() {
	l.Post(l.stop)
	select {
	case <-l.stopped:
		l.p.close()
	case <-l.dead: // only the end of the process closes what it owns
	}
}

func (l *Loop) stop() {
	l.stopping = true
	l.inboxMu.Lock()
	l.inbox, l.inboxClosed = nil, true
	l.inboxMu.Unlock()
	l.CloseListeners()
	for id := range ID(l.table.n) {
		l.Close(id, LoopStopped)
	}
	l.reap()
	// From here on Wake must not write: the eventfd's number may be reused. The
	// flag is set for good; a Wake that had set it before us writes exactly once.
	if !l.signalled.CompareAndSwap(false, true) {
		for !drain(l.p.wakeFD) { // until its write has happened
			runtime.Gosched()
		}
	}
	l.p.del(l.p.wakeFD)
	l.p.del(l.p.timerFD)
	close(l.stopped)
}

// onWake runs the inbox and one slice of Work. While there is more to do the
// eventfd is left readable, so that a busy loop spends no system call on it.
func (l *Loop) onWake() {
	if l.turn() || l.stopping {
		return
	}
	// Order matters: a Wake after the flag is cleared writes again, and one
	// before it is answered by the second turn.
	drain(l.p.wakeFD)
	l.signalled.Store(false)
	if l.turn() && !l.stopping {
		l.Wake()
	}
}

// maxSpareInbox is the largest inbox buffer that is kept for reuse.
const maxSpareInbox = 4096

func (l *Loop) turn() (more bool) {
	l.stats.wakeups.Add(1)
	l.inboxMu.Lock()
	l.inbox, l.spare = l.spare[:0], l.inbox
	l.inboxMu.Unlock()
	for i, f := range l.spare {
		l.spare[i] = nil
		f()
		if l.stopping {
			return false
		}
	}
	if cap(l.spare) > maxSpareInbox {
		l.spare = nil // a burst must not be kept for ever
	}
	more = l.h.Work()
	l.reap()
	return more
}

// Guard calls f and turns a panic into the close of that one connection. The
// loop guards the Handler's methods for connections so; Work, Tick and posted
// functions are not guarded, as their panics say that more than one connection
// is in an unknown state.
func (l *Loop) Guard(id ID, f func(ID)) {
	defer func() {
		if v := recover(); v != nil {
			l.stats.panics.Add(1)
			l.cfg.OnPanic(v, debug.Stack())
			l.Close(id, HandlerPanic)
		}
	}()
	f(id)
}

// onEvent handles an epoll event of a connection. gen is the generation the
// callback was registered for.
func (l *Loop) onEvent(id ID, gen uint32, ev easygo.EpollEvent) {
	c := l.table.At(id)
	if c.gen != gen || c.state == stateFree {
		l.stats.staleEvents.Add(1)
		return
	}
	l.stats.events.Add(1)
	if ev&(interestOut|brokenMask) != 0 && c.flags&flagBlocked != 0 {
		l.Guard(id, l.onWritable)
	}
	if ev&(interestIn|brokenMask) != 0 && c.state != stateDoomed {
		if c.flags&flagIn != 0 {
			l.Guard(id, l.onReadable)
		} else if ev&brokenMask != 0 {
			// Nobody reads, and HUP and ERR are always reported: without
			// closing, level-triggered epoll would spin.
			l.Close(id, l.socketError(int(c.fd)))
		}
	}
	l.reap()
}

func (l *Loop) socketError(fd int) CloseReason {
	v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || v == 0 {
		return PeerClosed
	}
	return reasonOf(unix.Errno(v))
}

// reap closes what was doomed. It is the only place that closes a connection's
// descriptor. Handler.Closed may doom others.
func (l *Loop) reap() {
	for i := 0; i < len(l.doomed); i++ {
		id := l.doomed[i]
		c := l.table.At(id)
		fd := int(c.fd)
		l.p.del(fd)
		_ = unix.Close(fd) // EINTR on Linux still closes; there is nothing else to do
		l.Guard(id, func(id ID) { l.h.Closed(id, c.reason) })
		l.table.release(id)
		l.stats.conns.Add(-1)
	}
	l.doomed = l.doomed[:0]
}

func sysErr(call string, err error) error { return os.NewSyscallError(call, err) }

// What became of messages.

package publish

import (
	"errors"
	"io"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// Stats are sums over all lanes.
type Stats struct {
	Published uint64
	Failed    uint64
	LagMax    time.Duration     // how late a message was sent at worst
	Errors    map[string]uint64 // the failed ones by kind
}

// maxKinds bounds the kinds of errors told apart, and maxKindSize their length:
// they are the target's words.
const (
	maxKinds    = 32
	maxKindSize = 120
	otherKinds  = "other errors"
)

var (
	errBehind      = errors.New("not sent: publishing fell behind")
	errInterrupted = errors.New("not sent: interrupted")
	errUnanswered  = errors.New("no answer: interrupted")
	errClosed      = errors.New("the connection was closed without an answer")
	errTimeout     = errors.New("no answer in time")
)

// ledger is the sums of one Run. Any goroutine may use it.
type ledger struct {
	published atomic.Uint64
	failed    atomic.Uint64
	lag       atomic.Int64

	mu     sync.Mutex // guards what follows
	errors map[string]uint64
}

func newLedger() *ledger { return &ledger{errors: make(map[string]uint64)} }

func (l *ledger) late(lag int64) {
	for {
		old := l.lag.Load()
		if lag <= old || l.lag.CompareAndSwap(old, lag) {
			return
		}
	}
}

func (l *ledger) fail(err error, n uint64) {
	l.failed.Add(n)
	k := kind(err)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.errors[k]; !known && len(l.errors) >= maxKinds {
		k = otherKinds
	}
	l.errors[k] += n
}

func (l *ledger) stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		Published: l.published.Load(), Failed: l.failed.Load(),
		LagMax: time.Duration(l.lag.Load()), Errors: maps.Clone(l.errors),
	}
}

// plain says in few words what went wrong, the same for all messages that it
// happened to: without addresses and ports.
func plain(err error) error {
	var (
		errno syscall.Errno
		dns   *net.DNSError
		reply redis.Error
	)
	switch {
	case errors.As(err, &reply):
		return reply
	case errors.Is(err, errTimeout), isTimeout(err):
		return errTimeout
	case errors.As(err, &errno):
		return errno
	case errors.As(err, &dns):
		return errors.New("host " + dns.Name + ": " + dns.Err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errClosed
	}
	return err
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func kind(err error) string {
	text := err.Error()
	if len(text) > maxKindSize {
		text = text[:maxKindSize]
	}
	return text
}

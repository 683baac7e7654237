// What became of messages.

package publish

import (
	"errors"
	"io"
	"maps"
	"net"
	"sync"
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

// totals are the sums of one Run. Any goroutine may use it.
type totals struct {
	mu   sync.Mutex // guards what follows
	sums Stats
}

func newTotals() *totals { return &totals{sums: Stats{Errors: make(map[string]uint64)}} }

func (l *totals) late(lag int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sums.LagMax = max(l.sums.LagMax, time.Duration(lag))
}

func (l *totals) publish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sums.Published++
}

func (l *totals) fail(err error, n uint64) {
	kind := err.Error()
	kind = kind[:min(len(kind), maxKindSize)]
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.sums.Errors[kind]; !known && len(l.sums.Errors) >= maxKinds {
		kind = otherKinds
	}
	l.sums.Failed += n
	l.sums.Errors[kind] += n
}

func (l *totals) stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sums
	s.Errors = maps.Clone(s.Errors)
	return s
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

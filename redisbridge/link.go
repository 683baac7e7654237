package redisbridge

// One subscription connection.

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker"
)

const linkReadBuffer = 64 << 10

var errLinkClosed = errors.New("redisbridge: subscription connection closed")

// A link is one subscription connection, never more. Left to itself, go-redis
// replaces a lost connection inside Receive, unseen; a link's dialer works once, so that the loss comes out of
// Receive and the reader builds the next link itself.
//
// The reader owns it and alone calls receive and close. The subscriber alone
// calls write. Any goroutine may call cut.
type link struct {
	client *redis.Client
	sub    *redis.PubSub
	ctx    context.Context
	cancel context.CancelFunc

	timeout time.Duration

	greeted bool          // subscriber only: the rooms' commands have been written once
	pinged  time.Duration // subscriber only: when a PING was written last; 0: never
	buf     []byte        // subscriber only: the command being written

	answered bool // reader only: something was received
	proven   bool // reader only: a probe came back on it

	ponged atomic.Int64 // when the reader got a reply to a PING

	mu     sync.Mutex
	dialed bool
	err    error    // why it was cut or could not be built; the first cause
	conn   net.Conn // nil before the dial
}

// newLink does not dial; the first receive does. Opened is called, by the same
// goroutine, when the connection is there and the handshake is over.
func newLink(parent context.Context, opt *redis.Options, opened func(*link)) *link {
	opt.ReadBufferSize = linkReadBuffer
	opt.MinIdleConns = 0
	opt.PipelinePoolSize = -1
	l := &link{timeout: opt.WriteTimeout}
	l.ctx, l.cancel = context.WithCancel(parent)
	dial := opt.Dialer
	if dial == nil {
		dial = redis.NewDialer(opt)
	}
	opt.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return l.dialOnce(ctx, dial, network, addr)
	}
	name := opt.OnConnect
	opt.OnConnect = func(ctx context.Context, c *redis.Conn) error {
		if name != nil {
			if err := name(ctx, c); err != nil {
				return err
			}
		}
		opened(l) // go-redis's last step before it hands the connection out
		return nil
	}
	l.client = redis.NewClient(opt)
	l.sub = l.client.Subscribe(l.ctx)
	return l
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func (l *link) dialOnce(ctx context.Context, dial dialFunc, network, addr string) (net.Conn, error) {
	l.mu.Lock()
	if l.dialed || l.err != nil {
		defer l.mu.Unlock()
		if l.err != nil {
			return nil, l.err
		}
		return nil, errLinkClosed
	}
	l.dialed = true
	l.mu.Unlock()

	conn, err := dial(ctx, network, addr)
	if err != nil {
		l.cut(err)
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// Close ends the context before it looks for a link to cut, so a link it did
	// not see yet is caught here.
	if l.err == nil && l.ctx.Err() != nil {
		l.err = broker.ErrClosed
	}
	if l.err != nil {
		conn.Close()
		return nil, l.err
	}
	l.conn = conn
	return conn, nil
}

// receive blocks for the next message; the first call dials. It has no
// deadline on purpose: one that hits in the middle of a reply would lose the
// rest of it. The prober cuts a link that has gone deaf.
func (l *link) receive() (any, error) {
	m, err := l.sub.Receive(l.ctx)
	if err != nil {
		l.cut(err)
		l.mu.Lock()
		defer l.mu.Unlock()
		return nil, l.err
	}
	return m, nil
}

// write writes a command, within the write timeout: subscribe and unsubscribe,
// ssubscribe and sunsubscribe, which want channels of one slot, or ping.
//
// It bypasses PubSub.Subscribe: that keeps every name in a table for its own
// reconnects, which a link never makes, and the table does not shrink (7 MB
// kept after 100,000 rooms had come and gone). It is safe because PubSub itself
// writes only from those methods, and the handshake is over once opened ran.
func (l *link) write(command string, args []string) bool {
	l.buf = appendCommand(l.buf[:0], command, args)
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	err := conn.SetWriteDeadline(time.Now().Add(l.timeout))
	if err == nil {
		_, err = conn.Write(l.buf)
	}
	if err != nil {
		l.cut(err) // it may hold half a command
	}
	return err == nil
}

// appendCommand encodes a command as Redis wants it: an array of bulk strings.
func appendCommand(dst []byte, command string, args []string) []byte {
	dst = append(dst, '*')
	dst = strconv.AppendInt(dst, int64(1+len(args)), 10)
	dst = appendBulk(append(dst, "\r\n"...), command)
	for _, arg := range args {
		dst = appendBulk(dst, arg)
	}
	return dst
}

func appendBulk(dst []byte, s string) []byte {
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(len(s)), 10)
	dst = append(dst, "\r\n"...)
	dst = append(dst, s...)
	return append(dst, "\r\n"...)
}

// cut ends the link: whoever reads from, writes to or dials it comes back. It
// closes the socket itself: nobody needs to be waited for.
func (l *link) cut(cause error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = cause
	}
	conn := l.conn
	l.mu.Unlock()
	l.cancel()
	if conn != nil {
		conn.Close()
	}
}

// close frees the link after receive has failed.
func (l *link) close() {
	l.cut(errLinkClosed)
	// Nothing is lost if these fail: the socket is closed already.
	_ = l.sub.Close()
	_ = l.client.Close()
}

// linkOptions are those of the main lane's next link: in a cluster, one of its
// nodes, since plain pub/sub reaches all of them.
func (b *Bridge) linkOptions(attempt int) *redis.Options {
	opt := b.address.options()
	if b.address.kind == cluster {
		ctx, cancel := context.WithTimeout(b.ctx, b.cfg.Timeout)
		defer cancel()
		opt.Addr = b.client.someNode(ctx, attempt)
	}
	return opt
}

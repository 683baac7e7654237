// The attackers: what they have in common.

package hostile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	v1 "barrage/edge/v1"
)

// Job is what attackers are told.
type Job struct {
	Attack string
	Size   int
	Public string // address of the server
	Admin  string // likewise
	Plain  string // likewise, if it listens for plain TCP
	Redis  string // URL, if it has one
	Secret string // of tokens: attackers that are users sign their own
}

// Outcome is what attackers tell.
type Outcome struct {
	In, Out int64          // bytes
	Replies int64          // and pushes
	Told    map[string]int // how often, by error code, status or reason of the end
}

// Field is the attackers of one trial. Its methods may be called by any goroutine.
type Field struct {
	Job
	Meter
	replies atomic.Int64

	mu   sync.Mutex // guards what follows
	told map[string]int
}

const maxTold = 50 // kinds that are told apart

func (f *Field) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.told[what]; !known && len(f.told) >= maxTold {
		what = "other"
	}
	f.told[what]++
}

func (f *Field) outcome() Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Outcome{In: f.In.Load(), Out: f.Out.Load(), Replies: f.replies.Load(), Told: f.told}
}

// attacker is the address of attacker i: each has their own.
func attacker(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 66, byte(i / 250), byte(i%250 + 1)})
}

// again is how soon an attacker who was thrown out is back.
const again = 100 * time.Millisecond

// each has n attackers do something again and again, and waits for the end of ctx.
func (f *Field) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for ctx.Err() == nil {
				one, end := context.WithCancel(ctx)
				if err := do(one, i); err != nil && ctx.Err() == nil {
					f.note(why(err))
				}
				end()
				pause(ctx, again)
			}
		})
	}
	all.Wait()
}

// why is an error without what differs from one to the next.
func why(err error) string {
	if e, ok := errors.AsType[*net.OpError](err); ok { // it has addresses
		err = e.Err
	}
	if e, ok := errors.AsType[*os.SyscallError](err); ok {
		err = e.Err
	}
	return err.Error()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// open is a WebSocket of attacker i.
func (f *Field) open(ctx context.Context, i int, target, subprotocol string) (*Conn, error) {
	return open(ctx, &f.Meter, attacker(i), f.Public, target, subprotocol)
}

// ask has attacker i send commands of barrage.v1, one each time, and read all that comes.
func (f *Field) ask(ctx context.Context, i int, target string, every time.Duration, command func(k int) string) error {
	c, err := f.open(ctx, i, target, v1.Subprotocol)
	if err != nil {
		return err
	}
	defer c.Close()
	go f.say(ctx, c, every, command) // ends with the connection
	return f.listen(c)
}

// say sends commands until the connection ends. All have the number k.
func (f *Field) say(ctx context.Context, c *Conn, every time.Duration, command func(k int) string) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for k := 1; ; k++ {
		if err := c.send(fmt.Sprintf(`{"id":%d,%s}`, k, command(k))); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// listen reads all that comes, and notes what is refused.
func (f *Field) listen(c *Conn) error {
	c.text = func(p []byte) {
		f.replies.Add(1)
		if code := codeOf(p); code != "" {
			f.note(code)
		}
	}
	for {
		if err := c.read(); err != nil {
			if c.bye != "" {
				err = errors.New(c.bye)
			}
			return err
		}
	}
}

// codeOf is the error code of a reply, which has it near its beginning.
func codeOf(p []byte) string {
	_, rest, ok := bytes.Cut(p[:min(len(p), 100)], []byte(`"error":{"code":"`))
	if !ok {
		return ""
	}
	code, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(code)
}

// swallow reads all that comes and looks at nothing.
func (f *Field) swallow(c *Conn) error {
	b := make([]byte, 256<<10)
	for {
		if _, err := c.r.Read(b); err != nil {
			return err
		}
	}
}

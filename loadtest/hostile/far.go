// A wire to a Redis that is far away.

package hostile

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// Far takes connections and passes their bytes on, each a while later than it came.
type Far struct {
	listener net.Listener
	to       string
	way      time.Duration // one way
	wg       sync.WaitGroup

	mu    sync.Mutex // guards what follows
	conns []net.Conn
	ended bool
}

// NewFar listens for what is meant for an address; there and back is a round trip.
func NewFar(to string, roundTrip time.Duration) (*Far, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("hostile: a wire: %w", err)
	}
	f := &Far{listener: l, to: to, way: roundTrip / 2}
	f.wg.Go(f.accept)
	return f, nil
}

// Addr is where it listens.
func (f *Far) Addr() string { return f.listener.Addr().String() }

// Close cuts it.
func (f *Far) Close() {
	f.mu.Lock()
	f.ended = true
	for _, c := range f.conns {
		c.Close()
	}
	f.mu.Unlock()
	f.listener.Close()
	f.wg.Wait()
}

func (f *Far) accept() {
	for {
		near, err := f.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", f.to)
		if err != nil {
			near.Close()
			continue
		}
		f.mu.Lock()
		f.conns = append(f.conns, near, far)
		if f.ended {
			near.Close()
			far.Close()
		}
		f.mu.Unlock()
		f.carry(near, far)
		f.carry(far, near)
	}
}

type parcel struct {
	bytes []byte
	due   time.Time
}

// onTheWay is how many parcels a wire holds; the sender waits when it is full.
const onTheWay = 4096

// carry passes on one direction. When either end is closed, so is the other.
func (f *Far) carry(from, to net.Conn) {
	way := make(chan parcel, onTheWay)
	f.wg.Go(func() { // ends with from
		defer close(way)
		for b := make([]byte, 64<<10); ; {
			n, err := from.Read(b)
			if err != nil {
				return
			}
			way <- parcel{append([]byte(nil), b[:n]...), time.Now().Add(f.way)}
		}
	})
	f.wg.Go(func() { // ends with way
		defer to.Close()
		defer from.Close()
		broken := false
		for p := range way {
			time.Sleep(time.Until(p.due)) // the length of the wire
			if broken {
				continue
			}
			if _, err := to.Write(p.bytes); err != nil {
				broken = true
				from.Close()
			}
		}
	})
}

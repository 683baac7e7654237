// From no connection to an open one: pacing, connecting, the upgrade.

package swarm

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gammazero/deque"

	"barrage/frame"
	"barrage/loadtest/plan"
	"barrage/netpoll"
)

const (
	handshakeTimeout = 30 * time.Second
	// comeBackAfter, and up to as much again, is between the tries of a viewer that
	// comes back. It does not grow, as with cenkalti/backoff: a storm is to be one.
	comeBackAfter = 500 * time.Millisecond
	slowBuffer    = 4 << 10 // receive buffer of slow readers, so that the server notices
)

// Reasons for which we close.
const (
	reasonLeft netpoll.CloseReason = netpoll.FirstUserReason + iota
	reasonTimeout
	reasonRefused // the target answered something else
	reasonProtocol
)

// dialer is the pace of connecting.
type dialer struct {
	wanted  int                 // of the worker's viewers, how many have been asked for
	next    int                 // the next that has not been tried
	pending int                 // dialing or upgrading
	pace    pace                // of new connections; not used without a connect rate
	ready   deque.Deque[uint32] // viewers that come back, now
	waiting []comeBack          // and later
}

type comeBack struct {
	k  uint32
	at int64
}

// connect has the first n of the swarm's connections opened; the worker has its
// share of them.
func (w *worker) connect(n int) {
	w.dialer.wanted = max(w.dialer.wanted, (n-w.index+w.swarm.cfg.Threads-1)/w.swarm.cfg.Threads)
	now := w.swarm.cfg.Now()
	w.dialer.pace = newPace(w.share(w.swarm.cfg.Plan.ConnectRate), now, 0)
	w.dial()
}

// dial begins as many connections as may be under way.
func (w *worker) dial() {
	d := &w.dialer
	inflight := max(1, int(w.share(float64(w.swarm.cfg.Plan.Inflight))))
	now := w.swarm.cfg.Now()
	for d.ready.Len() > 0 && d.pending < inflight {
		w.dialOne(d.ready.PopFront())
	}
	limited := w.swarm.cfg.Plan.ConnectRate > 0
	for d.next < d.wanted && d.pending < inflight && (!limited || d.pace.take(now)) {
		d.next++
		w.dialOne(uint32(d.next - 1))
	}
}

func (w *worker) dialOne(k uint32) {
	v, number := &w.viewers[k], w.number(k)
	remote := w.swarm.remotes[w.swarm.greeter.Which(number)]
	cfg := netpoll.DialConfig{Local: source(number, w.swarm.cfg.Plan.Connections, remote.Addr())}
	if v.reads != plan.Reads {
		cfg.ReceiveBuffer = slowBuffer
	}
	w.dialer.pending++
	id, err := w.loop.Dial(remote, cfg)
	if err != nil {
		w.failed(k, cause(err))
		return
	}
	*w.owner.Make(id) = k
	v.id, v.state = id, stateDialing
	w.loop.SetDeadline(id, handshakeTimeout)
}

// cause is what the kernel said.
func cause(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// failed counts an attempt that came to nothing.
func (w *worker) failed(k uint32, why string) {
	v := &w.viewers[k]
	v.state = stateDown
	w.dialer.pending--
	w.sum.Failed++
	g := w.swarm.greeter
	count(w.sum.Failures, g.Targets[g.Which(w.number(k))].Address+": "+why)
	if v.flags&flagComeBack != 0 {
		wait := comeBackAfter + rand.N(comeBackAfter)
		w.dialer.waiting = append(w.dialer.waiting, comeBack{k, w.swarm.cfg.Now() + int64(wait)})
	}
}

// comeBack makes those ready that have waited long enough.
func (w *worker) comeBack(now int64) {
	w.dialer.waiting = slices.DeleteFunc(w.dialer.waiting, func(c comeBack) bool {
		if c.at <= now {
			w.dialer.ready.PushBack(c.k)
		}
		return c.at <= now
	})
}

// Opened asks for the upgrade. Handler.
func (w *worker) Opened(id netpoll.ID) {
	k, s := *w.owner.At(id), w.swarm
	number := w.number(k)
	who, err := s.who(number, w.viewers[k].room, s.greeter.TokenInRequest)
	if err != nil {
		w.refused(k, id, err.Error())
		return
	}
	if s.cfg.Plan.IsPlain() {
		w.viewers[k].state = stateUpgrading
		w.greet(k, id)
		return
	}
	path, headers := s.greeter.Request(number, &who)
	req, err := frame.AppendClientRequest(w.wrote[:0], frame.ClientRequest{
		Target: path, Host: s.greeter.Targets[s.greeter.Which(number)].Host, Key: w.key,
		Subprotocols: s.cfg.Plan.Subprotocols, Deflate: s.cfg.Plan.Deflate, Header: headers, Plain: s.cfg.Plan.IsStream(),
	})
	if err != nil {
		w.refused(k, id, err.Error())
		return
	}
	w.wrote = req
	w.viewers[k].state = stateUpgrading
	w.loop.Queue(id, req)
}

// upgrading reads the answer to the upgrade and returns what follows it. It comes in
// pieces, for thousands of connections at a time, which net/http.ReadResponse would
// need a goroutine each for.
func (w *worker) upgrading(k uint32, id netpoll.ID, p []byte) (rest []byte, open bool) {
	head := p
	if kept := w.heads[id]; kept != nil {
		head = append(kept, p...)
	}
	if w.swarm.cfg.Plan.IsPlain() {
		return w.entering(k, id, head)
	}
	res, n, err := frame.ParseResponse(head)
	switch {
	case err != nil:
		w.refused(k, id, "not an answer to an upgrade: "+firstLine(head))
		return nil, false
	case n == 0:
		w.heads[id] = append([]byte(nil), head...)
		return nil, false
	}
	delete(w.heads, id)
	want := 101
	if w.swarm.cfg.Plan.IsStream() {
		want = 200
	}
	if res.Status != want {
		w.refused(k, id, strings.TrimSuffix(firstLine(head)+": "+firstLine(head[n:]), ": "))
		return nil, false
	}
	if err := w.accept(k, &res); err != nil {
		w.refused(k, id, err.Error())
		return nil, false
	}
	w.opened(k, id)
	return head[n:], true
}

// entering reads the answer to what a viewer without a request says first.
func (w *worker) entering(k uint32, id netpoll.ID, p []byte) (rest []byte, open bool) {
	for {
		line, rest, whole := bytes.Cut(p, lineEnd)
		switch {
		case !whole:
			w.heads[id] = append([]byte(nil), p...)
			return nil, false
		case plan.Entered(line):
			delete(w.heads, id)
			w.opened(k, id)
			return rest, true
		case w.swarm.cfg.Plan.Refused(line):
			w.refused(k, id, firstLine(line))
			return nil, false
		}
		p = rest
	}
}

var lineEnd = []byte{'\n'}

// accept checks that the answer is an upgrade on our terms, and notes whether
// the connection may compress.
func (w *worker) accept(k uint32, res *frame.Response) error {
	p, v := &w.swarm.cfg.Plan, &w.viewers[k]
	v.flags &^= flagDeflate
	if p.IsStream() {
		return nil
	}
	if !p.Deflate {
		return res.CheckAccept(w.key, p.Subprotocols)
	}
	agreed, err := res.CheckAcceptDeflate(w.key, p.Subprotocols)
	if agreed {
		v.flags |= flagDeflate
		w.sum.Deflated++
	}
	return err
}

func (w *worker) refused(k uint32, id netpoll.ID, answer string) {
	w.failed(k, answer)
	w.loop.Close(id, reasonRefused)
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b[:min(len(b), 120)]), "\n")
	return strings.ToValidUTF8(strings.TrimSpace(line), "?")
}

// opened is the end of a successful upgrade.
func (w *worker) opened(k uint32, id netpoll.ID) {
	v := &w.viewers[k]
	v.state = stateOpen
	v.flags &^= flagComeBack | flagByServer
	w.dialer.pending--
	w.sum.Open++
	w.sum.Opened++
	w.sum.Handshake = w.swarm.cfg.Now()
	w.loop.SetDeadline(id, 0)
	if w.swarm.greeter.Speaks() && !w.swarm.cfg.Plan.IsPlain() {
		w.greet(k, id)
	}
	w.expect(k, w.sum.Handshake+w.swarm.cfg.Plan.Settle.Nanoseconds())
	switch v.reads {
	case plan.Stalls:
		w.loop.Pause(id)
	case plan.ReadsSlowly:
		w.loop.Pause(id)
		w.slow = append(w.slow, slowRead{k: k, id: id})
	}
	w.dial()
}

// greet sends what a viewer says first.
func (w *worker) greet(k uint32, id netpoll.ID) {
	g := w.swarm.greeter
	who, err := w.swarm.who(w.number(k), w.viewers[k].room, g.TokenInMessages)
	if err != nil {
		return // cannot happen: New has tried it, and users differ by digits
	}
	for _, m := range g.Messages(&who) {
		w.send(id, opcode(m.Binary), m.Payload)
	}
}

func opcode(binary bool) frame.Opcode {
	if binary {
		return frame.Binary
	}
	return frame.Text
}

// Expired ends an attempt that takes too long. Handler.
func (w *worker) Expired(id netpoll.ID) { w.loop.Abort(id, reasonTimeout) }

// Closed counts the end of a connection or of an attempt. Handler.
func (w *worker) Closed(id netpoll.ID, reason netpoll.CloseReason) {
	k := *w.owner.At(id)
	v := &w.viewers[k]
	delete(w.heads, id)
	delete(w.lines, id)
	if asm := w.partial[id]; asm != nil {
		asm.Reset()
		delete(w.partial, id)
	}
	if v.id != id {
		return // it is dialled again already
	}
	switch v.state {
	case stateDialing, stateUpgrading:
		w.failed(k, w.why(v.state, reason))
	case stateOpen:
		w.sum.Open--
		w.lost(k, reason.String())
	case stateLeaving:
		v.state = stateDown
		w.dialer.ready.PushBack(k)
	}
	w.dial()
}

func (w *worker) why(state viewerState, reason netpoll.CloseReason) string {
	switch {
	case reason == reasonTimeout:
		return fmt.Sprintf("no answer within %v", handshakeTimeout)
	case state == stateUpgrading:
		return "closed before it answered (" + reason.String() + ")"
	case reason == netpoll.Refused:
		return "connection refused"
	}
	return "could not connect (" + reason.String() + ")"
}

// lost counts a connection that the server or the network ended. Its messages
// are still expected.
func (w *worker) lost(k uint32, why string) {
	v := &w.viewers[k]
	v.state = stateDown
	if v.flags&flagByServer == 0 {
		w.sum.Closed++
		count(w.sum.ClosedBy, why)
	}
}

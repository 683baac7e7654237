// What arrives: frames, their stamps, and who reads how fast.

package swarm

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"time"

	"barrage/frame"
	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
	"barrage/netpoll"
)

// Data reads. Handler.
func (w *worker) Data(id netpoll.ID, p []byte) {
	k := *w.owner.At(id)
	v := &w.viewers[k]
	w.now = w.swarm.cfg.Now()
	w.sum.Bytes += uint64(len(p))
	if v.state != stateOpen {
		if v.state != stateUpgrading {
			return
		}
		rest, open := w.upgrading(k, id, p)
		if !open || len(rest) == 0 {
			return
		}
		p = rest
	}
	if v.reads == plan.ReadsSlowly {
		w.pauseSlow(k, id, len(p))
	}
	w.sum.Reads++
	w.cur = k
	if plan := &w.swarm.cfg.Plan; plan.IsStream() || plan.IsPlain() {
		if whole := w.wholeLines(id, p); plan.IsPlain() {
			w.plain(id, whole)
		} else {
			_ = w.Message(frame.Text, whole) // nothing of it is answered, nor refuses
		}
		return
	}
	asm := w.partial[id]
	if asm == nil {
		asm = w.scratch
		asm.Deflate = v.flags&flagDeflate != 0
	}
	if err := asm.Feed(p, &w.limits, w); err != nil {
		asm.Reset()
		w.broken(id, err)
		return
	}
	switch idle := asm.Idle(); {
	case idle && asm != w.scratch:
		delete(w.partial, id)
	case !idle && asm == w.scratch:
		w.partial[id] = asm
		w.scratch = &frame.Assembler{Client: true}
	}
}

// wholeLines takes bytes of an event stream, of which each event is a line of data, with some
// others, or of plain TCP, and returns the lines that have ended.
func (w *worker) wholeLines(id netpoll.ID, p []byte) (whole []byte) {
	end := bytes.LastIndexByte(p, '\n') + 1
	whole, rest := p[:end], p[end:]
	if kept := w.lines[id]; kept != nil {
		if end == 0 {
			w.lines[id] = append(kept, rest...)
			return nil
		}
		whole = append(kept, whole...)
		delete(w.lines, id)
	}
	if len(rest) > 0 {
		w.lines[id] = append([]byte(nil), rest...)
	}
	return whole
}

// plain takes lines of plain TCP, each of which is a message.
func (w *worker) plain(id netpoll.ID, lines []byte) {
	for line := range bytes.Lines(lines) {
		if bytes.Equal(line, plainPing) {
			w.sum.Pings++
			w.send(id, frame.Text, nil) // any line is an answer
			continue
		}
		if err := w.Message(frame.Text, line); err != nil {
			w.broken(id, err)
			return
		}
	}
}

var plainPing = []byte(`{"push":"ping"}` + "\n")

// broken ends a connection whose server broke the protocol, or ended it with a
// close frame.
func (w *worker) broken(id netpoll.ID, err error) {
	var fe *frame.Error
	if errors.As(err, &fe) {
		w.byServer("protocol error: " + fe.Reason)
	}
	w.loop.Close(id, reasonProtocol)
}

// errClosed ends the reading of a connection behind a close frame.
var errClosed = errors.New("swarm: close frame")

// Message counts the messages in one of the server's: in a batch, or from a
// server that puts several into one frame, there are as many as stamps.
// frame.Handler.
func (w *worker) Message(op frame.Opcode, payload []byte) error {
	found := false
	if w.finder != nil {
		for rest := payload; ; {
			var s stamp.Stamp
			var ok bool
			if s, rest, ok = w.finder.Next(rest); !ok {
				break
			}
			found = true
			w.arrived(s)
		}
	}
	if found {
		w.sum.Arrived = w.now
		w.sum.Frames++
	}
	if !found && op == frame.Text {
		return w.word(payload)
	}
	return nil
}

// word takes a text that is no message of the test: some ask for an answer, and
// some tell that the viewer will get nothing. The rest is the protocol's.
func (w *worker) word(payload []byte) error {
	p := &w.swarm.cfg.Plan
	if answer, ok := p.Answers[string(payload)]; ok {
		w.send(w.viewers[w.cur].id, frame.Text, []byte(answer))
	}
	if p.Refused(payload) {
		w.byServer("said " + firstLine(payload))
		return errClosed
	}
	return nil
}

// byServer counts that the server, by what it sent, ended the connection that is
// being read.
func (w *worker) byServer(why string) {
	if v := &w.viewers[w.cur]; v.flags&flagByServer == 0 {
		w.sum.Closed++
		count(w.sum.ClosedBy, why)
		v.flags |= flagByServer
	}
}

// arrived counts one message.
func (w *worker) arrived(s stamp.Stamp) {
	v := &w.viewers[w.cur]
	if v.reads != plan.Reads {
		w.tally.Counts.ToSlow++
		return
	}
	first, end := w.tracksOf(w.cur)
	if s.Room != v.room || s.Lane >= end-first || v.flags&flagExpects == 0 {
		w.tally.Counts.Misrouted++
		return
	}
	t := first + s.Lane
	if !w.tally.Receive(uint64(t), &w.tracks[t], s.Seq) {
		return
	}
	took := w.now - s.Due
	w.hist.Record(took)
	if took > w.late {
		w.tally.Counts.Late++
	}
}

// Control answers pings and notes why the server closes. frame.Handler.
func (w *worker) Control(op frame.Opcode, payload []byte) error {
	v := &w.viewers[w.cur]
	switch op {
	case frame.Ping:
		w.sum.Pings++
		w.send(v.id, frame.Pong, payload)
	case frame.Close:
		code, reason := frame.ParseClose(payload)
		w.send(v.id, frame.Close, payload)
		if v.state == stateOpen {
			w.byServer(closeName(code, reason))
		}
		return errClosed
	}
	return nil
}

func closeName(code uint16, reason string) string {
	name := strconv.Itoa(int(code))
	if reason != "" {
		name += " " + reason
	}
	return name
}

// Drained has nothing to do: what a viewer sends is queued whole. Handler.
func (w *worker) Drained(netpoll.ID) {}

// send sends one message. The mask is zero, which is a legal mask (RFC 6455
// section 5.3 wants it unpredictable for the sake of proxies that caches could
// be poisoned in; a load test has none).
func (w *worker) send(id netpoll.ID, op frame.Opcode, payload []byte) {
	if w.swarm.cfg.Plan.IsPlain() {
		w.wrote = append(append(w.wrote[:0], payload...), '\n')
		w.loop.Queue(id, w.wrote)
		return
	}
	encode := frame.AppendMasked
	if data := op == frame.Text || op == frame.Binary; data && w.viewers[*w.owner.At(id)].flags&flagDeflate != 0 {
		encode = frame.AppendMaskedDeflated // as browsers do, whether or not it shrinks
	}
	w.wrote = encode(w.wrote[:0], op, [4]byte{}, payload)
	w.loop.Queue(id, w.wrote)
}

// slowRead is a viewer that is not read from before a time.
type slowRead struct {
	k  uint32
	id netpoll.ID
	at int64
}

// pauseSlow has a slow viewer read no more until n bytes are paid for.
func (w *worker) pauseSlow(k uint32, id netpoll.ID, n int) {
	w.loop.Pause(id)
	wait := time.Duration(n) * time.Second / time.Duration(max(1, w.swarm.cfg.Plan.SlowRate))
	w.slow = append(w.slow, slowRead{k, id, w.now + int64(wait)})
}

func (w *worker) readSlowly(now int64) {
	w.slow = slices.DeleteFunc(w.slow, func(s slowRead) bool {
		if v := &w.viewers[s.k]; v.id != s.id || v.state != stateOpen {
			return true
		}
		if s.at <= now {
			w.loop.Resume(s.id)
		}
		return s.at <= now
	})
}

// What is told of single connections while somebody wants to know it. Where nobody does,
// connections pay for it with a bit that is not set, and what rooms say with nothing: it goes
// through another sink only while the loop has a Tracer.

package conn

// Tracer is told what connections of a loop do. It is called on the loop's goroutine, must
// not block, and does nothing to connections.
type Tracer interface {
	// Opened is called for each connection that is let in, Identified for each that has said
	// who it is, and Answered for each request that has not become a connection.
	Opened(o *Opening)
	Identified(c *Client)
	Answered(id ID, a *Answer)

	// The others are for those connections that Trace was called for. Got takes a message
	// of the peer, Gave one for it.
	Got(id ID, binary bool, payload []byte)
	Gave(id ID, binary bool, payload []byte)
	Pinged(id ID)
	Skipped(id ID, room string, messages uint64)
	Ending(id ID, code uint16, text string)
	Ended(id ID, reason Reason)
}

// Answer is how a request was answered.
type Answer struct {
	Protocol string // "" if it was for none
	User     string // as far as it was known by then
	Key      string
	Rooms    []string
	Status   int
	Code     string // of a refusal
	Text     string // for people
}

// Words say what a message is.
type Words struct {
	What   string // a command, a push, ok, error, text, binary
	Room   string
	Kind   string
	ID     uint64 // of a command, or of what one is answered with
	Count  int    // of messages in it, if it is made of several
	Error  string // the code of a refusal
	Secret bool   // nobody is to see the rest
}

// Describer is a Protocol that can say what its messages are; got is for those of the peer.
type Describer interface {
	Describe(id ID, got, binary bool, payload []byte) Words
}

// Unframer is a Transport that can read what rooms are told through it.
type Unframer interface {
	// Unframe reads the frame that p begins with, and returns its length. A frame that is no
	// message is a ping.
	Unframe(p []byte) (n int, message, binary bool, payload []byte)
}

// SetTracer has t told what connections do from now on; nil: nobody. Before, Trace(id,
// false) is to be called for those that were traced.
func (l *Loop) SetTracer(t Tracer) {
	l.tracer = t
	if t == nil {
		l.fan.Redirect(&sink{l})
		return
	}
	l.fan.Redirect(&tracedSink{sink{l}})
}

// Tracer is who is told, nil if nobody is.
func (l *Loop) Tracer() Tracer { return l.tracer }

// Trace has all be told of a connection, or no more.
func (l *Loop) Trace(id ID, on bool) {
	if l.sessions.At(id).flags &^= flagTraced; on {
		l.sessions.At(id).flags |= flagTraced
	}
}

func (l *Loop) traced(id ID) bool { return l.sessions.At(id).flags&flagTraced != 0 }

// Describe says what a message of a connection is.
func (l *Loop) Describe(id ID, got, binary bool, payload []byte) Words {
	if k := l.kind(id); k != nil {
		if d, ok := k.Protocol.(Describer); ok {
			return d.Describe(id, got, binary, payload)
		}
	}
	return Plain(binary)
}

// Plain are the words for a message that is what its payload is.
func Plain(binary bool) Words {
	if binary {
		return Words{What: "binary"}
	}
	return Words{What: "text"}
}

// tracedSink is the sink of a loop with a Tracer.
type tracedSink struct{ sink }

// Send implements fanout.Sink.
func (s *tracedSink) Send(sub uint32, p []byte) int {
	n := s.sink.Send(sub, p)
	s.loop.said(ID(sub), p, n)
	return n
}

// Sendv implements fanout.Sink. Each slice is whole frames.
func (s *tracedSink) Sendv(sub uint32, bufs [][]byte) int {
	n := s.sink.Sendv(sub, bufs)
	for left := n; left > 0; bufs = bufs[1:] {
		s.loop.said(ID(sub), bufs[0], min(left, len(bufs[0])))
		left -= len(bufs[0])
	}
	return n
}

// Skipped implements fanout.Sink.
func (s *tracedSink) Skipped(sub uint32, room string, n, from, to uint64) {
	if id := ID(sub); s.loop.traced(id) {
		s.loop.tracer.Skipped(id, room, n)
	}
	s.sink.Skipped(sub, room, n, from, to)
}

// said tells of the frames in p of which the socket took something: n bytes are gone, and
// the rest of a frame that has begun follows.
func (l *Loop) said(id ID, p []byte, n int) {
	if !l.traced(id) {
		return
	}
	k := l.kind(id)
	if k == nil {
		return
	}
	u, ok := k.Transport.(Unframer)
	for at := 0; ok && at < n; {
		size, message, binary, payload := u.Unframe(p[at:])
		if message {
			l.tracer.Gave(id, binary, payload)
		} else {
			l.tracer.Pinged(id)
		}
		at += max(1, size)
	}
}

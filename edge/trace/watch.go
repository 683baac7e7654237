// What a loop's connections do, as lines.

package trace

import (
	"slices"
	"strconv"

	"barrage/edge/conn"
	"barrage/internal/bounds"
)

// watch implements conn.Tracer. Owner: the loop's goroutine. A loop has one while a trace
// holds.
type watch struct {
	tracing *Tracing
	loop    *conn.Loop
	traces  []*trace
	conns   map[conn.ID]*watched
}

// watched is a connection that some of the traces are of.
type watched struct {
	traces []*trace
	name   string // that it is called by in lines
	user   string
}

// watchOf is the loop's.
func watchOf(t *Tracing, l *conn.Loop) *watch {
	if w, ok := l.Tracer().(*watch); ok {
		return w
	}
	return &watch{tracing: t, loop: l, conns: make(map[conn.ID]*watched)}
}

// begin looks for connections that a new trace is of.
func (w *watch) begin(x *trace) {
	if x.ended.Load() {
		return
	}
	if w.traces = append(w.traces, x); len(w.traces) == 1 {
		w.loop.SetTracer(w)
	}
	for id := range w.loop.OpenIDs() {
		c := w.loop.Client(id)
		user, name := "", ""
		if c != nil {
			user, name = c.User(), w.loop.Loops().ConnName(c.Serial)
		}
		if x.of(w.loop, id, user, name) && w.take(id, x) {
			l := w.describe(id)
			l.Event, l.Rooms = eventHere, slices.Sorted(w.loop.Rooms(id))
			x.add(l)
		}
	}
}

// end forgets a trace.
func (w *watch) end(x *trace) {
	w.traces = slices.DeleteFunc(w.traces, func(other *trace) bool { return other == x })
	for id, c := range w.conns {
		w.leave(id, c, x)
	}
	if len(w.traces) == 0 {
		w.loop.SetTracer(nil)
	}
}

func (w *watch) leave(id conn.ID, c *watched, x *trace) {
	if !slices.Contains(c.traces, x) {
		return
	}
	c.traces = slices.DeleteFunc(c.traces, func(other *trace) bool { return other == x })
	x.conns.Add(-1)
	if len(c.traces) == 0 {
		delete(w.conns, id)
		w.loop.Trace(id, false)
	}
}

// of tells whether a trace is of a connection.
func (x *trace) of(l *conn.Loop, id conn.ID, user, name string) bool {
	switch {
	case x.User != "":
		return user == x.User
	case x.Conn != "":
		return name == x.Conn
	}
	return x.Network.Contains(l.Source(id).Addr())
}

// take has a trace be told of a connection.
func (w *watch) take(id conn.ID, x *trace) bool {
	if x.conns.Add(1) > bounds.TracedConns {
		x.conns.Add(-1)
		x.mu.Lock()
		x.leftOut++
		x.mu.Unlock()
		return false
	}
	c := w.conns[id]
	if c == nil {
		c = &watched{name: w.nameOf(id)}
		if k := w.loop.Client(id); k != nil {
			c.user = k.User()
		}
		w.conns[id] = c
		w.loop.Trace(id, true)
	}
	c.traces = append(c.traces, x)
	return true
}

// nameOf is the connection's name, or, if it has none, which one it is on this node.
func (w *watch) nameOf(id conn.ID) string {
	if c := w.loop.Client(id); c != nil {
		return w.loop.Loops().ConnName(c.Serial)
	}
	return w.tracing.cfg.Node + ":" + strconv.Itoa(w.loop.Index()) + "." + strconv.FormatUint(uint64(id), 10)
}

// describe begins a line that says what a connection is.
func (w *watch) describe(id conn.ID) Line {
	l := Line{
		Node: w.tracing.cfg.Node, Conn: w.nameOf(id), Address: w.loop.Remote(id).String(),
		Protocol: w.tracing.cfg.Protocol(w.loop.KindOf(id)),
	}
	if c := w.loop.Client(id); c != nil {
		l.User, l.Key, l.Device = c.User(), c.Rights.Key(), w.loop.Device(c)
	}
	return l
}

// Opened implements conn.Tracer.
func (w *watch) Opened(o *conn.Opening) {
	user := ""
	if o.Identity != nil {
		user = o.Identity.User
	}
	name := w.nameOf(o.ID)
	for _, x := range w.traces {
		if x.of(w.loop, o.ID, user, name) && w.take(o.ID, x) {
			l := w.describe(o.ID)
			l.Event, l.Rooms = eventOpen, o.Rooms
			x.add(l)
		}
	}
}

// Identified implements conn.Tracer.
func (w *watch) Identified(c *conn.Client) {
	user := c.User()
	known := w.conns[c.ID]
	if known != nil && known.user == user {
		return
	}
	for _, x := range w.traces {
		if known != nil && slices.Contains(known.traces, x) || x.of(w.loop, c.ID, user, w.nameOf(c.ID)) && w.take(c.ID, x) {
			l := w.describe(c.ID)
			l.Event = eventIdentity
			x.add(l)
		}
	}
	if known != nil {
		known.user = user
	}
}

// Answered implements conn.Tracer.
func (w *watch) Answered(id conn.ID, a *conn.Answer) {
	for _, x := range w.traces {
		if x.of(w.loop, id, a.User, "") {
			x.add(Line{
				Node: w.tracing.cfg.Node, Event: eventAnswer, Address: w.loop.Remote(id).String(), Protocol: a.Protocol,
				User: a.User, Key: a.Key, Rooms: a.Rooms, Status: a.Status, Error: a.Code, Reason: a.Text,
			})
		}
	}
}

// Got implements conn.Tracer.
func (w *watch) Got(id conn.ID, binary bool, payload []byte) {
	w.message(id, eventGot, binary, payload)
}

// Gave implements conn.Tracer.
func (w *watch) Gave(id conn.ID, binary bool, payload []byte) {
	w.message(id, eventGave, binary, payload)
}

func (w *watch) message(id conn.ID, event string, binary bool, payload []byte) {
	is := w.loop.Describe(id, event == eventGot, binary, payload)
	l := Line{Event: event, What: is.What, Room: is.Room, Kind: is.Kind, ID: is.ID, Count: uint64(is.Count), Bytes: len(payload), Error: is.Error}
	for _, x := range w.conns[id].traces {
		l.Payload, l.Cut = nil, false
		if x.Payloads && !is.Secret {
			l.show(payload)
		}
		w.tell(id, x, l)
	}
}

// tell tells one trace what a connection does.
func (w *watch) tell(id conn.ID, x *trace, l Line) {
	c := w.conns[id]
	l.Node, l.Conn, l.User = w.tracing.cfg.Node, c.name, c.user
	if !x.add(l) {
		w.tracing.lost.Add(1)
	}
}

func (w *watch) tellAll(id conn.ID, l Line) {
	for _, x := range w.conns[id].traces {
		w.tell(id, x, l)
	}
}

// Pinged implements conn.Tracer.
func (w *watch) Pinged(id conn.ID) { w.tellAll(id, Line{Event: eventPing}) }

// Skipped implements conn.Tracer.
func (w *watch) Skipped(id conn.ID, room string, messages uint64) {
	w.tellAll(id, Line{Event: eventSkip, Room: room, Count: messages})
}

// Ending implements conn.Tracer.
func (w *watch) Ending(id conn.ID, code uint16, text string) {
	w.tellAll(id, Line{Event: eventClosing, Code: int(code), Reason: text})
}

// Ended implements conn.Tracer.
func (w *watch) Ended(id conn.ID, reason conn.Reason) {
	w.tellAll(id, Line{Event: eventClosed, Reason: reason.String()})
	c := w.conns[id]
	for _, x := range slices.Clone(c.traces) {
		w.leave(id, c, x)
	}
}

// A loop: what a door and protocols may do with its connections.

package conn

import (
	"sync/atomic"
	"time"

	"barrage/internal/paged"
	"barrage/netpoll"
)

// Loop is one event loop's connections. See the package comment for who may call it.
type Loop struct {
	Members
	loops *Loops
	net   *netpoll.Loop
	door  Door
	kinds []Kind
	index uint8 // in Loops.all

	sessions paged.Table[ID, session]
	sources  paged.Table[ID, source] // of those that came through a proxy, or are counted by address
	peers    [recentPeers]recentPeer
	watches  map[ID]watch // of those with flagBlocked, and of some with flagPinged
	expiries expiries
	ticks    []func()
	tracer   Tracer // nil: nothing is traced

	unfinished unfinished

	read    Read   // the one under way
	out     []byte // scratch
	drain   drainState
	drained atomic.Bool // every session has been told; read by Loops.Drain
}

func newLoop(s *Loops, i int) *Loop {
	l := &Loop{
		loops: s, Members: Members{fan: s.cfg.Hub.Shard(i), observer: s.cfg.Observer}, index: uint8(i), // fanout.MaxShards is 64
		watches:    make(map[ID]watch),
		unfinished: unfinished{bound: s.cfg.UnfinishedBytes / s.cfg.Loops, holders: make(map[ID]*holder)},
	}
	l.read.loop = l
	return l
}

// Loops are all of the server's.
func (l *Loop) Loops() *Loops { return l.loops }

// Index is the loop's among Loops.All.
func (l *Loop) Index() int { return int(l.index) }

// OnTick has f called at every tick of the loop's clock. Before it starts.
func (l *Loop) OnTick(f func()) { l.ticks = append(l.ticks, f) }

// kind is what a connection is, nil before it is opened.
func (l *Loop) kind(id ID) *Kind {
	if n := l.sessions.At(id).kind(); n > 0 {
		return &l.kinds[n-1]
	}
	return nil
}

// KindOf is the index of an open connection's kind.
func (l *Loop) KindOf(id ID) int { return l.sessions.At(id).kind() - 1 }

// Take counts a socket as a connection, against the limits, if it does not count yet.
func (l *Loop) Take(id ID) error {
	if l.Taken(id) {
		return nil
	}
	if l.loops.open.Add(1) > int64(l.loops.cfg.MaxConnections) {
		l.loops.open.Add(-1)
		return ErrFull
	}
	if !l.takeAddress(id) {
		l.loops.open.Add(-1)
		return ErrAddress
	}
	l.sessions.At(id).flags |= flagCounted
	return nil
}

// Plain tells whether a socket is of a plain listener.
func (l *Loop) Plain(id ID) bool { return l.sessions.At(id).flags&flagPlain != 0 }

// Taken tells whether a socket counts as a connection.
func (l *Loop) Taken(id ID) bool { return l.sessions.At(id).flags&flagCounted != 0 }

// GiveBack undoes Take, if there is something to undo.
func (l *Loop) GiveBack(id ID) {
	ses := l.sessions.At(id)
	if ses.flags&flagCounted == 0 {
		return
	}
	ses.flags &^= flagCounted
	l.loops.open.Add(-1)
	l.giveAddress(id)
}

// Hold keeps a socket until Release, or for longest until the door's Late; 0 is for
// ever. Nothing is read from it meanwhile.
func (l *Loop) Hold(id ID, longest time.Duration) {
	l.sessions.At(id).become(stateWaiting)
	l.net.Pause(id)
	l.net.SetDeadline(id, longest)
}

// Release undoes Hold.
func (l *Loop) Release(id ID) {
	l.sessions.At(id).become(stateHandshake)
	l.net.Resume(id)
}

// Open makes a socket a connection of the kind with this index, whose protocol sends
// the answer. rest is what came behind the request.
func (l *Loop) Open(id ID, kind int, o *Opening, answer, rest []byte) {
	ses, k := l.sessions.At(id), &l.kinds[kind]
	ses.state = uint8(kind+1)<<stateBits | stateOpen
	l.door.Closed(id)
	o.ID, o.loop, o.answer = id, l, answer
	k.Open(o)
	if c := k.Client(id); c != nil && c.Known() {
		l.observer.Connected(c, l.Remote(id))
	}
	if len(rest) > 0 && ses.is(stateOpen) {
		k.Data(l.begin(id), rest)
	}
}

// Respond sends p as the last bytes, behind what is queued, and closes the socket within
// limit.
func (l *Loop) Respond(id ID, p []byte, reason Reason, limit time.Duration) {
	l.net.Queue(id, p)
	l.sessions.At(id).become(stateClosing)
	l.net.Shutdown(id, netpoll.CloseReason(reason), limit)
}

// Reply sends p to a socket that the door goes on reading. It returns false if the peer does
// not read what it asked for.
func (l *Loop) Reply(id ID, p []byte) bool {
	l.net.Queue(id, p)
	l.net.SetDeadline(id, l.loops.cfg.HandshakeTimeout)
	return l.net.Queued(id) == 0
}

// Guard is for what is done for one connection outside of its own events: a panic
// costs only that connection.
func (l *Loop) Guard(id ID, f func()) { l.net.Guard(id, func(ID) { f() }) }

// Do has f run on the loop. A panic of f ends the process. Any goroutine.
func (l *Loop) Do(f func()) { l.net.Post(f) }

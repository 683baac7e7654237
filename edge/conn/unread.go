// What peers have not read of their answers: a bound for all of them together.

package conn

import "barrage/netpoll"

// Unread is how many bytes wait in the queues of all connections.
func (s *Loops) Unread() int64 {
	n := int64(0)
	for _, l := range s.all {
		n += l.net.AllQueued()
	}
	return n
}

// Short tells whether so much waits that no large answers should be given any more.
func (s *Loops) Short() bool { return s.Unread() > int64(s.cfg.MaxUnread)/2 }

// shed closes those of the loop that have the most waiting, while all have too much. They
// read nothing, so there is no last word: what waits for them in the kernel goes, too.
func (l *Loop) shed() {
	for l.loops.Unread() > int64(l.loops.cfg.MaxUnread) {
		id, ok := l.net.LongestQueue()
		if !ok {
			return // the other loops' are longer
		}
		l.net.Abort(id, netpoll.CloseReason(Unread))
	}
}

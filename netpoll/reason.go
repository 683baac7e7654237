// Why connections end: the transport's own reasons.

package netpoll

import "golang.org/x/sys/unix"

// CloseReason says why a connection was closed. Values from FirstUserReason on
// belong to the loop's user.
type CloseReason uint8

// The transport's own reasons.
const (
	PeerClosed   CloseReason = iota + 1 // the peer sent FIN
	PeerReset                           // RST, or a write to a closed peer
	PeerLost                            // keepalive or TCP_USER_TIMEOUT gave up on it, or it cannot be reached
	SocketError                         // any other error of read, send or epoll
	HandlerPanic                        // the handler panicked on this connection's event
	LoopStopped                         // Stop was called
	QueueFull                           // more unsent bytes than Config.MaxQueue
	Refused                             // Dial: nobody listens there

	FirstUserReason CloseReason = 32
)

// String returns the reason in the form used in logs and metric labels, or
// "unknown" for reasons that are not the transport's.
func (r CloseReason) String() string {
	switch r {
	case PeerClosed:
		return "peer_closed"
	case PeerReset:
		return "peer_reset"
	case PeerLost:
		return "peer_lost"
	case SocketError:
		return "socket_error"
	case HandlerPanic:
		return "panic"
	case LoopStopped:
		return "stopped"
	case QueueFull:
		return "queue_full"
	case Refused:
		return "refused"
	}
	return "unknown"
}

func reasonOf(errno unix.Errno) CloseReason {
	switch errno {
	case unix.ECONNRESET, unix.EPIPE, unix.ECONNABORTED:
		return PeerReset
	case unix.ETIMEDOUT, unix.EHOSTUNREACH, unix.ENETUNREACH:
		return PeerLost
	case unix.ECONNREFUSED:
		return Refused
	}
	return SocketError
}

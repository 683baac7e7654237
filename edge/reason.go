// Why connections end, and what the peer is told.

package edge

import (
	"barrage/frame"
	"barrage/netpoll"
)

// The server's own close reasons, after netpoll's. The names String gives them
// are used in logs, metric labels and tests alike.
const (
	closeNormal       = netpoll.FirstUserReason + iota // the peer sent a close frame
	closeServed                                        // an HTTP response was sent
	closeRefused                                       // a handshake was refused
	closeCrowded                                       // more sockets than MaxSockets
	closeHandshake                                     // no complete request within the handshake timeout
	closeProtocol                                      // the peer broke RFC 6455
	closeTooBig                                        // a message over the limit
	closePolicy                                        // too many fragments
	closeFlood                                         // far over the publish or control-frame rate
	closeUnfinished                                    // half a message for longer than the frame timeout
	closeUnresponsive                                  // a ping was not answered
	closeSlow                                          // took no byte for too long, or fell behind with SlowClose
	closeDrain                                         // the server is stopping
	closeNoAuth                                        // no token within the time for it
	closeTokenExpired                                  // the token was not renewed
	closeKicked                                        // sent away by an operator
	numCloseReasons
)

var closeNames = [...]string{
	"normal", "served", "refused", "crowded", "handshake_timeout", "protocol_error", "too_big", "policy", "flood",
	"unfinished_message", "ping_timeout", "slow", "drain",
	"no_token", "token_expired", "kicked",
}

func closeName(r netpoll.CloseReason) string {
	if r < netpoll.FirstUserReason {
		return r.String()
	}
	return closeNames[r-netpoll.FirstUserReason]
}

// Close codes of Barrage's own. Those from 4200 on mean: do not come back by
// yourself. 1011 and 1013 are never sent: after a panic nobody knows what the peer
// has got of the last frame, and who is too many is refused before the upgrade.
const (
	CloseTokenExpired = 4101 // reconnect with a new token
	CloseDismissed    = 4103 // sent away by an operator, who wants it back
	CloseSlow         = 4108 // too slow for its rooms
	CloseKicked       = 4200 // sent away for good
	CloseNoAuth       = 4201 // did not say who it is in time
)

// mayReconnect tells what a close code means to a client.
func mayReconnect(code uint16) bool {
	switch code {
	case frame.CloseProtocol, frame.CloseInvalidPayload, frame.ClosePolicy, frame.CloseTooBig:
		return false
	}
	return code < 4200 || code > 4999
}

// reasonOfCode maps the close code of a protocol violation to a close reason.
func reasonOfCode(code uint16) netpoll.CloseReason {
	switch code {
	case frame.CloseTooBig:
		return closeTooBig
	case frame.ClosePolicy:
		return closePolicy
	}
	return closeProtocol
}

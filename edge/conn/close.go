// Why connections end, and what the peer is told.

package conn

import (
	"math/rand/v2"
	"time"

	"barrage/netpoll"
)

// Reason is why a connection ended: netpoll's reasons, and from Normal on these. The
// names String gives them are used in logs, metric labels and tests alike.
type Reason netpoll.CloseReason

// The reasons that are not netpoll's.
const (
	Normal       = Reason(netpoll.FirstUserReason) + iota // the peer said goodbye
	Served                                                // an HTTP response was sent
	Refused                                               // a handshake was refused
	Crowded                                               // more sockets than MaxSockets
	Handshake                                             // no complete request within the handshake timeout
	Violation                                             // the peer broke the transport's rules
	TooBig                                                // a message over the limit
	Policy                                                // too many fragments
	Flood                                                 // far over the publish, command or control-frame rate
	Unfinished                                            // half a message for longer than the frame timeout
	Hoarding                                              // more is unfinished than there is room for, and its part was large
	Unresponsive                                          // a ping was not answered
	Slow                                                  // took no byte for too long, or fell behind with CloseSlow
	Drain                                                 // the server is stopping
	NoAuth                                                // no token within the time for it
	TokenExpired                                          // the token was not renewed
	Kicked                                                // sent away by an operator
	Unavailable                                           // what it came for cannot be read at present
	Unread                                                // more waits for all peers than there is room for, and for it the most
	WrongLogins                                           // a backend refused its logins

	numReasons = iota + Reason(netpoll.FirstUserReason)
)

var reasonNames = [numReasons]string{
	Normal: "normal", Served: "served", Refused: "refused", Crowded: "crowded", Handshake: "handshake_timeout",
	Violation: "protocol_error", TooBig: "too_big", Policy: "policy", Flood: "flood", Unfinished: "unfinished_message",
	Hoarding:     "too_much_unfinished",
	Unresponsive: "ping_timeout", Slow: "slow", Drain: "drain", NoAuth: "no_token", TokenExpired: "token_expired",
	Kicked: "kicked", Unavailable: "unavailable", Unread: "too_much_unread", WrongLogins: "wrong_logins",
}

// String returns the reason's name.
func (r Reason) String() string {
	if r < Normal {
		return netpoll.CloseReason(r).String()
	}
	return reasonNames[r]
}

// Close codes that say something of a transport's peer, as WebSocket numbers them (RFC
// 6455, section 7.4.1).
const (
	CodeGoingAway      = 1001
	CodeProtocol       = 1002
	CodeInvalidPayload = 1007
	CodePolicy         = 1008
	CodeTooBig         = 1009
	CodeTryAgain       = 1013
)

// Close codes of Barrage's own (RFC 6455, section 7.4.2). Those from 4200 on mean: do
// not come back by yourself. 1011 is never sent: after a panic nobody knows what the
// peer has got of the last frame.
const (
	CodeTokenExpired = 4101 // reconnect with a new token; also of one that is not valid yet
	CodeDismissed    = 4103 // sent away by an operator, who wants it back
	CodeSlow         = 4108 // too slow for its rooms
	CodeKicked       = 4200 // sent away for good
	CodeNoAuth       = 4201 // did not say who it is in time
	CodeTokenRefused = 4202 // the token of the request is no good, and will never be
	CodeRoomRefused  = 4203 // a room of the request is none, or not for this client, or one too many
)

// MayReconnect tells what a close code means to a client.
func MayReconnect(code uint16) bool {
	switch code {
	case CodeProtocol, CodeInvalidPayload, CodePolicy, CodeTooBig:
		return false
	}
	return code < 4200 || code > 4999
}

// Close ends a connection with the protocol's and the transport's last words, behind
// everything else. wait is how long the peer is to wait before it comes back.
func (l *Loop) Close(r *Read, id ID, code uint16, text string, reason Reason, wait time.Duration) {
	l.kind(id).Farewell(r, id, code, text, wait)
	l.Finish(r, id, code, text, reason)
}

// Finish is Close without a word of the protocol.
func (l *Loop) Finish(r *Read, id ID, code uint16, text string, reason Reason) {
	r.Flush()
	if l.traced(id) {
		l.tracer.Ending(id, code, text)
	}
	l.out = l.kind(id).AppendGoodbye(l.out[:0], code, text)
	l.Respond(id, l.out, reason, l.loops.cfg.CloseTimeout)
}

// TurnAway answers an upgrade and ends it at once, with last words of the kind's protocol
// and a close code: a browser tells a page nothing of an upgrade that is refused, and a
// plain connection has no other words. The socket is no connection, nor does it count as
// one.
func (l *Loop) TurnAway(id ID, kind int, answer, words []byte, code uint16, text string, reason Reason) {
	k := &l.kinds[kind]
	l.out = append(l.out[:0], answer...)
	l.out = k.AppendMessage(l.out, false, words)
	l.out = k.AppendGoodbye(l.out, code, text)
	l.GiveBack(id)
	l.Respond(id, l.out, reason, l.loops.cfg.CloseTimeout)
}

// Evict takes a connection out of a room, if it is in it; one that cannot live without
// that room is closed.
func (l *Loop) Evict(id ID, room, reason string) { l.kind(id).Evict(id, room, reason) }

// reconnectSpread is short against the time in which a drain tells everybody.
const reconnectSpread = 2 * time.Second

// Spread is how long one of many that are sent away together is to wait before it
// comes back.
func Spread() time.Duration { return rand.N(reconnectSpread) }

// The vocabulary of RFC 6455: opcodes, close codes, and the error that carries a
// close code.

package frame

import (
	"fmt"
	"strconv"

	"github.com/gobwas/ws"
)

// Opcode is the kind of a frame (RFC 6455 section 5.2).
type Opcode byte

// The opcodes in use; all others are reserved.
const (
	Continuation = Opcode(ws.OpContinuation)
	Text         = Opcode(ws.OpText)
	Binary       = Opcode(ws.OpBinary)
	Close        = Opcode(ws.OpClose)
	Ping         = Opcode(ws.OpPing)
	Pong         = Opcode(ws.OpPong)
)

// String returns the opcode's name in lower case.
func (op Opcode) String() string {
	switch op {
	case Continuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	}
	return "reserved(" + strconv.Itoa(int(op)) + ")"
}

// isControl reports whether op is in the control half of the opcodes.
func (op Opcode) isControl() bool { return op&0x8 != 0 }

// maxControl is the largest payload of a control frame (RFC 6455 section 5.5).
const maxControl = ws.MaxControlFramePayloadSize

// The close codes in use (RFC 6455 section 7.4.1).
const (
	CloseGoingAway      uint16 = 1001
	CloseProtocol       uint16 = 1002
	CloseNoStatus       uint16 = 1005 // never on the wire: stands for an empty body
	CloseInvalidPayload uint16 = 1007
	ClosePolicy         uint16 = 1008
	CloseTooBig         uint16 = 1009
)

// Error is a violation of the protocol by the peer. Code and Reason are meant
// for the close frame that ends the connection (RFC 6455 section 7.1.7); Reason
// never quotes the peer's bytes.
type Error struct {
	Code   uint16
	Reason string
}

// Error returns the reason with the close code.
func (e *Error) Error() string {
	return fmt.Sprintf("frame: %s (close code %d)", e.Reason, e.Code)
}

func protocolError(reason string) error {
	return &Error{Code: CloseProtocol, Reason: reason}
}

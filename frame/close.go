// The body of close frames.

package frame

import (
	"encoding/binary"
	"unicode/utf8"
)

// ParseClose splits the payload of a close frame that an Assembler has checked.
// An empty payload means CloseNoStatus (RFC 6455 section 7.1.5).
func ParseClose(payload []byte) (code uint16, reason string) {
	if len(payload) < 2 {
		return CloseNoStatus, ""
	}
	return binary.BigEndian.Uint16(payload), string(payload[2:])
}

// checkClose checks the payload of a close frame (RFC 6455 sections 5.5.1, 7.4).
func checkClose(payload []byte) error {
	switch {
	case len(payload) == 0:
		return nil
	case len(payload) == 1:
		return protocolError("close frame with a body of one byte")
	case !validCloseCode(binary.BigEndian.Uint16(payload)):
		return protocolError("invalid close code")
	case !utf8.Valid(payload[2:]):
		return &Error{Code: CloseInvalidPayload, Reason: "close reason is not UTF-8"}
	}
	return nil
}

// validCloseCode reports whether a peer may send code: the registered ones
// except those reserved for local use (1004, 1005, 1006, 1015), and the ranges
// for libraries and applications. ws.CheckCloseFrameData does not serve here:
// it refuses 1012 to 1014, which were registered later, and takes 5000 and up.
func validCloseCode(code uint16) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}

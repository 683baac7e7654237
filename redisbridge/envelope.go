package redisbridge

// The envelope in which nodes exchange messages on the internal channels:
//
//	offset  length  content
//	0       1       version, 1
//	1       1       kind: 1 text, 2 binary (the WebSocket opcodes, RFC 6455 5.2)
//	2       1       n, length of the node's name, 1 to 64
//	3       n       the node's name
//	3+n     8       message number, unique within the node, big endian
//	11+n    rest    payload
//
// A message with history will need its offset in here: that is version 2, which
// a node that knows only version 1 drops and counts.

import (
	"encoding/binary"
	"unicode/utf8"
)

const (
	envelopeVersion = 1
	kindText        = 1
	kindBinary      = 2
)

type envelope struct {
	node    string
	number  uint64
	binary  bool
	payload string
}

func envelopeLen(node string, payload []byte) int {
	return 3 + len(node) + 8 + len(payload)
}

func appendEnvelope(dst []byte, node string, number uint64, isBinary bool, payload []byte) []byte {
	kind := byte(kindText)
	if isBinary {
		kind = kindBinary
	}
	dst = append(dst, envelopeVersion, kind, byte(len(node)))
	dst = append(dst, node...)
	dst = binary.BigEndian.AppendUint64(dst, number)
	return append(dst, payload...)
}

// parseEnvelope takes s apart without copying. It refuses what appendEnvelope
// cannot have made, and text that is not UTF-8: sent on as a text frame, that
// would make every browser in the room close its connection (RFC 6455 8.1).
func parseEnvelope(s string) (e envelope, ok bool) {
	if len(s) < 3 || s[0] != envelopeVersion {
		return envelope{}, false
	}
	kind, n := s[1], int(s[2])
	if (kind != kindText && kind != kindBinary) || len(s) < 3+n+8 || !validNode(s[3:3+n]) {
		return envelope{}, false
	}
	e = envelope{node: s[3 : 3+n], binary: kind == kindBinary, payload: s[3+n+8:]}
	for _, c := range []byte(s[3+n : 3+n+8]) {
		e.number = e.number<<8 | uint64(c)
	}
	if !e.binary && !utf8.ValidString(e.payload) {
		return envelope{}, false
	}
	return e, true
}

package redisbridge

// How messages are written into Redis. The body is what the publishing node
// makes, and what a stream's entry holds:
//
//	length  content
//	1       n, length of the node's name, 1 to 64
//	n       the node's name
//	8       message number, unique within the node, big endian
//	1       format: 1 text, 2 binary, 3 JSON; plus 64: its reader is to confirm
//	        it; plus 128: a TTL follows
//	0 or 4  TTL in milliseconds, big endian, not 0
//	        the sender's connection, user, name and avatar, and the kind: each
//	        2 bytes of length, big endian, and so many bytes of UTF-8
//	rest    payload
//
// The envelope is what goes over the channels: a body after its position, which
// only the script knows (scripts.go):
//
//	1       version, 3
//	1       n, length of the epoch; 0 for a message in no history
//	n       the epoch
//	1       n, length of the stamp
//	n       the stamp: OFFSET-MILLISECONDS in decimal; also the stream entry's id
//	1       n, length of the time before
//	n       the milliseconds of the message before it in its epoch, in decimal; none
//	        if there is none, or it is not known
//	rest    body

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"barrage/internal/broker"
)

const (
	envelopeVersion = 3
	confirmFlag     = 64
	ttlFlag         = 128
	maxFieldLen     = math.MaxUint16
)

// A stamp is when a message was accepted and where in its epoch.
type stamp struct {
	offset uint64
	time   int64 // milliseconds since the Unix epoch
}

type body struct {
	node    string
	number  uint64 // with node, what the message is known by
	format  broker.Format
	confirm bool
	ttl     uint32
	sender  broker.Sender
	kind    string
	payload string
}

type envelope struct {
	epoch string
	stamp
	before int64 // the time of the message before it; 0: not known
	body
}

// message builds what the Receiver gets. It does not copy the payload, which is
// part of an immutable string.
func (e *envelope) message(room string) *broker.Message {
	return &broker.Message{
		Room: room, ID: messageID(e.node, e.number),
		Epoch: e.epoch, Offset: e.offset, Time: e.time,
		Sender: e.sender, Kind: e.kind, Format: e.format, Confirm: e.confirm, TTL: e.ttl, Payload: stringBytes(e.payload),
	}
}

// stringBytes gives the bytes of a string without a copy; nobody may change them.
func stringBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// messageID is the node's name and the number to the base of 36. Package strconv
// takes three times as long, since it divides by a base it learns at run time.
func messageID(node string, number uint64) string {
	const digits, most = "0123456789abcdefghijklmnopqrstuvwxyz", 13
	var id [maxNodeLen + 1 + most]byte
	start := len(id)
	for {
		start--
		id[start] = digits[number%36]
		if number /= 36; number == 0 {
			break
		}
	}
	start -= 1 + len(node)
	copy(id[start:], node)
	id[start+len(node)] = '-'
	return string(id[start:])
}

// checkPublication refuses what parseBody would not accept.
func checkPublication(p *broker.Publication) error {
	for _, field := range [...]struct{ name, value string }{
		{"connection", p.Sender.Conn}, {"user", p.Sender.User}, {"name", p.Sender.Name},
		{"avatar", p.Sender.Avatar}, {"kind", p.Kind},
	} {
		if len(field.value) > maxFieldLen || !utf8.ValidString(field.value) {
			return fmt.Errorf("redisbridge: publish: the %s must be UTF-8 of at most %d bytes", field.name, maxFieldLen)
		}
	}
	if !fits(p.Format, unsafe.String(unsafe.SliceData(p.Payload), len(p.Payload))) {
		return fmt.Errorf("redisbridge: publish: the payload is not of format %d", p.Format)
	}
	return nil
}

// fits is what keeps a broken payload from making every browser in a room close
// its connection (RFC 6455 8.1).
func fits(format broker.Format, payload string) bool {
	switch format {
	case broker.Text:
		return utf8.ValidString(payload)
	case broker.Binary:
		return true
	case broker.JSON:
		return utf8.ValidString(payload) && json.Valid(stringBytes(payload))
	}
	return false
}

// bodyLen is how long a body is at most.
func bodyLen(node string, p *broker.Publication) int {
	s := &p.Sender
	return 1 + len(node) + 8 + 1 + 4 + 5*2 +
		len(s.Conn) + len(s.User) + len(s.Name) + len(s.Avatar) + len(p.Kind) + len(p.Payload)
}

// appendBody wants a publication that checkPublication has let through.
func appendBody(dst []byte, node string, number uint64, p *broker.Publication) []byte {
	dst = append(append(dst, byte(len(node))), node...)
	dst = binary.BigEndian.AppendUint64(dst, number)
	format := byte(p.Format)
	if p.Confirm {
		format |= confirmFlag
	}
	if p.TTL == 0 {
		dst = append(dst, format)
	} else {
		dst = binary.BigEndian.AppendUint32(append(dst, format|ttlFlag), p.TTL)
	}
	for _, field := range [...]string{p.Sender.Conn, p.Sender.User, p.Sender.Name, p.Sender.Avatar, p.Kind} {
		dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(field))), field...)
	}
	return append(dst, p.Payload...)
}

// parseBody takes s apart without copying. It refuses what appendBody cannot
// have made.
func parseBody(s string) (b body, ok bool) {
	if len(s) < 1 || len(s) < 1+int(s[0])+8+1 {
		return body{}, false
	}
	n := 1 + int(s[0])
	b.node = s[1:n]
	for _, c := range []byte(s[n : n+8]) {
		b.number = b.number<<8 | uint64(c)
	}
	format := s[n+8]
	b.format, b.confirm = broker.Format(format&^(confirmFlag|ttlFlag)), format&confirmFlag != 0
	s = s[n+9:]
	if format&ttlFlag != 0 {
		if len(s) < 4 {
			return body{}, false
		}
		if b.ttl = binary.BigEndian.Uint32([]byte(s[:4])); b.ttl == 0 {
			return body{}, false
		}
		s = s[4:]
	}
	for _, field := range [...]*string{&b.sender.Conn, &b.sender.User, &b.sender.Name, &b.sender.Avatar, &b.kind} {
		if len(s) < 2 {
			return body{}, false
		}
		n := int(s[0])<<8 | int(s[1])
		if len(s) < 2+n || !utf8.ValidString(s[2:2+n]) {
			return body{}, false
		}
		*field, s = s[2:2+n], s[2+n:]
	}
	b.payload = s
	if !validNode(b.node) || !fits(b.format, s) {
		return body{}, false
	}
	return b, true
}

// appendEnvelope is what the script does, for messages in no history.
func appendEnvelope(dst []byte, now int64) []byte {
	at := stamp{time: now}.String()
	dst = append(dst, envelopeVersion, 0, byte(len(at)))
	return append(append(dst, at...), 0)
}

// parseEnvelope takes s apart without copying.
func parseEnvelope(s string) (e envelope, ok bool) {
	if len(s) < 2 || s[0] != envelopeVersion {
		return envelope{}, false
	}
	e.epoch, s, ok = cutCounted(s[1:])
	if !ok {
		return envelope{}, false
	}
	at, s, ok := cutCounted(s)
	if !ok {
		return envelope{}, false
	}
	if e.stamp, ok = parseStamp(at); !ok || (e.epoch == "") != (e.offset == 0) || !utf8.ValidString(e.epoch) {
		return envelope{}, false
	}
	before, s, ok := cutCounted(s)
	if !ok || before != "" && e.offset == 0 {
		return envelope{}, false
	}
	if before != "" {
		n, ok := parseDecimal(before)
		if !ok || n == 0 {
			return envelope{}, false
		}
		e.before = int64(n)
	}
	if e.body, ok = parseBody(s); !ok {
		return envelope{}, false
	}
	return e, true
}

// cutCounted takes off a string after its length in one byte.
func cutCounted(s string) (head, rest string, ok bool) {
	if len(s) < 1 || len(s) < 1+int(s[0]) {
		return "", "", false
	}
	n := 1 + int(s[0])
	return s[1:n], s[n:], true
}

func (s stamp) String() string {
	return strconv.FormatUint(s.offset, 10) + "-" + strconv.FormatInt(s.time, 10)
}

func parseStamp(text string) (stamp, bool) {
	offset, time, _ := strings.Cut(text, "-")
	o, okOffset := parseDecimal(offset)
	t, okTime := parseDecimal(time)
	return stamp{o, int64(t)}, okOffset && okTime
}

// parseDecimal wants the one way to write a number up to 2^53, the largest the
// script counts to.
func parseDecimal(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > 1<<53 || (s[0] == '0' && s != "0") {
		return 0, false
	}
	return n, true
}

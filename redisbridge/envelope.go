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
//	        2 bytes of length, big endian, and so many bytes of UTF-8. A NUL behind
//	        the connection: it is spared the message. Only its own node has to know,
//	        and nodes of an earlier version take it as a part of the name.
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
	noEcho          = "\x00"
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
	noEcho  bool
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
		Sender: e.sender, Kind: e.kind, Format: e.format, Confirm: e.confirm, NoEcho: e.noEcho, TTL: e.ttl, Payload: stringBytes(e.payload),
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
	return 1 + len(node) + 8 + 1 + 4 + 5*2 + len(noEcho) +
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
	conn := p.Sender.Conn
	if p.NoEcho {
		conn += noEcho
	}
	for _, field := range [...]string{conn, p.Sender.User, p.Sender.Name, p.Sender.Avatar, p.Kind} {
		dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(field))), field...)
	}
	return append(dst, p.Payload...)
}

// parseBody takes s apart without copying. It refuses what appendBody cannot
// have made.
func parseBody(s string) (b body, ok bool) {
	c := cutter{rest: s}
	b.node, b.number = c.counted(1), c.number(8)
	format := byte(c.number(1))
	b.format, b.confirm = broker.Format(format&^(confirmFlag|ttlFlag)), format&confirmFlag != 0
	if format&ttlFlag != 0 {
		if b.ttl = uint32(c.number(4)); b.ttl == 0 {
			return body{}, false
		}
	}
	for _, field := range [...]*string{&b.sender.Conn, &b.sender.User, &b.sender.Name, &b.sender.Avatar, &b.kind} {
		if *field = c.counted(2); !utf8.ValidString(*field) {
			return body{}, false
		}
	}
	b.sender.Conn, b.noEcho = strings.CutSuffix(b.sender.Conn, noEcho)
	b.payload = c.rest
	if c.short || !validNode(b.node) || !fits(b.format, b.payload) {
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
	c := cutter{rest: s}
	if c.number(1) != envelopeVersion {
		return envelope{}, false
	}
	e.epoch = c.counted(1)
	e.stamp, ok = parseStamp(c.counted(1))
	before := c.counted(1)
	if c.short || !ok || (e.epoch == "") != (e.offset == 0) || !utf8.ValidString(e.epoch) {
		return envelope{}, false
	}
	if before != "" {
		n, ok := parseDecimal(before)
		if !ok || n == 0 || e.offset == 0 {
			return envelope{}, false
		}
		e.before = int64(n)
	}
	if e.body, ok = parseBody(c.rest); !ok {
		return envelope{}, false
	}
	return e, true
}

// A cutter takes a text apart from its beginning, and remembers whether it was too
// short.
type cutter struct {
	rest  string
	short bool
}

func (c *cutter) bytes(n int) (s string) {
	if n > len(c.rest) {
		c.rest, c.short = "", true
		return ""
	}
	s, c.rest = c.rest[:n], c.rest[n:]
	return s
}

// number takes n bytes, big endian.
func (c *cutter) number(n int) (v uint64) {
	s := c.bytes(n)
	for i := range len(s) {
		v = v<<8 | uint64(s[i])
	}
	return v
}

// counted takes a string behind its length in n bytes.
func (c *cutter) counted(n int) string { return c.bytes(int(c.number(n))) }

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

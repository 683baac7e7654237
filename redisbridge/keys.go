package redisbridge

// The names of channels and keys, and the partitions they are spread over.
//
//	room:ROOM                       channel of any program, plain payload; a name that has
//	                                a decomposed form (NFD) has that channel, too
//	barrage:{TAG}:msg:room:ROOM     channel of the nodes, envelopes
//	barrage:{TAG}:meta:room:ROOM    hash: e epoch, o newest offset, t its time, a acknowledged offset,
//	                                b bytes of the stream at most
//	barrage:{TAG}:log:room:ROOM     stream: id OFFSET-MILLISECONDS, field m the body
//	barrage:{TAG}:waits:room:ROOM   sorted set: what waits in a mailbox (mailbox_script.go)
//	barrage:{TAG}:box:room:ROOM     hash: how much that is
//	barrage:{TAG}:heat:room:ROOM    hash: what decides who is heard in a room that is sampled,
//	barrage:{TAG}:spoke:room:ROOM   sorted set: by when they were heard last,
//	barrage:{TAG}:wants:room:ROOM   hash: and by how much they said (sample_script.go)
//	barrage:{TAG}:idem:...          string: what a publish answered, for its repetition
//	barrage:{TAG}:probe:NODE        channel of the end-to-end probe
//	barrage:{TAG}:probe:+           channel of what nodes say of themselves
//
// "room:" is Config.Prefix; before another one the keys and channels of the nodes have its
// length and "~". TAG is the room's partition: Redis Cluster hashes
// only what is in the first pair of braces, so that all that belongs to a room
// is on one node, which a script and sharded pub/sub need.

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"barrage/internal/broker"
)

const (
	// partitions is fixed for good: with another number every room's history
	// would be looked for in another place.
	partitions   = 128
	clusterSlots = 16384

	ownNamespace = "barrage:"
	tagLen       = 3
	messageInfix = "}:msg:"
	messageHead  = len(ownNamespace) + 1 + tagLen + len(messageInfix)
	probeInfix   = "}:probe:"
)

// A layout makes names. It is immutable.
type layout struct {
	prefix string // Config.Prefix
	own    string // what stands for it in names of ours
	tags   [partitions]string
	heads  [partitions]string // what a channel of the nodes has before the room's name
}

// newLayout looks for one tag in each 128th of the slots: the tags 0, 1, 2 …
// themselves would crowd some nodes of a large cluster and leave others empty.
func newLayout(prefix string) *layout {
	l := &layout{prefix: prefix, own: prefix}
	if prefix != defaultPrefix {
		l.own = fmt.Sprintf("%d~%s", len(prefix), prefix) // so that none can begin with another
	}
	for i, found := 0, 0; found < partitions; i++ {
		tag := fmt.Sprintf("%0*x", tagLen, i)
		if p := keySlot(tag) / (clusterSlots / partitions); l.tags[p] == "" {
			l.tags[p] = tag
			l.heads[p] = ownNamespace + "{" + tag + messageInfix + l.own
			found++
		}
	}
	return l
}

// partition is the FNV-1a hash of the room's name, folded.
func (l *layout) partition(room string) int {
	h := uint32(2166136261)
	for i := range len(room) {
		h = (h ^ uint32(room[i])) * 16777619
	}
	return int((h ^ h>>16) % partitions)
}

func (l *layout) tag(room string) string { return l.tags[l.partition(room)] }

func (l *layout) plain(room string) string { return l.prefix + room }

func (l *layout) message(room string) string {
	return l.heads[l.partition(room)] + room
}

func (l *layout) meta(room string) string {
	return ownNamespace + "{" + l.tag(room) + "}:meta:" + l.own + room
}

func (l *layout) log(room string) string {
	return ownNamespace + "{" + l.tag(room) + "}:log:" + l.own + room
}

func (l *layout) waits(room string) string {
	return ownNamespace + "{" + l.tag(room) + "}:waits:" + l.own + room
}

func (l *layout) box(room string) string {
	return ownNamespace + "{" + l.tag(room) + "}:box:" + l.own + room
}

// heat is the keys of what decides in a room that is sampled.
func (l *layout) heat(room string) []string {
	keys := []string{":heat:", ":spoke:", ":wants:"}
	for i, kind := range keys {
		keys[i] = ownNamespace + "{" + l.tag(room) + "}" + kind + l.own + room
	}
	return keys
}

// history is the keys of a room's history.
func (l *layout) history(room string) []string {
	keys := []string{l.meta(room), l.log(room)}
	if _, mailbox := broker.UserOf(room); mailbox {
		keys = append(keys, l.waits(room), l.box(room))
	}
	return keys
}

// roomOfMessage is the inverse of message.
func (l *layout) roomOfMessage(channel string) (room string, ok bool) {
	if !strings.HasPrefix(channel, ownNamespace) || len(channel) < messageHead ||
		channel[messageHead-len(messageInfix):messageHead] != messageInfix {
		return "", false
	}
	return strings.CutPrefix(channel[messageHead:], l.own)
}

// result is the key that remembers what publishing answered: for an idempotency
// key of the caller's a hash of it and its scope, so that its length and its
// bytes do not matter; else the message's own id.
func (l *layout) result(room, scope, key, id string) string {
	head := ownNamespace + "{" + l.tag(room) + "}:idem:"
	if key == "" {
		return head + "i:" + id
	}
	h := sha256.New()
	for _, part := range []string{l.prefix, room, scope, key} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return head + "k:" + hex.EncodeToString(h.Sum(nil)[:16])
}

func (l *layout) probe(partition int, node string) string {
	return ownNamespace + "{" + l.tags[partition] + probeInfix + node
}

// hello is the channel on which nodes of all deployments say how they are set up. No node
// has such a name.
func (l *layout) hello() string { return l.probe(0, "+") }

// keySlot is Redis Cluster's slot of a key without braces: CRC-16/XMODEM.
func keySlot(key string) int {
	crc := uint16(0)
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % clusterSlots
}

// Events: pushes of barrage.v1 with what EventSource wants to know of them.

package sse

import (
	"strconv"

	"github.com/valyala/bytebufferpool"

	"barrage/edge/delivery"
	v1 "barrage/edge/v1"
	"barrage/internal/broker"
)

// codec implements delivery.Codec with the pushes of barrage.v1. Within their JSON no line
// ends, so each is one line of data.
type codec struct{ delivery.Codec }

func newCodec() codec { return codec{v1.Codec()} }

// Message implements delivery.Codec: an event of EventSource's own type, with the position
// behind it.
func (c codec) Message(buf *bytebufferpool.ByteBuffer, m *broker.Message) (binary bool, payload []byte) {
	push := bytebufferpool.Get()
	defer bytebufferpool.Put(push)
	_, data := c.Codec.Message(push, m)
	buf.B = appendID(buf.B[:0], broker.Position{Epoch: m.Epoch, Offset: m.Offset})
	buf.B = appendData(buf.B, data)
	return false, buf.B
}

// Gap implements delivery.Codec. A gap has no position: who comes back from before it is
// told of it again, or has it filled.
func (c codec) Gap(buf *bytebufferpool.ByteBuffer, room string, g *broker.Gap) ([]byte, bool) {
	push := bytebufferpool.Get()
	defer bytebufferpool.Put(push)
	data, _ := c.Codec.Gap(push, room, g)
	buf.B = appendData(append(buf.B[:0], eventGap...), data)
	return buf.B, true
}

// LeftOut implements delivery.Codec.
func (c codec) LeftOut(buf *bytebufferpool.ByteBuffer, room string, n uint64) ([]byte, bool) {
	push := bytebufferpool.Get()
	defer bytebufferpool.Put(push)
	data, _ := c.Codec.LeftOut(push, room, n)
	buf.B = appendData(append(buf.B[:0], eventLeftOut...), data)
	return buf.B, true
}

// The lines that begin events of other types.
const (
	eventWelcome = "event: welcome\n"
	eventLeftOut = "event: left_out\n"
	eventJoined  = "event: joined\n"
	eventGap     = "event: gap\n"
	eventLeft    = "event: left\n"
	eventBye     = "event: bye\n"
)

func appendData(b, json []byte) []byte {
	b = append(append(b, "data: "...), json...)
	return append(b, '\n')
}

// appendID appends the line with a position. There is none for a message in no history, nor
// for an epoch that would not come back as it was: others may write to the store of messages.
func appendID(b []byte, at broker.Position) []byte {
	if !isEpoch(at.Epoch) {
		return b
	}
	b = append(append(append(b, "id: "...), at.Epoch...), positionSep)
	return append(strconv.AppendUint(b, at.Offset, 10), '\n')
}

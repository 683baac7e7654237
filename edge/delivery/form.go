// Forms: how a message of a room becomes the bytes that all members of one kind share.

package delivery

import (
	"iter"

	"github.com/valyala/bytebufferpool"

	"barrage/fanout"
	"barrage/internal/broker"
)

// Codec writes what members of a protocol get. It is called by any goroutine. buf is
// empty, and the payload may be in it: both are valid until the next call only.
type Codec interface {
	// Message writes a message.
	Message(buf *bytebufferpool.ByteBuffer, m *broker.Message) (binary bool, payload []byte)
	// Gap writes that messages of a room are missing; false if the protocol has no words
	// for that, and a ping is to do.
	Gap(buf *bytebufferpool.ByteBuffer, room string, g *broker.Gap) (payload []byte, ok bool)
	// LeftOut writes that so many messages of a hot room were left out; likewise.
	LeftOut(buf *bytebufferpool.ByteBuffer, room string, n uint64) (payload []byte, ok bool)
}

// Batcher is a Codec that can write several payloads as one message.
type Batcher interface {
	Codec
	Batch(buf *bytebufferpool.ByteBuffer, payloads iter.Seq[[]byte]) []byte
}

// Framing is a transport's part of a form.
type Framing interface {
	// Message returns a new reference to a message's frame, Ping to that of a question
	// whether the peer is there.
	Message(binary bool, payload []byte) fanout.Message
	Ping() fanout.Message
}

// Form is one form of a room's messages.
type Form struct {
	Codec
	Framing
}

// Forms are those of a server, by encoding. They are complete before the first message.
type Forms []Form

// Add returns the encoding of a form.
func (f *Forms) Add(form Form) fanout.Encoding {
	*f = append(*f, form)
	return fanout.Encoding(len(*f) - 1)
}

// Publication is what may be published to the members of a room: a message, a gap, or
// what a protocol tells its own clients. It implements fanout.Publication.
type Publication struct {
	forms *Forms
	seq   uint64 // 0: it has none
	from  uint64 // 0: everybody gets it
	bytes int    // of its payload, about
	// write writes it with a codec; false if the protocol has no words for it.
	write func(buf *bytebufferpool.ByteBuffer, c Codec) (binary bool, payload []byte, ok bool)
}

// overhead is about what a publication holds beside its payload.
const overhead = 256

// Sequence implements fanout.Publication.
func (p *Publication) Sequence() uint64 { return p.seq }

// Origin implements fanout.Publication.
func (p *Publication) Origin() uint64 { return p.from }

// Size implements fanout.Publication.
func (p *Publication) Size() int { return overhead + p.bytes }

// Encode implements fanout.Publication: it makes the frame that all members with this
// form are sent.
func (p *Publication) Encode(e fanout.Encoding) fanout.Message {
	form, buf := &(*p.forms)[e], bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	binary, payload, ok := p.write(buf, form.Codec)
	if !ok {
		return form.Framing.Ping()
	}
	return form.Framing.Message(binary, payload)
}

// AppendPart implements fanout.Publication: it appends the payload of one of several
// publications in a frame.
func (p *Publication) AppendPart(b []byte, e fanout.Encoding) []byte {
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	_, payload, _ := p.write(buf, (*p.forms)[e].Codec)
	return append(b, payload...)
}

// Message is a message on its way to the members of its room here, but the one it is from.
func (f *Forms) Message(m *broker.Message, seq, from uint64) *Publication {
	return &Publication{f, seq, from, len(m.Payload), func(buf *bytebufferpool.ByteBuffer, c Codec) (bool, []byte, bool) {
		binary, payload := c.Message(buf, m)
		return binary, payload, true
	}}
}

// gap is a gap on its way to the members of a room. Those whose protocol has no words
// for it get a ping. Members that were given the history up to its sequence have none.
type gap struct {
	Publication
	room string
	gap  broker.Gap
}

func (f *Forms) gap(room string, g broker.Gap, seq uint64) *gap {
	p := &gap{Publication{forms: f, seq: seq}, room, g}
	p.write = func(buf *bytebufferpool.ByteBuffer, c Codec) (binary bool, payload []byte, ok bool) {
		payload, ok = c.Gap(buf, p.room, &p.gap)
		return false, payload, ok
	}
	return p
}

// extend makes one gap of two of the same epoch, the second being later, before
// a member has been told.
func (p *gap) extend(next *gap) bool {
	if p.gap.Epoch != next.gap.Epoch || p.gap.To == 0 || next.gap.To == 0 {
		return false
	}
	p.gap.To, p.seq = next.gap.To, next.seq
	return true
}

// Batch makes one frame of several publications. It is fanout.Config.Batch.
func (f *Forms) Batch(e fanout.Encoding, ps []fanout.Publication) fanout.Message {
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	form, part := &(*f)[e], []byte(nil)
	return form.Framing.Message(false, form.Codec.(Batcher).Batch(buf, func(yield func([]byte) bool) {
		for _, p := range ps {
			if part = p.AppendPart(part[:0], e); !yield(part) {
				return
			}
		}
	}))
}

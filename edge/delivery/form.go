// Forms: how a message of a room becomes the bytes that all members of one kind share.

package delivery

import (
	"bytes"
	"iter"
	"sync"

	"barrage/fanout"
	"barrage/internal/broker"
)

// Codec writes what members of a protocol get. It is called by any goroutine. buf is
// empty, and the payload may be in it: both are valid until the next call only.
type Codec interface {
	// Message writes a message.
	Message(buf *bytes.Buffer, m *broker.Message) (binary bool, payload []byte)
	// Gap writes that messages of a room are missing; false if the protocol has no words
	// for that, and a ping is to do.
	Gap(buf *bytes.Buffer, room string, g *broker.Gap) (payload []byte, ok bool)
}

// Batcher is a Codec that can write several payloads as one message.
type Batcher interface {
	Codec
	Batch(buf *bytes.Buffer, payloads iter.Seq[[]byte]) []byte
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
// what a protocol tells its own clients.
type Publication interface {
	fanout.Publication
	// payload writes it with a codec; false if the protocol has no words for it.
	payload(buf *bytes.Buffer, c Codec) (binary bool, p []byte, ok bool)
}

// encode makes the frame that all members with this form are sent.
func (f *Form) encode(p Publication) fanout.Message {
	buf := getBuffer()
	defer putBuffer(buf)
	binary, payload, ok := p.payload(buf, f.Codec)
	if !ok {
		return f.Framing.Ping()
	}
	return f.Framing.Message(binary, payload)
}

// part appends the payload of one of several publications in a frame.
func (f *Form) part(b []byte, p Publication) []byte {
	buf := getBuffer()
	defer putBuffer(buf)
	_, payload, _ := p.payload(buf, f.Codec)
	return append(b, payload...)
}

// Batch makes one frame of several publications. It is fanout.Config.Batch.
func (f *Forms) Batch(e fanout.Encoding, ps []fanout.Publication) fanout.Message {
	buf := getBuffer()
	defer putBuffer(buf)
	form, part := &(*f)[e], []byte(nil)
	return form.Framing.Message(false, form.Codec.(Batcher).Batch(buf, func(yield func([]byte) bool) {
		for _, p := range ps {
			if part = p.AppendPart(part[:0], e); !yield(part) {
				return
			}
		}
	}))
}

// overhead is about what a publication holds beside its payload.
const overhead = 256

// message is a message on its way to the members of its room here.
type message struct {
	forms *Forms
	m     *broker.Message
	seq   uint64
}

func (p *message) Sequence() uint64 { return p.seq }
func (p *message) Size() int        { return overhead + len(p.m.Payload) }

func (p *message) Encode(e fanout.Encoding) fanout.Message       { return (*p.forms)[e].encode(p) }
func (p *message) AppendPart(b []byte, e fanout.Encoding) []byte { return (*p.forms)[e].part(b, p) }

func (p *message) payload(buf *bytes.Buffer, c Codec) (binary bool, payload []byte, ok bool) {
	binary, payload = c.Message(buf, p.m)
	return binary, payload, true
}

// gap is a gap on its way to the members of a room. Those whose protocol has no words
// for it get a ping.
type gap struct {
	forms *Forms
	room  string
	gap   broker.Gap
	seq   uint64 // members that were given the history up to there have no gap
}

func (p *gap) Sequence() uint64 { return p.seq }
func (p *gap) Size() int        { return overhead }

func (p *gap) Encode(e fanout.Encoding) fanout.Message       { return (*p.forms)[e].encode(p) }
func (p *gap) AppendPart(b []byte, e fanout.Encoding) []byte { return (*p.forms)[e].part(b, p) }

func (p *gap) payload(buf *bytes.Buffer, c Codec) (binary bool, payload []byte, ok bool) {
	payload, ok = c.Gap(buf, p.room, &p.gap)
	return false, payload, ok
}

// extend makes one gap of two of the same epoch, the second being later, before
// anybody has been told.
func (p *gap) extend(next *gap) bool {
	if p.gap.Epoch != next.gap.Epoch || p.gap.To == 0 || next.gap.To == 0 {
		return false
	}
	p.gap.To, p.seq = next.gap.To, next.seq
	return true
}

// Notice is what a protocol tells its own clients in a room. It has no sequence.
type Notice struct {
	forms *Forms
	text  []byte
}

// Notice returns one with this text.
func (r *Receiver) Notice(text []byte) *Notice { return &Notice{r.cfg.Forms, text} }

// The methods of Publication.

func (p *Notice) Sequence() uint64                                  { return 0 }
func (p *Notice) Size() int                                         { return overhead + len(p.text) }
func (p *Notice) Encode(e fanout.Encoding) fanout.Message           { return (*p.forms)[e].encode(p) }
func (p *Notice) AppendPart(b []byte, e fanout.Encoding) []byte     { return (*p.forms)[e].part(b, p) }
func (p *Notice) payload(*bytes.Buffer, Codec) (bool, []byte, bool) { return false, p.text, true }

// buffers are recycled memory only.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func getBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= 256<<10 {
		b.Reset()
		buffers.Put(b)
	}
}

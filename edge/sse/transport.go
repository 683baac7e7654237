// An event stream as a transport: what is written is text, and nothing is read.

package sse

import (
	"bytes"
	"net/http"

	"barrage/edge/conn"
	"barrage/edge/node"
	"barrage/fanout"
	"barrage/frame"
)

// heartbeat is a comment.
const heartbeat = ":\n\n"

// answer begins a stream. It has no length and is not in chunks: it ends with the
// connection. So every viewer's bytes are the same whichever HTTP it speaks, and HTML's
// standard wants no chunks either. A compressor would hold events back: no-transform.
const answer = "HTTP/1.1 200 OK\r\n" +
	"Content-Type: text/event-stream; charset=utf-8\r\n" +
	"Cache-Control: no-store, no-transform\r\n" +
	"X-Accel-Buffering: no\r\n" +
	"Connection: close\r\n"

func transport() *node.Transport {
	return &node.Transport{
		Check: check, Status: http.StatusOK, Mute: true, Framing: framing{},
		AppendAnswer: func(dst []byte, headers string) []byte {
			return append(append(append(dst, answer...), headers...), "\r\n"...)
		},
		Start: func(l *conn.Loop) conn.Transport { return &stream{l} },
	}
}

// check refuses what is no request for a stream.
func check(req *frame.Request) error {
	if req.Method != http.MethodGet {
		return &frame.HTTPError{Status: http.StatusMethodNotAllowed, Reason: "method not allowed", Header: "Allow: GET, OPTIONS\r\n"}
	}
	return nil
}

// stream is the transport of one loop's connections. A message is the lines of an event.
type stream struct{ loop *conn.Loop }

// Data implements conn.Transport. Behind its request a client has nothing to say: it was
// told that the connection ends with the answer.
func (s *stream) Data(r *conn.Read, _ []byte) {
	s.loop.Close(r, r.ID, conn.CodeProtocol, "an event stream takes nothing", conn.Violation, 0)
}

// AppendMessage implements conn.Transport.
func (*stream) AppendMessage(dst []byte, _ bool, payload []byte) []byte {
	return append(append(dst, payload...), '\n')
}

// Ping implements conn.Transport. Nobody answers it, but proxies see that the stream lives,
// and the peer's kernel has something to acknowledge.
func (*stream) Ping() []byte { return []byte(heartbeat) }

// Unframe implements conn.Unframer.
func (*stream) Unframe(p []byte) (n int, message, binary bool, payload []byte) {
	if i := bytes.Index(p, []byte("\n\n")); i >= 0 {
		p = p[:i+2]
	}
	return len(p), p[0] != heartbeat[0], false, p[:len(p)-1]
}

// AppendGoodbye implements conn.Transport: the protocol has said it.
func (*stream) AppendGoodbye(dst []byte, _ uint16, _ string) []byte { return dst }

// Forget implements conn.Transport.
func (*stream) Forget(conn.ID) {}

// framing makes the events that a room's members share.
type framing struct{}

var newline = []byte{'\n'}

// Message implements delivery.Framing.
func (framing) Message(_ bool, payload []byte) fanout.Message { return frame.Share(payload, newline) }

// Ping implements delivery.Framing.
func (framing) Ping() fanout.Message { return frame.Share([]byte(heartbeat)) }

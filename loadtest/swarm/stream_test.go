// Viewers of event streams.

package swarm

import (
	"testing"

	"barrage/loadtest/stamp"
)

// TestStream: a viewer asks for no upgrade, and finds each message once however the stream
// is cut, between others that are none.
func TestStream(t *testing.T) {
	srv := listen(t)
	p := testPlan(1, srv.l.Addr().String())
	p.Preset = "barrage.sse"
	s := start(t, p, nil)
	viewer := srv.accept()
	if viewer.request.Header.Get("Upgrade") != "" || viewer.request.Header.Get("Sec-WebSocket-Key") != "" {
		t.Fatalf("it asks for %v", viewer.request.Header)
	}
	viewer.write([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 1000\n\nevent: joined\ndata: {}\n\n"))
	s.await(t, "it is open", func(now *Snapshot) bool { return now.Open == 1 })
	s.begin()
	bytes := s.Snapshot().Bytes
	var stream []byte
	for n := uint32(1); n <= 10; n++ {
		stream = append(stream, ":\n\nid: e:1\ndata: {\"data\":\""...)
		stream = stamp.AppendMessage(stream, testRun, stamp.Stamp{Due: 1, Seq: n}, 64)
		stream = append(stream, "\"}\n\n"...)
	}
	for size := 1; len(stream) > 0; size = size%170 + 29 {
		piece := stream[:min(size, len(stream))]
		stream = stream[len(piece):]
		viewer.write(piece)
		bytes += uint64(len(piece))
		s.await(t, "a piece is read", func(now *Snapshot) bool { return now.Bytes == bytes })
	}
	if c := s.Finish(nil).Counts; c.Expected != 10 || c.Delivered != 10 || c.Duplicated+c.OutOfOrder+c.Missing+c.Misrouted != 0 {
		t.Errorf("%+v", c)
	}
}

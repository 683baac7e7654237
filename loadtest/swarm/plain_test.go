// Viewers without WebSocket.

package swarm

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"

	"barrage/loadtest/stamp"
)

// acceptPlain waits for a connection that has no request.
func (s *server) acceptPlain() (*peer, func() string) {
	s.t.Helper()
	_ = s.l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	conn, err := s.l.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	r := bufio.NewReader(conn)
	return &peer{t: s.t, conn: conn}, func() string {
		line, err := r.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		return line
	}
}

func startPlain(t *testing.T, srv *server, token string) *Swarm {
	p := testPlan(1)
	p.Preset, p.URLs, p.Token = "barrage.tcp", []string{"tcp://" + srv.l.Addr().String()}, token
	p.OpenText, p.Refusals = `{"id":1,"cmd":"join","room":"{room}"}`, []string{`{"id":1,"error":`, `{"push":"bye",`}
	return start(t, p, nil)
}

// TestPlain: a viewer says its token and joins, is in when that is answered, answers pings,
// finds each message once however the lines are cut, and takes a bye for what it is.
func TestPlain(t *testing.T) {
	srv := listen(t)
	s := startPlain(t, srv, "secret")
	viewer, said := srv.acceptPlain()
	for _, want := range []string{`{"id":2,"cmd":"auth","token":"secret"}`, `{"id":1,"cmd":"join","room":"r"}`} {
		if got := said(); got != want+"\n" {
			t.Fatalf("it says %s, want %s", got, want)
		}
	}
	viewer.write([]byte(`{"push":"welcome"}` + "\n" + `{"id":1,"o`))
	if n := s.Snapshot().Open; n != 0 {
		t.Error("it is in before it was told so")
	}
	viewer.write([]byte(`k":{}}` + "\n"))
	s.await(t, "it is open", func(now *Snapshot) bool { return now.Open == 1 })
	viewer.write([]byte(`{"push":"ping"}` + "\n"))
	if got := said(); got != "\n" {
		t.Errorf("a ping is answered by %q", got)
	}
	s.begin()
	bytes := s.Snapshot().Bytes
	var stream []byte
	for n := uint32(1); n <= 10; n++ {
		stream = append(stream, `{"push":"message","data":"`...)
		stream = stamp.AppendMessage(stream, testRun, stamp.Stamp{Due: 1, Seq: n}, 64)
		stream = append(stream, "\"}\n"...)
	}
	for size := 1; len(stream) > 0; size = size%170 + 29 {
		piece := stream[:min(size, len(stream))]
		stream = stream[len(piece):]
		viewer.write(piece)
		bytes += uint64(len(piece))
		s.await(t, "a piece is read", func(now *Snapshot) bool { return now.Bytes == bytes })
	}
	viewer.write([]byte(`{"push":"bye","code":1001}` + "\n"))
	last := s.await(t, "it is told to go", func(now *Snapshot) bool { return now.Closed == 1 })
	if c := s.Finish(nil).Counts; c.Expected != 10 || c.Delivered != 10 || c.Duplicated+c.OutOfOrder+c.Missing+c.Misrouted != 0 || last.Pings != 1 {
		t.Errorf("%+v, %d pings", c, last.Pings)
	}
}

// TestPlainRefused: who is refused is not in, for the reason given.
func TestPlainRefused(t *testing.T) {
	srv := listen(t)
	s := startPlain(t, srv, "")
	viewer, said := srv.acceptPlain()
	if got := said(); !strings.HasPrefix(got, `{"id":1,`) {
		t.Errorf("without a token it says %s", got)
	}
	viewer.write([]byte(`{"push":"bye","code":1013,"reason":"the server is full"}` + "\n"))
	now := s.await(t, "it is refused", func(now *Snapshot) bool { return now.Failed == 1 })
	for why := range now.Failures {
		if !strings.Contains(why, "the server is full") {
			t.Errorf("refused for %s", why)
		}
	}
}

// Viewers and servers of the tests' own, good and bad ones.

package swarm

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"barrage/frame"
	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
)

// patience bounds every wait of a test. It is never the thing measured.
const patience = 20 * time.Second

// server is a listener, each connection of which does what the test says.
type server struct {
	t *testing.T
	l net.Listener
}

func listen(t *testing.T) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &server{t, l}
}

// peer is the server's end of one connection.
type peer struct {
	t       *testing.T
	conn    net.Conn
	request *http.Request
	answer  []byte // the upgrade, with compression if it was offered
	plain   []byte // the same without compression
}

// accept waits for a connection and its request.
func (s *server) accept() *peer {
	s.t.Helper()
	_ = s.l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	conn, err := s.l.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		s.t.Fatal(err)
	}
	head := "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
		req.Header.Get("Sec-WebSocket-Key") + "\r\nSec-WebSocket-Extensions: " + req.Header.Get("Sec-WebSocket-Extensions") + "\r\n\r\n"
	parsed, _, err := frame.ParseRequest([]byte(head))
	if err != nil {
		s.t.Fatal(err)
	}
	offered, err := parsed.OffersDeflate()
	if err != nil {
		s.t.Fatal(err)
	}
	return &peer{s.t, conn, req, frame.AppendUpgrade(nil, &parsed, "", offered != frame.NoDeflate), frame.AppendUpgrade(nil, &parsed, "", false)}
}

func (p *peer) write(b []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

const testRun stamp.Run = 7

// testPlan is n viewers of one room, who get ten messages.
func testPlan(n int, servers ...string) plan.Plan {
	p := plan.Plan{
		Stamp: "search", Publish: plan.PublishHTTP, Publishers: 1, Rate: 10, Duration: time.Second, Size: 64,
		Connections: n, Inflight: n, Rooms: 1, Room: "r", User: "u{n}", Late: time.Hour, SlowRate: 1,
	}
	for _, at := range servers {
		p.URLs = append(p.URLs, "ws://"+at+"/{user}?room={room}")
	}
	return p
}

func start(t *testing.T, p plan.Plan, sign func(string) (string, error)) *Swarm {
	t.Helper()
	s, err := New(Config{Plan: p, To: p.Connections, Threads: 1, Now: func() int64 { return time.Now().UnixNano() }, Sign: sign})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Connect(p.Connections)
	return s
}

func (s *Swarm) await(t *testing.T, what string, ok func(*Snapshot) bool) Snapshot {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		now := s.Snapshot()
		if ok(&now) {
			return now
		}
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s; %+v", patience, what, now)
		}
	}
}

func (s *Swarm) begin() { s.Begin(Window{Run: testRun, Start: 0, Rate: 10, Duration: time.Second}) }

// message is the nth one in frames: a long one is fragmented, with a ping
// between.
func message(n uint32) []byte {
	size := 64
	if n%3 == 0 {
		size = 600
	}
	text := stamp.AppendMessage([]byte(`{"push":"message","data":"`), testRun, stamp.Stamp{Due: 1, Seq: n}, size)
	if n%2 == 1 {
		return frame.AppendFrame(nil, frame.Text, text)
	}
	b := append([]byte{byte(frame.Text), 20}, text[:20]...) // no FIN (RFC 6455 section 5.2)
	b = frame.AppendFrame(b, frame.Ping, []byte("still there?"))
	return append(b, frame.AppendFrame(nil, 0, text[20:])...) // continuation
}

// TestPieces: the answer to the upgrade and the frames of two connections on one
// loop come in small pieces, by turns, so that each is taken up again where it
// was left.
func TestPieces(t *testing.T) {
	srv := listen(t)
	s := start(t, testPlan(2, srv.l.Addr().String()), nil)
	peers := [2]*peer{srv.accept(), srv.accept()}
	var streams [2][]byte
	bytes := uint64(0)
	// next writes some of each stream, and waits until it is read.
	next := func(n int) {
		for i, p := range peers {
			piece := streams[i][:min(n, len(streams[i]))]
			streams[i] = streams[i][len(piece):]
			p.write(piece)
			bytes += uint64(len(piece))
			s.await(t, "a piece is read", func(now *Snapshot) bool { return now.Bytes == bytes })
		}
	}
	for i, p := range peers {
		streams[i] = append(p.answer, frame.AppendFrame(nil, frame.Text, []byte(`{"push":"welcome"}`))...)
	}
	for len(streams[0]) > 2 { // the welcome is cut short
		next(min(len(streams[0])-2, 40))
	}
	if now := s.Snapshot(); now.Open != 2 || now.Failed != 0 {
		t.Fatalf("not open: %+v", now)
	}
	s.begin()
	bytes = 0
	for n := uint32(1); n <= 10; n++ {
		streams[0], streams[1] = append(streams[0], message(n)...), append(streams[1], message(n)...)
	}
	for size := 1; len(streams[0]) > 0; size = size%13 + 3 {
		next(size)
	}
	now := s.Finish(nil)
	if c := now.Counts; c.Expected != 20 || c.Delivered != 20 || c.Duplicated+c.OutOfOrder+c.Missing+c.Misrouted != 0 {
		t.Errorf("%+v", c)
	}
	if now.Pings != 10 || now.Open != 2 {
		t.Errorf("%d pings, %d open", now.Pings, now.Open)
	}
}

// TestClosed: why connections ended is counted, each once, and their messages are
// expected all the same.
func TestClosed(t *testing.T) {
	ends := map[string]func(p *peer){
		"1001 going away":   func(p *peer) { p.write(frame.AppendClose(nil, 1001, "going away")) },
		"4108":              func(p *peer) { p.write(frame.AppendClose(nil, 4108, "")) },
		"peer_closed":       func(p *peer) { p.conn.Close() },
		"peer_reset":        func(p *peer) { _ = p.conn.(*net.TCPConn).SetLinger(0); p.conn.Close() },
		`said {"error":"x"`: func(p *peer) { p.write(frame.AppendFrame(nil, frame.Text, []byte(`{"error":"x"`))) },
		"protocol error: ":  func(p *peer) { p.write([]byte{0x83, 0}) }, // opcode 3 is reserved
	}
	srv := listen(t)
	p := testPlan(len(ends), srv.l.Addr().String())
	p.Refusals = []string{`{"error":`}
	s := start(t, p, nil)
	var peers []*peer
	for range ends {
		c := srv.accept()
		c.write(c.answer)
		peers = append(peers, c)
	}
	s.await(t, "all are open", func(now *Snapshot) bool { return now.Open == len(ends) })
	s.begin()
	for _, end := range ends {
		end(peers[0])
		peers = peers[1:]
	}
	now := s.await(t, "all are closed", func(now *Snapshot) bool { return now.Open == 0 && now.Closed >= uint64(len(ends)) })
	for why := range ends {
		n := uint64(0)
		for found, times := range now.ClosedBy {
			if found == why || strings.HasSuffix(why, ": ") && strings.HasPrefix(found, why) {
				n += times
			}
		}
		if n != 1 {
			t.Errorf("%s: %d times; %v", why, n, now.ClosedBy)
		}
	}
	if c := s.Finish(nil).Counts; now.Closed != uint64(len(ends)) || c.Missing != uint64(10*len(ends)) || c.Expected != c.Missing {
		t.Errorf("%d closed, %+v", now.Closed, c)
	}
}

// TestFailures: attempts that come to nothing are told apart by address and
// answer, and the others are open.
func TestFailures(t *testing.T) {
	gone := listen(t)
	gone.l.Close()
	srv := listen(t)
	p := testPlan(12, gone.l.Addr().String(), srv.l.Addr().String()) // every second one to each
	p.Inflight = 12
	s := start(t, p, nil)
	answers := []string{
		"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\r\nthe house is full",
		"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 9\r\n\r\nthe house is full",
		"220 mail.example.com ESMTP\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
		"", // closed without one
	}
	for _, a := range answers {
		c := srv.accept()
		c.write([]byte(a))
		if a == "" {
			c.conn.Close()
		}
	}
	c := srv.accept()
	c.write(c.answer)
	now := s.await(t, "all are tried", func(now *Snapshot) bool { return now.Failed == 11 && now.Open == 1 })
	want := map[string]uint64{
		gone.l.Addr().String() + ": connection refused":                                 6,
		srv.l.Addr().String() + ": HTTP/1.1 503 Service Unavailable: the house is full": 2,
	}
	for why, n := range want {
		if now.Failures[why] != n {
			t.Errorf("%s: %d times", why, now.Failures[why])
		}
		delete(now.Failures, why)
	}
	for _, part := range []string{"not an answer to an upgrade: 220 mail", "closed before it answered (peer_closed)", "Accept"} {
		maps.DeleteFunc(now.Failures, func(why string, n uint64) bool { return n == 1 && strings.Contains(why, part) })
	}
	if len(now.Failures) != 0 || now.Connecting != 0 {
		t.Errorf("others: %v, %d connecting", now.Failures, now.Connecting)
	}
}

// TestUsers: each connection has a user and a token of its own, made once.
func TestUsers(t *testing.T) {
	srv := listen(t)
	var signed atomic.Int32
	s := start(t, testPlan(5, srv.l.Addr().String()), func(user string) (string, error) {
		signed.Add(1)
		return "token-of-" + user, nil
	})
	seen := map[string]bool{}
	for range 5 {
		c := srv.accept()
		user := strings.TrimPrefix(c.request.URL.Path, "/")
		if got := c.request.Header.Get("Authorization"); got != "Bearer token-of-"+user || c.request.URL.RawQuery != "room=r" {
			t.Errorf("%s has %q, %s", user, got, c.request.URL)
		}
		seen[user] = true
		c.write(c.answer)
	}
	s.await(t, "all are open", func(now *Snapshot) bool { return now.Open == 5 })
	for n := 1; n <= 5; n++ {
		if !seen[fmt.Sprintf("u%d", n)] {
			t.Errorf("user %d is not there: %v", n, seen)
		}
	}
	if n := signed.Load(); n != 5+1 { // New tries it
		t.Errorf("%d tokens made", n)
	}
}

func TestTokenRefused(t *testing.T) {
	why := errors.New("no")
	_, err := New(Config{Plan: testPlan(1, "127.0.0.1:1"), To: 1, Now: func() int64 { return 0 }, Sign: func(string) (string, error) { return "", why }})
	if !errors.Is(err, why) {
		t.Error(err)
	}
}

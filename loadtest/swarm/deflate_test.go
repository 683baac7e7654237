// Viewers that inflate, and batches.

package swarm

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/frame"
	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
)

// batch is the messages from first to last in one compressed frame.
func batch(first, last uint32) []byte {
	text := []byte(`{"push":"batch","batch":[`)
	for n := first; n <= last; n++ {
		text = append(text, `{"push":"message","data":"`...)
		text = stamp.AppendMessage(text, testRun, stamp.Stamp{Due: 1, Seq: n}, 64)
		text = append(text, `"},`...)
	}
	f := frame.EncodeDeflated(frame.Text, append(text[:len(text)-1], "]}"...))
	defer f.Release()
	return bytes.Clone(f.Bytes())
}

// deflating has viewers open who offer permessage-deflate, and counting begun. To
// the last of them, plain ones, the server does not agree.
func deflating(t *testing.T, agreed, plain int) (*Swarm, []*peer) {
	t.Helper()
	srv, n := listen(t), agreed+plain
	p := testPlan(n, srv.l.Addr().String())
	p.Deflate = true
	s := start(t, p, nil)
	peers := make([]*peer, n)
	for i := range peers {
		peers[i] = srv.accept()
		if i < agreed {
			peers[i].write(peers[i].answer)
		} else {
			peers[i].write(peers[i].plain)
		}
	}
	now := s.await(t, "all are open", func(now *Snapshot) bool { return now.Open == n })
	if now.Deflated != uint64(agreed) {
		t.Fatalf("%d of %d negotiated", now.Deflated, agreed)
	}
	s.begin()
	return s, peers
}

// TestBatches: the compressed frames of two connections on one loop come in
// pieces, by turns with those of one that does not compress. Each of their
// messages counts, also those that come twice, or never.
func TestBatches(t *testing.T) {
	s, peers := deflating(t, 2, 1)
	streams := [][]byte{
		append(batch(1, 4), batch(5, 10)...),
		slices.Concat(batch(1, 3), batch(3, 5), batch(7, 10)),
		slices.Concat(message(1), message(2), message(3)),
	}
	bytes := uint64(0)
	for left := true; left; {
		left = false
		for i, p := range peers {
			piece := streams[i][:min(37, len(streams[i]))]
			streams[i] = streams[i][len(piece):]
			left = left || len(streams[i]) > 0
			p.write(piece)
			bytes += uint64(len(piece))
			s.await(t, "a piece is read", func(now *Snapshot) bool { return now.Bytes == bytes })
		}
	}
	peers[2].write(batch(4, 9)) // which it may not
	now := s.await(t, "the one that may not is closed", func(now *Snapshot) bool { return now.Open == 2 })
	if now.Closed != 1 || now.Frames != 2+3+3 {
		t.Errorf("%d closed, %v; %d frames", now.Closed, now.ClosedBy, now.Frames)
	}
	if c := s.Finish(nil).Counts; c.Expected != 30 || c.Delivered != 10+9+3 || c.Missing != 1+7 || c.Duplicated != 1 || c.OutOfOrder+c.Misrouted != 0 {
		t.Errorf("%+v", c)
	}
}

// TestTalkersDeflate: what viewers send is compressed where the server agreed.
func TestTalkersDeflate(t *testing.T) {
	srv := listen(t)
	p := testPlan(1, srv.l.Addr().String())
	p.Deflate, p.Publish, p.Talkers, p.SendText = true, plan.PublishSocket, 100, "{payload}"
	s := start(t, p, nil)
	c := srv.accept()
	c.write(c.answer)
	s.await(t, "it is open", func(now *Snapshot) bool { return now.Open == 1 })
	s.Begin(Window{Run: testRun, Start: time.Now().UnixNano(), Rate: 10, Duration: time.Second})
	got := make(said, 10)
	asm, buf := frame.Assembler{Deflate: true}, make([]byte, 4096)
	for len(got) < 10 {
		n, err := c.conn.Read(buf)
		if err == nil && n > 0 && buf[0]&0x40 == 0 && len(got) == 0 {
			t.Error("the first frame is not compressed")
		}
		if err == nil {
			err = asm.Feed(buf[:n], &frame.Limits{}, got)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// said takes messages in.
type said chan string

func (s said) Message(_ frame.Opcode, p []byte) error {
	if _, _, ok := stamp.NewFinder(testRun, 0).Next(p); !ok {
		return fmt.Errorf("said %q", p)
	}
	s <- string(p)
	return nil
}

func (s said) Control(frame.Opcode, []byte) error { return nil }

// TestBrokenDeflate: damage ends the connection that it comes on, with its
// reason, and no other.
func TestBrokenDeflate(t *testing.T) {
	whole := batch(1, 10)
	bomb := frame.EncodeDeflated(frame.Text, bytes.Repeat([]byte("x"), maxMessage+1))
	defer bomb.Release()
	damaged := bytes.Clone(whole)
	damaged[4] |= 6 // the first block's type is none (RFC 1951 section 3.2.3)
	cut := frame.AppendFrame(nil, frame.Text, whole[4:len(whole)-20])
	cut[0] |= 0x40 // RSV1: compressed (RFC 7692 section 7.2.1)
	ends := []struct {
		name, why string
		bytes     []byte
	}{
		{"damaged", "protocol error: compressed message is damaged", damaged},
		{"cut short", "protocol error: compressed message is damaged", cut},
		{"bomb", "protocol error: message too big", bomb.Bytes()},
		{"compressed ping", "protocol error: ", []byte{0xc9, 0}},
	}
	s, peers := deflating(t, len(ends)+1, 0)
	for i, end := range ends {
		peers[i].write(end.bytes)
		now := s.await(t, end.name, func(now *Snapshot) bool { return now.Closed == uint64(i+1) })
		n := uint64(0)
		for why, times := range now.ClosedBy {
			if strings.HasPrefix(why, end.why) {
				n += times
			}
		}
		if n == 0 {
			t.Errorf("%s: %v", end.name, now.ClosedBy)
		}
	}
	peers[len(ends)].write(whole)
	s.await(t, "the others go on", func(now *Snapshot) bool { return now.Counts.Delivered == 10 })
	if c := s.Finish(nil).Counts; c.Missing != uint64(10*len(ends)) || c.Expected != c.Missing+10 {
		t.Errorf("%+v", c)
	}
}

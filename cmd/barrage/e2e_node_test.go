package main

// One node without Redis: messages, metrics, and the commands that talk to it.

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"barrage/frame"
)

func oneNode(t *testing.T, bin binary) {
	n := bin.serve(t)
	a, b, other := n.join("salon-a"), n.join("salon-a"), n.join("salon-b")
	both := func(op frame.Opcode, payload string) {
		t.Helper()
		a.want(op, payload)
		b.want(op, payload)
	}
	first := n.publish("salon-a", "héllo")
	both(frame.Text, "héllo")
	second, err := n.post("salon-a", "application/octet-stream", "\x00\xff")
	both(frame.Binary, "\x00\xff")
	if err != nil || first.ID == "" || first.ID == second.ID || first.Offset != 1 || second.Offset != 2 ||
		first.DeliveredTo != 2 || second.DeliveredTo != 2 || first.LocalOnly {
		t.Errorf("answers %+v, %+v, %v", first, second, err)
	}
	a.mustSend(frame.Text, "from a socket")
	both(frame.Text, "from a socket")
	b.mustSend(frame.Binary, "text as binary")
	both(frame.Binary, "text as binary")
	if p := n.publish("salon-empty", "hello?"); p.DeliveredTo != 0 {
		t.Errorf("to nobody: %+v", p)
	}
	n.publish("salon-b", "here")
	other.want(frame.Text, "here")

	b.mustSend(frame.Close, "\x03\xe8")
	await(t, "one member less", func() bool { return n.metrics()["barrage_connections"] == 2 })
	if p := n.publish("salon-a", "left over"); p.DeliveredTo != 1 {
		t.Errorf("to the one left: %+v", p)
	}
	a.want(frame.Text, "left over")
	n.wantBalance(4*2 + 1 + 1)
	n.wantMetrics(samples{
		"barrage_connections": 2, "barrage_rooms": 2,
		"barrage_messages_published_total": 7, "barrage_messages_delivered_total": 10,
		`barrage_messages_skipped_total{reason="slow"}`: 0, `barrage_messages_skipped_total{reason="left"}`: 0,
		`barrage_connections_closed_total{reason="normal"}`: 1, `barrage_handshakes_total{result="101"}`: 3,
	})
	for key := range n.metrics() {
		if strings.Contains(key, "salon") || strings.Contains(key, "127.0.0.1") {
			t.Errorf("a metric for each room or address: %s", key)
		}
	}
}

// wantBalance waits until so many messages times members were offered and none
// is pending, and asserts that each was delivered or skipped.
func (c *child) wantBalance(offered float64) {
	c.t.Helper()
	var s samples
	await(c.t, "all to be offered and none pending", func() bool {
		s = c.metrics()
		return s.sum("barrage_messages_offered_total") == offered && s.sum("barrage_messages_pending") == 0
	})
	if d, skipped := s.sum("barrage_messages_delivered_total"), s.sum("barrage_messages_skipped_total"); d+skipped != offered {
		c.t.Errorf("%v offered, %v delivered, %v skipped, none pending", offered, d, skipped)
	}
}

func (c *child) wantMetrics(want samples) {
	c.t.Helper()
	got := c.metrics()
	for key, v := range want {
		if g, ok := got[key]; !ok || g != v {
			c.t.Errorf("%s is %v (there: %v), want %v", key, g, ok, v)
		}
	}
}

// A viewer that does not read is skipped, and the counts say exactly what the
// viewers got.
func accounting(t *testing.T, bin binary) {
	const total = 200
	n := bin.serve(t, "--shards=2", "--room-log-bytes=64KiB", "--max-message-bytes=16KiB", "--send-buffer-bytes=4KiB")
	frozen, reads := n.join("salon"), n.join("salon")
	if err := frozen.conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	got := make(chan int)
	go func() { // ends with the last message or the connection
		texts, err := reads.until("end")
		if err != nil {
			t.Error(err)
		}
		got <- len(texts)
	}()
	for i := range total - 1 {
		n.publish("salon", fmt.Sprintf("%16000d", i))
	}
	n.publish("salon", "end")
	seen := <-got
	var s samples
	await(t, "all to be offered", func() bool {
		s = n.metrics()
		return s["barrage_messages_offered_total"] == 2*total
	})
	pending, slow := s["barrage_messages_pending"], s[`barrage_messages_skipped_total{reason="slow"}`]
	if pending == 0 || slow == 0 || s["barrage_messages_delivered_total"]+slow+pending != 2*total {
		t.Errorf("%v delivered, %v skipped, %v pending of %d", s["barrage_messages_delivered_total"], slow, pending, 2*total)
	}
	seen += len(frozen.mustUntil("end")) + 2
	n.wantBalance(2 * total)
	n.wantMetrics(samples{"barrage_messages_delivered_total": float64(seen)})
}

func commands(t *testing.T, bin binary) {
	if got := bin.run(t, nil, "", "version"); got.code != exitOK || !strings.HasPrefix(got.stdout, "barrage ") || strings.Count(got.stdout, "\n") != 1 {
		t.Errorf("version: %+v", got)
	}
	n := bin.serve(t, "--admin-token=s3cret", "--drain-window=0")
	v := n.join("salon")
	token := []string{"BARRAGE_ADMIN=" + n.admin, "BARRAGE_ADMIN_TOKEN=s3cret"}
	for _, tt := range []struct {
		name   string
		args   []string
		stdin  string
		op     frame.Opcode
		gets   string
		answer string
	}{
		{"text", []string{"salon", "from a shell"}, "", frame.Text, "from a shell", `,"offset":1,"delivered_to":1,"epoch":"`},
		{"standard input", []string{"salon", "-", "--binary"}, "\xff\n", frame.Binary, "\xff\n", `,"offset":2,"delivered_to":1,"epoch":"`},
	} {
		got := bin.run(t, token, tt.stdin, append([]string{"publish"}, tt.args...)...)
		if got.code != exitOK || got.stderr != "" || !strings.HasPrefix(got.stdout, `{"id":"`) || !strings.Contains(got.stdout, tt.answer) {
			t.Errorf("%s: %+v", tt.name, got)
		}
		v.want(tt.op, tt.gets)
	}
	if got := bin.run(t, nil, "", "publish", "salon", "x", "--admin", n.admin); got.code != exitFailure || !strings.Contains(got.stderr, "token") {
		t.Errorf("without the token: %+v", got)
	}
	n.signal(sigterm)
	n.wantExit(exitOK)
	if got := bin.run(t, token, "", "publish", "salon", "x"); got.code != exitFailure || !strings.Contains(got.stderr, "nothing listens on "+n.admin) {
		t.Errorf("after the server's end: %+v", got)
	}
}

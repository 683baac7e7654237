package main

// This file tests messages for single connections and devices, and copies of what users write,
// over two nodes that share a Redis.

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"barrage/internal/redistest"
)

// receipt is the answer to a publish.
type receipt struct {
	ID          string
	Offset      uint64
	DeliveredTo *int `json:"delivered_to"`
	LocalOnly   bool `json:"local_only"`
	Online      *bool
}

// send publishes by a node's API, and returns how many got it.
func (n *workersNode) send(path, text string) int {
	n.t.Helper()
	resp, err := n.http.Client().Post(n.http.URL+"/v1/"+path, "text/plain", strings.NewReader(text))
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	var r receipt
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil || resp.StatusCode != 200 || r.ID == "" || r.DeliveredTo == nil || r.Offset != 0 || r.Online != nil || r.LocalOnly {
		n.t.Fatalf("%s: %d %+v, %v", path, resp.StatusCode, r, err)
	}
	return *r.DeliveredTo
}

// wantMessage wants this text as the next message.
func (m *member) wantMessage(text, user string) v1Fields {
	m.t.Helper()
	f := m.push("message", "")
	if f.text() != text || f.Sender.User != user {
		m.t.Errorf("got %q of %q, want %q of %q", f.text(), f.Sender.User, text, user)
	}
	return f
}

func TestDevicesOfTwoNodes(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	settings := "auth_secret: " + v1Secret + "\nanonymous: true\n"
	here, there := startWorkersNode(t, redis, settings, ""), startWorkersNode(t, redis, settings, "")
	// Once each knows of the other, answers are waited for.
	await(t, "the nodes to know of each other", func() bool {
		return here.Stats().DirectPeers == 1 && there.Stats().DirectPeers == 1
	})
	bob := "token=" + v1Token(t, "bob")
	phone, tab := here.connect("?device=phone&"+bob), there.connect("?device=phone&"+bob)
	desk, guest := there.connect("?device=desk&"+bob), there.connect("")

	for _, n := range []*workersNode{here, there} {
		if got := n.send("users/bob/messages?device=phone&user=shop", "to phones"); got != 2 {
			t.Errorf("%d phones got it", got)
		}
		for _, m := range []*member{phone, tab} {
			m.wantMessage("to phones", "shop")
		}
		if got := n.send("users/bob/messages?device=none", "to nobody"); got != 0 {
			t.Errorf("%d got it", got)
		}
		for _, m := range []*member{phone, desk, guest} {
			if got := n.send("connections/"+m.welcome.Conn+"/messages?kind=note", "to one"); got != 1 {
				t.Errorf("%d got it", got)
			}
			if f := m.wantMessage("to one", ""); f.Conn != m.welcome.Conn || f.Kind != "note" {
				t.Errorf("got %+v", f)
			}
		}
	}
	// By a client; with lines in it.
	ann := here.connect("?token=" + v1Token(t, "ann"))
	long := strings.Repeat("line\n", 2<<10)
	text, _ := json.Marshal(long)
	if f := ann.ask(fmt.Sprintf(`"cmd":"publish","to":"bob","device":"desk","data":%s`, text)); f.DeliveredTo == nil || *f.DeliveredTo != 1 || f.Online != nil {
		t.Errorf("replied %+v", f)
	}
	desk.wantMessage(long, "ann")

	// What is written on one node comes to the writer's connections on the other.
	watch := there.connect("?own=1&token=" + v1Token(t, "ann"))
	await(t, "the other node to know that copies are wanted", func() bool { return here.Stats().OwnWanted })
	ann.ask(`"cmd":"publish","to":"ann","data":"to all of mine"`)
	watch.push("joined", "user:ann") // so her messages go there by now
	sent := ann.ask(`"cmd":"publish","to":"bob","data":"hello bob"`)
	if f := watch.wantMessage("hello bob", "ann"); f.Receiver != "bob" || !f.Self {
		t.Errorf("the copy of %s is %+v", sent.MessageID, f)
	}

	// A node that is gone is not waited for.
	gone := tab.welcome.Conn
	if err := there.Drain(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	await(t, "the other node to be gone", func() bool { return here.Stats().DirectPeers == 0 })
	if got := here.send("users/bob/messages?device=phone", "to one phone"); got != 1 {
		t.Errorf("%d got it", got)
	}
	if got := here.send("connections/"+gone+"/messages", "to nobody"); got != 0 {
		t.Errorf("%d got it", got)
	}
	if got := here.Stats().Direct; got["given"] < 6 || got["nobody"] < 1 {
		t.Errorf("counted %v", got)
	}
}

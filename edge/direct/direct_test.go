package direct

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"barrage/edge/conn"
	"barrage/internal/bounds"
	"barrage/internal/broker"
)

// post keeps what a courier says, or refuses it.
type post struct {
	broker.Broker
	said []broker.Publication
	away bool
}

func (p *post) Err() error { return nil }

func (p *post) Want(string) bool { return true }

func (p *post) TryPublish(m *broker.Publication, done func(broker.Receipt, error)) bool {
	if p.away {
		return false
	}
	p.said = append(p.said, *m)
	done(broker.Receipt{}, nil)
	return true
}

// newCourier is one of a node without connections.
func newCourier() (*Courier, *post) {
	b := new(post)
	c := New(Config{Node: "here", Clustered: true, Loops: conn.NewLoops(conn.Config{Node: "here"}), Control: "@control"})
	c.Start(b)
	return c, b
}

// hear has another node say something.
func (c *Courier) hear(room, letter string) {
	c.Hear(&broker.Message{Room: room, Kind: Kind, Format: broker.Binary, Payload: []byte(letter + "\n")})
}

// sent is what became of a message.
type sent struct {
	over atomic.Bool
	broker.Receipt
}

func (c *Courier) sendTo(name string) (s *sent) {
	s = new(sent)
	if !c.Send(&broker.Publication{Conn: name, Format: broker.Text, Payload: []byte("hi")}, func(r broker.Receipt, _ error) {
		s.Receipt = r
		s.over.Store(true)
	}) {
		return nil
	}
	return s
}

// TestAnswers: a message is over once its node has answered, whatever others say; and after a
// while without an answer, and then the node is none that is waited for.
func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := newCourier()
		c.hear("@control", `{"from":"there"}`)
		s := c.sendTo("there-7")
		if len(b.said) != 1 || b.said[0].Room != "@direct:there" {
			t.Fatalf("said %+v", b.said)
		}
		for _, letter := range []string{`{"from":"there","answer":{"number":2,"given":1}}`, `{"from":"here","answer":{"number":1,"given":1}}`, `{}`, `no letter`} {
			if c.hear("@direct:here", letter); s.over.Load() {
				t.Fatalf("over by %s", letter)
			}
		}
		c.hear("@direct:elsewhere", `{"from":"there","answer":{"number":1,"given":1}}`)
		if s.over.Load() {
			t.Fatal("over by what was said in another room")
		}
		if c.hear("@direct:here", `{"from":"there","answer":{"number":1,"given":1}}`); !s.over.Load() || s.Members != 1 || s.LocalOnly {
			t.Errorf("got %+v", s)
		}

		s = c.sendTo("there-8")
		time.Sleep(bounds.DirectWait - 1)
		synctest.Wait()
		if s.over.Load() || c.Peers() != 1 {
			t.Errorf("over too soon, %d nodes", c.Peers())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if !s.over.Load() || s.Members != 0 || c.Peers() != 0 {
			t.Errorf("got %+v, %d nodes", s, c.Peers())
		}
		c.hear("@direct:here", `{"from":"there","answer":{"number":2,"given":1}}`) // too late, but it is there
		if got := c.Results(); c.Peers() != 1 || got["given"] != 1 || got["unanswered"] != 1 || c.slots.Used() != 0 {
			t.Errorf("%d nodes, %v, %d slots", c.Peers(), got, c.slots.Used())
		}

		b.away = true
		if s = c.sendTo("there-9"); !s.over.Load() || !s.LocalOnly || s.Members != 0 {
			t.Errorf("without the others: %+v", s)
		}
	})
}

// TestTooMany: what nodes do not answer has a bound, of which one who writes has half.
func TestTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newCourier()
		n, own := 0, 0
		for c.Send(&broker.Publication{Conn: "there-1", Sender: broker.Sender{User: "ann", Conn: "here-1"}}, nil) {
			own++
		}
		for c.sendTo(fmt.Sprint("there-", n)) != nil {
			n++
		}
		if own != bounds.Directs/2 || n != bounds.Directs/2 || c.Results()["overloaded"] != 2 {
			t.Errorf("%d of a user, %d of backends, %v", own, n, c.Results())
		}
		time.Sleep(bounds.DirectWait)
		synctest.Wait()
		if c.slots.Used() != 0 || len(c.asked) != 0 || c.sendTo("there-1") == nil {
			t.Errorf("%d slots are used still", c.slots.Used())
		}
	})
}

// TestNodes: nodes are known while they say something, and one that comes is told of this one.
func TestNodes(t *testing.T) {
	c, _ := newCourier()
	c.hear("@control", `{"from":"a"}`)
	c.hear("@control", `{"from":"b"}`)
	c.hear("@control", `{"from":"a"}`)
	if got := fmt.Sprint(c.strangers()); got != "[a b]" || c.strangers() != nil {
		t.Errorf("to be greeted are %s", got)
	}
	c.hear("@control", `{"from":"b","leaves":true}`)
	c.hear("@control", `{"from":"here"}`)
	if c.Peers() != 1 {
		t.Errorf("%d nodes", c.Peers())
	}
	if c.forget(time.Now().Add(peerLease-time.Second), true); c.Peers() != 1 {
		t.Error("forgotten too soon")
	}
	if c.forget(time.Now().Add(peerLease+time.Second), true); c.Peers() != 0 {
		t.Errorf("%d nodes", c.Peers())
	}
}

// TestNowhere: a connection of a node that nobody has heard of is nobody's, and that is said at
// once, but while there may be nodes that had no time yet to say something.
func TestNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := newCourier()
		if s := c.sendTo("young-1"); s.over.Load() || len(b.said) != 1 {
			t.Errorf("over at once, when others may be there: %+v", s)
		}
		time.Sleep(settleTime)
		synctest.Wait()
		c.hear("@control", `{"from":"there"}`)
		for _, name := range []string{"nowhere", "gone-1", "-", "here-zzz!", "there"} {
			if s := c.sendTo(name); !s.over.Load() || s.Members != 0 || s.LocalOnly {
				t.Errorf("%q: %+v", name, s)
			}
		}
		if len(b.said) != 1 || c.Results()["nobody"] != 5 {
			t.Errorf("%d letters, %v", len(b.said), c.Results())
		}
		// One that did not answer in time may be there all the same.
		c.sendTo("there-1")
		time.Sleep(bounds.DirectWait)
		synctest.Wait()
		if s := c.sendTo("there-1"); s.over.Load() || c.Peers() != 0 {
			t.Errorf("over at once: %+v, %d nodes", s, c.Peers())
		}
		// And so may any, where none could be heard for a while.
		time.Sleep(bounds.DirectWait)
		c.forget(time.Now(), false)
		if s := c.sendTo("gone-1"); s.over.Load() {
			t.Errorf("over at once: %+v", s)
		}
		time.Sleep(bounds.DirectWait)
		synctest.Wait()
	})
}

// TestOwn: copies are wanted while any node says so, or says nothing of it, and at first.
func TestOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newCourier()
		want := func(what string, own bool) {
			t.Helper()
			if c.Own() != own {
				t.Errorf("%s: copies are made: %v", what, c.Own())
			}
		}
		want("at first", true)
		time.Sleep(settleTime)
		want("without others", false)
		c.hear("@control", `{"from":"there","no_own":true}`)
		want("nobody there wants any", false)
		c.hear("@control", `{"from":"there"}`)
		want("somebody does", true)
		c.hear("@direct:here", `{"from":"there","no_own":true}`)
		want("not any more", false)
		c.hear("@control", `{"from":"before"}`)
		want("a node of before", true)
		c.hear("@control", `{"from":"before","leaves":true}`)
		want("it has left", false)
		c.forget(time.Now(), false)
		want("nobody can be heard", true)
	})
}

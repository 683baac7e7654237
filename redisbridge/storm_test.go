package redisbridge

// A storm: several nodes publish in several rooms, half of the publishers as the API
// does and half as sockets do, while a test does its worst to Redis. Afterwards every
// node must have got every message that was acknowledged, once, in the order of
// offsets and of its publisher, but for gaps that were announced.

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/internal/broker"
	"barrage/internal/broker/brokertest"
)

// What finish wants to see of gaps.
type gapWish uint8

const (
	noGaps gapWish = iota
	someGaps
	maybeGaps
)

var figures = regexp.MustCompile(`[0-9.]*[0-9]`)

type storm struct {
	t       *testing.T
	nodes   []*brokertest.Node
	rooms   []string
	persist bool // publishers repeat what failed, with its key, until it is accepted

	stop chan struct{}
	wg   sync.WaitGroup

	mu    sync.Mutex
	acked map[string]acknowledged // by payload
	fails map[string]int          // errors of publishing, by text

	deposed time.Time                  // see masterLost
	kept    map[string]broker.Position // what the histories have at the end, by payload
}

type acknowledged struct {
	broker.Receipt
	asked time.Time // when the publish began: the answer may have waited for long to be noted
}

// masterLost says that a master has died, or been deposed, and until when it may have
// acknowledged what was asked of it. Redis replicates without waiting, and writes to one
// connection after the other: a publisher may have got an answer that neither the
// replica nor any node ever heard of. Its offset is then given to another message, so
// that nobody can tell that it is gone. Only what the histories do not have is.
func (s *storm) masterLost() { s.deposed = time.Now() }

// lost tells whether Redis has lost a message that it had acknowledged.
func (s *storm) lost(payload string, a acknowledged) bool {
	return a.asked.Before(s.deposed) && s.kept[payload] != a.Position
}

func startStorm(t *testing.T, cfg Config, nodes int, persist bool) *storm {
	t.Helper()
	cfg.Outage = OutageRefuse
	s := &storm{
		t: t, nodes: startNodes(t, cfg, nodes).Nodes, rooms: []string{"a", "b", "c"}, persist: persist,
		stop: make(chan struct{}), acked: make(map[string]acknowledged), fails: make(map[string]int),
		kept: make(map[string]broker.Position),
	}
	for i, n := range s.nodes {
		for _, room := range s.rooms {
			n.Receiver.SetMembers(room, 1)
			eventually(t, fmt.Sprintf("node %d is ready for %s", i, room), func() bool { return n.Err() == nil && n.Want(room) })
		}
	}
	for i, n := range s.nodes {
		for k, room := range s.rooms {
			send := n.Publish
			if (i+k)%2 == 1 {
				send = trying(n)
			}
			s.wg.Go(func() { s.publish(send, room, fmt.Sprintf("%s/%d", room, i)) })
		}
	}
	t.Cleanup(s.end)
	return s
}

var errRefused = errors.New("TryPublish refused")

// A sender publishes and waits for the receipt.
type sender func(context.Context, *broker.Publication) (broker.Receipt, error)

// trying sends by TryPublish.
func trying(n *brokertest.Node) sender {
	return func(_ context.Context, p *broker.Publication) (r broker.Receipt, err error) {
		told := make(chan struct{})
		accepted := n.TryPublish(p, func(receipt broker.Receipt, failure error) {
			r, err = receipt, failure
			close(told) // a second time panics
		})
		if !accepted {
			return r, errRefused
		}
		<-told
		return r, err
	}
}

// publish is a publisher. It pauses a little between messages, which decides
// nothing but the load.
func (s *storm) publish(send sender, room, name string) {
	for k := 0; ; k++ {
		p := message(room, fmt.Sprintf("%s/%d", name, k))
		p.Key = string(p.Payload)
		for {
			select {
			case <-s.stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			asked := time.Now()
			r, err := send(context.Background(), p)
			s.mu.Lock()
			if err == nil {
				s.acked[string(p.Payload)] = acknowledged{r, asked}
			} else {
				s.fails[figures.ReplaceAllString(err.Error(), "N")]++
			}
			s.mu.Unlock()
			if err == nil || !s.persist {
				break
			}
		}
	}
}

func (s *storm) end() {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.wg.Wait()
}

func (s *storm) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acked)
}

// flow waits until messages are accepted again, on the way from every node.
func (s *storm) flow() {
	s.t.Helper()
	from := s.count()
	eventually(s.t, "messages flow", func() bool { return s.count() > from+50 })
}

// finish ends the storm and compares what was acknowledged with what arrived.
func (s *storm) finish(wish gapWish) {
	t := s.t
	t.Helper()
	for _, n := range s.nodes {
		eventually(t, "node is up", func() bool { return n.Err() == nil })
	}
	s.end()
	for err, n := range s.fails {
		t.Logf("%d times: %s", n, err)
	}
	gaps := 0
	for _, room := range s.rooms {
		last := fmt.Sprintf("the last of %s", room)
		var end broker.Receipt
		eventually(t, "the last publish", func() (ok bool) {
			p := message(room, last)
			p.Key = last
			r, err := s.nodes[0].Publish(context.Background(), p)
			end = r
			return err == nil
		})
		eventually(t, "the history is read", func() (ok bool) {
			page, err := s.nodes[0].History(context.Background(), room, broker.Query{})
			for _, m := range page.Messages {
				s.kept[string(m.Payload)] = *m.Position()
			}
			return err == nil
		})
		for i, n := range s.nodes {
			eventually(t, fmt.Sprintf("node %d got the last message of %s", i, room), func() bool {
				got := n.Receiver.Events(room)
				if len(got) == 0 {
					return false
				}
				// Or was told that its epoch has ended: a node found out only now.
				last := got[len(got)-1]
				return last.Gap == nil && last.Message.ID == end.ID ||
					wish != noGaps && last.Gap != nil && last.Gap.Reason == broker.GapEpoch && last.Gap.Epoch == end.Position.Epoch
			})
			gaps += s.compare(i, n, room)
		}
	}
	t.Logf("%d messages acknowledged, %d gaps", s.count(), gaps)
	if (wish == noGaps && gaps > 0) || (wish == someGaps && gaps == 0) {
		t.Errorf("%d gaps were announced", gaps)
	}
	for i, n := range s.nodes {
		for _, wrong := range n.Receiver.Wrongs() {
			t.Errorf("node %d: %s", i, wrong)
		}
	}
}

// numbered takes a publisher's message apart.
func numbered(payload []byte) (by string, k int, ok bool) {
	text := string(payload)
	at := strings.LastIndexByte(text, '/')
	k, err := strconv.Atoi(text[at+1:])
	return text[:max(at, 0)], k, err == nil
}

// compare checks one node's view of a room and returns the number of gaps.
func (s *storm) compare(i int, n *brokertest.Node, room string) (gaps int) {
	t := s.t
	t.Helper()
	type arrival struct {
		broker.Position
		gaps int   // before it
		time int64 // when Redis took it, in Unix milliseconds
	}
	at := make(map[string]arrival) // by payload
	next := make(map[string]int)   // the least number that may come next, by publisher
	var pos broker.Position
	started := false
	ends := make(map[string]uint64) // of each epoch, what came last: it may go on, if its end was a mistake
	for _, e := range n.Receiver.Events(room) {
		if e.Gap != nil {
			gaps++
			t.Logf("node %d, room %s: gap %+v", i, room, *e.Gap)
			if started && (e.Gap.From != pos.Offset+1 || (pos.Epoch != "" && e.Gap.Epoch != pos.Epoch)) {
				t.Fatalf("node %d, room %s: gap %+v after %+v", i, room, *e.Gap, pos)
			}
			if e.Gap.Reason == broker.GapEpoch {
				pos = broker.Position{}
			} else {
				pos = broker.Position{Epoch: e.Gap.Epoch, Offset: e.Gap.To}
			}
			started = true
			clear(next) // what had no receipt before may be repeated behind it
			continue
		}
		m := e.Message
		if pos.Epoch == "" {
			pos.Offset = ends[m.Epoch]
		}
		ends[m.Epoch] = m.Offset
		if started && (m.Offset != pos.Offset+1 || (pos.Epoch != "" && m.Epoch != pos.Epoch)) {
			t.Fatalf("node %d, room %s: %s at %s/%d came after %+v", i, room, m.Payload, m.Epoch, m.Offset, pos)
		}
		pos, started = broker.Position{Epoch: m.Epoch, Offset: m.Offset}, true
		// What a master had passed on and not replicated is gone with it, its key
		// too: a repetition is then a message of the history that took its place.
		if before, twice := at[string(m.Payload)]; twice && before.gaps == gaps {
			t.Errorf("node %d, room %s: %s came at %+v and, %d ms newer, at %+v", i, room, m.Payload, before.Position, m.Time-before.time, pos)
		}
		at[string(m.Payload)] = arrival{pos, gaps, m.Time}
		if by, k, ok := numbered(m.Payload); ok && s.persist {
			if k < next[by] {
				t.Errorf("node %d, room %s: %s came behind number %d", i, room, m.Payload, next[by]-1)
			}
			next[by] = k + 1
		}
	}
	if gaps > 0 {
		return gaps // what was acknowledged may be in one of them
	}
	for payload, r := range s.acked {
		if payload[:len(room)+1] != room+"/" || at[payload].Position == r.Position {
			continue
		}
		complain := t.Errorf
		if s.lost(payload, r) {
			complain = t.Logf
		}
		complain("node %d: %s was acknowledged at %+v, came at %+v, and is kept at %+v", i, payload, r.Position, at[payload].Position, s.kept[payload])
	}
	return gaps
}

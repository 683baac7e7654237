// Many goroutines at once.

package fanout

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const churnFrom = 1 << 20 // numbers of the churn room's messages in TestStorm

// TestStorm joins, leaves, holds, resumes and publishes from many goroutines. Run
// under -race.
func TestStorm(t *testing.T) {
	const shards, subs, publishers, each, encodings = 4, 50, 4, 500, 3
	var made batcher
	hub, err := NewHub(made.config(Config{Shards: shards}, time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	stop := startRun(hub)
	sinks := make([]*fakeSink, shards)
	var wg, pubs sync.WaitGroup
	done := make(chan struct{})
	for i := range shards {
		wake := make(chan struct{}, 1)
		sinks[i] = newFakeSink(subs, 1<<40)
		s := hub.Shard(i)
		s.Attach(sinks[i], func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		})
		for sub := range subs {
			s.Join(uint32(sub), "steady", Encoding(sub%encodings), false)
		}
		wg.Go(func() { // stopped by done
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for {
				select {
				case <-wake:
					workAll([]*Shard{s})
					churn(s, rng, uint32(rng.IntN(subs)), Encoding(rng.IntN(encodings)))
				case <-done:
					workAll([]*Shard{s})
					for sub := range uint32(subs) {
						s.Leave(sub, "churn") // the held ones keep batches
					}
					return
				}
			}
		})
	}
	sent := make([][]*pub, publishers)
	for p := range publishers {
		pubs.Go(func() {
			for i := range each {
				steady, churn := newPub(p*each+i, 20), newPub(churnFrom+p*each+i, 20)
				sent[p] = append(sent[p], steady, churn)
				if _, err := hub.Publish("steady", steady); err != nil {
					t.Error(err)
				}
				if _, err := hub.Publish("churn", churn); err != nil {
					t.Error(err)
				}
			}
		})
	}
	pubs.Wait()
	stop()
	close(done)
	wg.Wait()
	if made.most < 2 {
		t.Error("nothing was batched")
	}
	made.checkReleased(t)
	checkOneOrder(t, hub, sinks, publishers, each, encodings)
	for _, ps := range sent {
		for _, p := range ps {
			p.checkReleased(t)
		}
	}
}

// startRun has batches sent. It returns what ends that, and waits for it.
func startRun(hub *Hub) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { hub.Run(ctx) })
	for st := range hub.stripes.All() {
		for on := false; !on; runtime.Gosched() {
			st.mu.Lock()
			on = st.batching
			st.mu.Unlock()
		}
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// churn lets a subscriber join, held or not, or go on, or leave.
func churn(s *Shard, rng *rand.Rand, sub uint32, e Encoding) {
	switch {
	case s.Join(sub, "churn", e, rng.IntN(2) == 0):
	case rng.IntN(2) == 0:
		s.Resume(sub, "churn", 0)
	default:
		s.Leave(sub, "churn")
	}
}

// checkOneOrder wants every stream to hold the steady room's messages whole and
// in the same order, and those of the churn room in the order of each publisher.
func checkOneOrder(t *testing.T, hub *Hub, sinks []*fakeSink, publishers, each, encodings int) {
	t.Helper()
	var order []int
	for i, sink := range sinks {
		for sub, sock := range sink.socks {
			var steady []int
			last := make(map[int]int) // number by publisher
			for _, g := range sock.receive(t) {
				if g.num < churnFrom {
					steady = append(steady, g.num)
					if g.enc != Encoding(sub%encodings) {
						t.Fatalf("sub %d/%d got encoding %d", i, sub, g.enc)
					}
					continue
				}
				if p := (g.num - churnFrom) / each; g.num <= last[p] {
					t.Fatalf("sub %d/%d got %d of the churn room behind %d", i, sub, g.num, last[p])
				} else {
					last[p] = g.num
				}
			}
			if len(steady) != publishers*each {
				t.Fatalf("sub %d/%d got %d messages of %d", i, sub, len(steady), publishers*each)
			}
			if order == nil {
				order = steady
			}
			for j := range order {
				if order[j] != steady[j] {
					t.Fatalf("sub %d/%d has message %d at %d, another has %d", i, sub, steady[j], j, order[j])
				}
			}
		}
		checkAccounts(t, hub.Shard(i))
	}
}

// TestRecoveryIsSeamless: members join held, read a history that may be ahead of
// what is published here, and go on behind it. What they get is what follows,
// each message once, while publishing goes on. Run under -race.
func TestRecoveryIsSeamless(t *testing.T) {
	const shards, last = 2, 2000
	var made batcher
	hub, err := NewHub(made.config(Config{Shards: shards}, time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	stop := startRun(hub)
	var history, steps atomic.Uint64
	var wg sync.WaitGroup
	done := make(chan struct{})
	for i := range shards {
		v := &viewers{t: t, s: hub.Shard(i), rng: rand.New(rand.NewPCG(uint64(i), 2)), history: &history, last: last}
		v.sink = newFakeSink(len(v.subs), 1<<40)
		v.s.Attach(v.sink, func() {})
		wg.Go(func() { // stopped by done
			for {
				select {
				case <-done:
					v.finish()
					return
				default:
					v.step()
					steps.Add(1)
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for i := uint64(1); i <= last; i++ {
		for steps.Load() < 4*i {
			runtime.Gosched()
		}
		history.Store(min(last, max(history.Load(), i+rng.Uint64N(4))))
		p := newPub(int(i), 20)
		p.seq = i
		publish(t, hub, "r", p)
		if rng.IntN(4) == 0 {
			publish(t, hub, "r", newPub(0, 20)) // without a sequence
		}
	}
	stop()
	close(done)
	wg.Wait()
	if made.most < 2 {
		t.Error("nothing was batched")
	}
	made.checkReleased(t)
}

// viewers are the members in one shard of TestRecoveryIsSeamless.
type viewers struct {
	t       *testing.T
	s       *Shard
	sink    *fakeSink
	rng     *rand.Rand
	history *atomic.Uint64
	last    uint64
	subs    [20]struct {
		state int    // 0 is out, 1 held, 2 resumed
		next  uint64 // the sequence that must come next
	}
}

// step lets one of them go on.
func (v *viewers) step() {
	v.s.Work()
	i := v.rng.IntN(len(v.subs))
	sub := &v.subs[i]
	v.check(i)
	switch sub.state {
	case 0:
		v.s.Join(uint32(i), "r", Encoding(v.rng.IntN(3)), true)
		sub.state = 1
	case 1:
		after := v.history.Load()
		v.s.Resume(uint32(i), "r", after)
		sub.state, sub.next = 2, after+1
	case 2:
		if v.rng.IntN(4) == 0 {
			v.s.Leave(uint32(i), "r")
			sub.state = 0
		}
	}
}

// check looks at what one of them has received.
func (v *viewers) check(i int) {
	sub := &v.subs[i]
	for _, num := range v.sink.socks[i].take(v.t) {
		switch {
		case sub.state != 2:
			v.t.Errorf("sub %d got message %d and is not to get any", i, num)
		case num == 0:
		case uint64(num) != sub.next:
			v.t.Errorf("sub %d got message %d instead of %d", i, num, sub.next)
		default:
			sub.next++
		}
	}
}

// finish wants that all got everything.
func (v *viewers) finish() {
	workAll([]*Shard{v.s})
	for i := range v.subs {
		if v.check(i); v.subs[i].state == 2 && v.subs[i].next != v.last+1 {
			v.t.Errorf("sub %d never got message %d", i, v.subs[i].next)
		}
		v.s.LeaveAll(uint32(i)) // the held ones keep batches
	}
	checkAccounts(v.t, v.s)
}

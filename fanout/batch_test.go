// Batches: when they are made, of what, and how a member goes on within one.

package fanout

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestBatchConfig(t *testing.T) {
	batch := new(batcher).batch
	for _, cfg := range []Config{
		{Batched: 1, BatchWait: time.Second},
		{Batched: 1, Batch: batch},
		{Batched: 2, BatchWait: time.Second, Batch: batch},
		{BatchBytes: -1},
	} {
		if _, err := NewHub(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

// newBatchShard has sub 0 in the encoding 0 and the others in the batched one. The
// test sends the batches.
func newBatchShard(t testing.TB, cfg Config, subs int) (*Hub, *Shard, *fakeSink, *batcher) {
	t.Helper()
	made := new(batcher)
	hub, s, sink := newTestShard(t, made.config(cfg, time.Hour), subs)
	hub.setBatching(true)
	for sub := range uint32(subs) {
		s.Join(sub, "r", Encoding(min(sub, 1))*batched, false)
	}
	return hub, s, sink, made
}

// flushDue sends what waits, in all rooms.
func flushDue(hub *Hub) {
	for {
		b, _ := hub.due.next(math.MaxInt64)
		if b == nil {
			return
		}
		hub.flush(b)
	}
}

func publishNums(t testing.TB, hub *Hub, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		p := newPub(i, 10)
		p.seq = uint64(i)
		publish(t, hub, "r", p)
	}
}

func nums(from, to int) (all []int) {
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}

// TestRun: the first message at once, those behind it together in time, and after
// its end each by itself.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const wait = 50 * time.Millisecond
		made := new(batcher)
		hub, s, sink := newTestShard(t, made.config(Config{}, wait), 3)
		for sub := range uint32(3) {
			s.Join(sub, "r", Encoding(min(sub, 1))*batched, false)
		}
		got := func(plain, batched []int) {
			t.Helper()
			workAll([]*Shard{s})
			for sub, want := range [][]int{plain, batched, batched} {
				if got := sink.socks[sub].take(t); !slices.Equal(got, want) {
					t.Errorf("sub %d got %v, want %v", sub, got, want)
				}
			}
		}
		publishNums(t, hub, 1, 2) // nobody runs yet
		got(nums(1, 2), nums(1, 2))

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			hub.Run(ctx)
			close(ended)
		}()
		synctest.Wait()
		time.Sleep(wait)
		publishNums(t, hub, 3, 3)
		got(nums(3, 3), nums(3, 3))
		time.Sleep(wait - 1)
		publishNums(t, hub, 4, 6)
		got(nums(4, 6), nil)
		time.Sleep(wait - 1)
		synctest.Wait()
		got(nil, nil)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		got(nil, nums(4, 6))
		if frames, messages := hub.Batches(); frames != 1 || messages != 3 || len(made.all) != 1 {
			t.Errorf("%d frames with %d messages, and %d were made", frames, messages, len(made.all))
		}
		publishNums(t, hub, 7, 7)
		got(nums(7, 7), nil)
		time.Sleep(wait)
		synctest.Wait()
		got(nil, nums(7, 7)) // one alone is no batch
		time.Sleep(wait)
		publishNums(t, hub, 8, 8)
		got(nums(8, 8), nums(8, 8))
		publishNums(t, hub, 9, 10)
		cancel()
		<-ended
		publishNums(t, hub, 11, 12)
		got(nums(9, 12), nums(9, 12))
		if len(made.all) != 2 {
			t.Errorf("%d batches were made, want 2", len(made.all))
		}
		made.checkReleased(t)
		checkAccounts(t, s)
	})
}

// TestRunWakesOnlyForWhatIsThere: a message that waits for its batch is no work for
// a shard, and one shard's members are none of another's.
func TestRunWakesOnlyForWhatIsThere(t *testing.T) {
	made := new(batcher)
	hub, err := NewHub(made.config(Config{Shards: 2}, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	hub.setBatching(true)
	var woken [2]int
	for i := range woken {
		hub.Shard(i).Attach(newFakeSink(1, 1<<40), func() { woken[i]++ })
		hub.Shard(i).Join(0, "r", Encoding(i)*batched, false)
	}
	publishNums(t, hub, 1, 4)
	if woken != [2]int{4, 1} {
		t.Errorf("woken %v", woken)
	}
	flushDue(hub)
	if woken != [2]int{4, 2} {
		t.Errorf("woken %v with the batch", woken)
	}
}

// TestBatchesAreCut where they would be too large.
func TestBatchesAreCut(t *testing.T) {
	hub, s, sink, made := newBatchShard(t, Config{BatchBytes: 100}, 2) // a message has 19
	publishNums(t, hub, 1, 12)
	publish(t, hub, "r", newPub(13, 5000))
	flushDue(hub)
	workAll([]*Shard{s})
	if got := sink.socks[1].take(t); !slices.Equal(got, nums(1, 13)) {
		t.Errorf("got %v", got)
	}
	if frames, messages := hub.Batches(); frames != 2 || messages != 10 || made.most != 5 {
		t.Errorf("%d frames with %d messages, at most %d", frames, messages, made.most)
	}
}

// TestBacklogsAreBounded all together; rooms without them go on.
func TestBacklogsAreBounded(t *testing.T) {
	hub, s, sink, _ := newBatchShard(t, Config{InboxBytes: segmentSize}, 2)
	publishNums(t, hub, 1, 1)
	workAll([]*Shard{s})
	published := 1
	for ; ; published++ {
		_, err := hub.Publish("r", newPub(published+1, 1000))
		workAll([]*Shard{s})
		if errors.Is(err, ErrOverloaded) {
			break
		}
		if err != nil || published > segmentSize/1000+2 {
			t.Fatalf("message %d: %v", published, err)
		}
	}
	s.Join(0, "plain", 0, false)
	publish(t, hub, "plain", newPub(0, 1000))
	s.Join(0, "batched", batched, false)
	publish(t, hub, "batched", newPub(0, 1000)) // the first need not wait
	if _, err := hub.Publish("batched", newPub(0, 1000)); !errors.Is(err, ErrOverloaded) {
		t.Errorf("another room's second message: %v", err)
	}
	flushDue(hub)
	workAll([]*Shard{s})
	for _, sock := range sink.socks {
		got := slices.DeleteFunc(sock.take(t), func(num int) bool { return num == 0 })
		if !slices.Equal(got, nums(1, published)) {
			t.Errorf("got %v, want %d messages", got, published)
		}
	}
	publish(t, hub, "r", newPub(published+1, 10))
}

// TestBatchKeepsOrder: while a batch is encoded, which takes no lock, others publish,
// join and leave.
func TestBatchKeepsOrder(t *testing.T) {
	tests := []struct {
		name      string
		meanwhile func(hub *Hub, s *Shard)
		later     int   // is published behind
		want      []int // by sub 1, at last
	}{
		{"a message comes", func(hub *Hub, _ *Shard) { publish(t, hub, "r", newPub(4, 10)) }, 5, nums(1, 5)},
		{"after a long silence", func(hub *Hub, _ *Shard) {
			hub.stripes.Of("r").rooms.Get("r").backlog.last = -2 * time.Hour
			publish(t, hub, "r", newPub(4, 10))
		}, 5, nums(1, 5)},
		{"the last member leaves", func(_ *Hub, s *Shard) { s.Leave(1, "r") }, 4, nums(1, 1)},
		{"another takes its place", func(hub *Hub, s *Shard) {
			s.Leave(1, "r")
			s.Join(1, "r", batched, false)
			publish(t, hub, "r", newPub(4, 10)) // the first to a new backlog
		}, 5, []int{1, 4, 5}},
		{"the room ends and begins", func(hub *Hub, s *Shard) {
			s.LeaveAll(0)
			s.LeaveAll(1)
			s.Join(1, "r", batched, false)
			publish(t, hub, "r", newPub(4, 10))
		}, 5, []int{1, 4, 5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hub, s, sink, made := newBatchShard(t, Config{}, 2)
			batch := made.batch
			hub.cfg.Batch = func(e Encoding, ps []Publication) Message {
				if len(made.all) == 0 {
					tt.meanwhile(hub, s)
				}
				return batch(e, ps)
			}
			publishNums(t, hub, 1, 3)
			workAll([]*Shard{s})
			flushDue(hub)
			publish(t, hub, "r", newPub(tt.later, 10))
			flushDue(hub)
			workAll([]*Shard{s})
			if got := sink.socks[1].take(t); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if n := hub.waitingBytes.Load(); n != 0 {
				t.Errorf("%d bytes wait", n)
			}
			made.checkReleased(t)
			checkAccounts(t, s)
		})
	}
}

// TestResumeWithinABatch, in the log already or coming later.
func TestResumeWithinABatch(t *testing.T) {
	tests := []struct {
		name     string
		seqs     []uint64 // of one batch
		after    uint64
		want     []int // indexes in sequences of what a resumed member gets
		replayed uint64
	}{
		{"all of it", []uint64{5, 6, 7}, 2, []int{0, 1, 2}, 0},
		{"its end", []uint64{5, 6, 7}, 5, []int{1, 2}, 1},
		{"its last", []uint64{5, 6, 7}, 6, []int{2}, 2},
		{"nothing", []uint64{5, 6, 7}, 7, nil, 3},
		{"nothing, ahead", []uint64{5, 6, 7}, 9, nil, 3},
		{"sequences with holes", []uint64{5, 8, 9}, 7, []int{1, 2}, 1},
		{"without sequence in front", []uint64{0, 5, 6}, 5, []int{2}, 2},
		{"without sequence between", []uint64{5, 0, 6}, 5, []int{1, 2}, 1},
		{"without sequence behind", []uint64{5, 6, 0, 0}, 6, []int{2, 3}, 2},
		{"none has a sequence", []uint64{0, 0}, 9, []int{0, 1}, 0},
		{"lower sequences are none", []uint64{5, 1, 5, 6}, 5, []int{1, 2, 3}, 1},
	}
	for _, tt := range tests {
		for _, later := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, later %v", tt.name, later), func(t *testing.T) {
				hub, s, sink, made := newBatchShard(t, Config{}, 3)
				publish(t, hub, "r", newPub(1000, 10)) // so that the next ones wait
				workAll([]*Shard{s})
				for _, sock := range sink.socks {
					sock.take(t)
				}
				sink.socks[2].room, sink.socks[2].blocked = 0, true // needs the whole batch
				s.Leave(1, "r")
				s.Join(1, "r", batched, true)
				for i, seq := range tt.seqs {
					p := newPub(i, 10)
					p.seq = seq
					publish(t, hub, "r", p)
				}
				if later {
					s.Resume(1, "r", tt.after)
				}
				flushDue(hub)
				workAll([]*Shard{s})
				if !later {
					s.Resume(1, "r", tt.after)
				}
				workAll([]*Shard{s})
				if got := sink.socks[1].take(t); !slices.Equal(got, tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
				sink.socks[2].room, sink.socks[2].blocked = 1<<40, false
				s.Drained(2)
				workAll([]*Shard{s})
				if got := sink.socks[2].take(t); !slices.Equal(got, nums(0, len(tt.seqs)-1)) {
					t.Errorf("the member that needs the whole batch got %v", got)
				}
				st := s.Stats()
				if st.Skipped[SkipReplayed] != tt.replayed || st.Pending != 0 || st.LogBytes != 0 {
					t.Errorf("replayed %d, pending %d, %d bytes of log; want %d, 0, 0", st.Skipped[SkipReplayed], st.Pending, st.LogBytes, tt.replayed)
				}
				made.checkReleased(t)
				checkAccounts(t, s)
			})
		}
	}
}

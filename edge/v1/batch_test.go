// Batches: several pushes in one compressed frame.

package v1_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/frame"
	"barrage/internal/broker"
)

// testWait is long enough for a test to publish much within it.
const testWait = 100 * time.Millisecond

func startBatching(t testing.TB, change func(*edge.Config)) *edgetest.Server {
	t.Helper()
	return edgetest.Start(t, func(c *edge.Config) {
		c.Compression, c.CompressWait = true, testWait
		if change != nil {
			change(c)
		}
	})
}

// batchViewer takes batches apart.
type batchViewer struct {
	*viewer
	left  []map[string]any // of the last frame
	sizes []int            // pushes in each compressed frame; 0: it was not compressed
}

func joinBatch(t testing.TB, s *edgetest.Server, target string) *batchViewer {
	t.Helper()
	return &batchViewer{viewer: joinDeflate(t, s, target, true)}
}

// frame returns the next frame's payload, and whether it was compressed.
func (c *batchViewer) frame() (payload string, packed bool) {
	c.T.Helper()
	whole := make([]byte, 2, 10)
	read := func(n int) {
		at := len(whole)
		whole = append(whole, make([]byte, n)...)
		if _, err := io.ReadFull(c.Reader, whole[at:]); err != nil {
			c.T.Fatalf("reading a frame: %v", err)
		}
	}
	if _, err := io.ReadFull(c.Reader, whole); err != nil {
		c.T.Fatalf("reading a frame: %v", err)
	}
	switch n := int(whole[1]); n {
	case 126:
		read(2)
		read(int(binary.BigEndian.Uint16(whole[2:])))
	case 127:
		read(8)
		read(int(binary.BigEndian.Uint64(whole[2:])))
	default:
		read(n)
	}
	edgetest.Must(c.T, c.Feed(whole))
	m, err := c.Next()
	edgetest.Must(c.T, err)
	return m.Payload, whole[0]&0x40 != 0
}

// object returns the next push or reply, out of a batch or by itself.
func (c *batchViewer) object() map[string]any {
	c.T.Helper()
	if len(c.left) == 0 {
		payload, packed := c.frame()
		var v struct {
			Push  string           `json:"push"`
			Batch []map[string]any `json:"batch"`
		}
		if err := json.Unmarshal([]byte(payload), &v); err != nil {
			c.T.Fatalf("%v: %.100q", err, payload)
		}
		if v.Push != "batch" {
			v.Batch = make([]map[string]any, 1)
			_ = json.Unmarshal([]byte(payload), &v.Batch[0])
		} else if len(v.Batch) < 2 {
			c.T.Fatalf("a batch of %d", len(v.Batch))
		}
		c.left = v.Batch
		size := 0
		if packed {
			size = len(v.Batch)
		}
		c.sizes = append(c.sizes, size)
	}
	v := c.left[0]
	c.left = c.left[1:]
	return v
}

func (c *batchViewer) joined() *batchViewer {
	c.T.Helper()
	for c.object()["push"] != "joined" {
	}
	c.sizes = nil
	return c
}

// TestBatches: after a first message by itself, those who asked for it get them
// together, compressed, and all others as ever.
func TestBatches(t *testing.T) {
	t.Parallel()
	const messages = 30
	s := startBatching(t, nil)
	raw, rawPacked := join(t, s, "/ws?room=a&batch=1"), joinDeflate(t, s, "/ws?room=a&batch=1", false)
	others := []*viewer{joinJSON(t, s, "/ws?room=a"), joinJSON(t, s, "/ws?room=a&batch=1"), joinDeflate(t, s, "/ws?room=a", true)}
	for _, c := range others {
		c.push("joined")
	}
	var batched []*batchViewer
	for range 4 { // in all shards
		batched = append(batched, joinBatch(t, s, "/ws?room=a&batch=1").joined())
	}
	for n := 1; n <= messages; n++ {
		if got := edgetest.PublishTo(t, s, "a", fmt.Sprint("message ", n)); got != len(batched)+5 {
			t.Errorf("published to %d", got)
		}
	}
	for n := 1; n <= messages; n++ {
		raw.Want(frame.Text, fmt.Sprint("message ", n))
		rawPacked.Want(frame.Text, fmt.Sprint("message ", n))
	}
	check := func(v map[string]any, n int) {
		t.Helper()
		if v["push"] != "message" || v["room"] != "a" || v["offset"] != float64(n) || v["data"] != fmt.Sprint("message ", n) {
			t.Fatalf("got %v, want message %d", v, n)
		}
	}
	for _, c := range others {
		for n := 1; n <= messages; n++ {
			check(c.object(), n)
		}
	}
	for _, c := range batched {
		for n := 1; n <= messages; n++ {
			check(c.object(), n)
		}
		if len(c.left) != 0 || c.sizes[0] != 0 || len(c.sizes) > messages/2 {
			t.Errorf("pushes in each frame: %v, want the first by itself and the others together", c.sizes)
		}
	}
	edgetest.WaitFor(t, "the batches to be counted", func() bool { return s.Stats().Batched >= messages/2 })
	if st := s.Stats(); st.Batches < 1 || st.Batched > messages-1 {
		t.Errorf("%d batches of %d messages are counted", st.Batches, st.Batched)
	}
	edgetest.Balanced(t, s)
}

// TestBatchesAreAskedFor in one way only.
func TestBatchesAreAskedFor(t *testing.T) {
	t.Parallel()
	s := startBatching(t, nil)
	for _, query := range []string{"batch=", "batch=0", "batch=true", "batch=1&batch=1", "batch=%zz"} {
		_, resp := shake(t, s, edgetest.UpgradeRequest("/ws?room=a&"+query, offer))
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d", query, resp.StatusCode)
		}
	}
	if _, err := edge.New(edge.Config{MaxConnections: 1, CompressWait: 2 * time.Second}); err == nil || !strings.Contains(err.Error(), "CompressWait is 2s") {
		t.Errorf("New says %v", err)
	}
}

// TestNoBatches where the server does not wait.
func TestNoBatches(t *testing.T) {
	t.Parallel()
	s := startBatching(t, func(c *edge.Config) { c.CompressWait = 0 })
	c := joinBatch(t, s, "/ws?room=a&batch=1").joined()
	for n := range 10 {
		edgetest.PublishTo(t, s, "a", fmt.Sprint(n))
	}
	for range 10 {
		c.object()
	}
	if len(c.sizes) != 10 {
		t.Errorf("pushes in each frame: %v", c.sizes)
	}
}

// TestBatchedNotices: gaps and presence come in their place.
func TestBatchedNotices(t *testing.T) {
	t.Parallel()
	s := startBatching(t, nil)
	epoch := epochOf(t, s, "a")
	c := joinBatch(t, s, "/ws?room=a&batch=1").joined()
	edgetest.PublishTo(t, s, "a", "message 2")
	edgetest.PublishTo(t, s, "a", "message 3")
	s.Delivery.Lost("a", broker.Gap{Epoch: epoch, From: 1000, To: 1001, Reason: broker.GapTrimmed})
	s.Delivery.Tell("a", []byte(`{"push":"presence","room":"a","users":7}`))
	s.Delivery.Deliver(&broker.Message{Room: "a", Format: broker.Text, Payload: []byte("last")})
	for i, want := range []string{`"message 2"`, `"message 3"`, `"gap","reason":"trimmed"`, `"presence"`, `"last"`} {
		text, _ := json.Marshal(c.object())
		if !strings.Contains(string(text), want) {
			t.Errorf("object %d is %s, want %s", i, text, want)
		}
	}
}

// TestResumeWithBatches is TestResume for viewers who take batches: also a position
// within a batch is one to go on from.
func TestResumeWithBatches(t *testing.T) {
	t.Parallel()
	const last, followers = 1500, 12
	s := startBatching(t, func(c *edge.Config) {
		c.CompressWait = 5 * time.Millisecond
		c.History = broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: last, Age: time.Hour}}}
	})
	epoch := epochOf(t, s, "a")
	keeper := joinBatch(t, s, "/ws?room=a&batch=1").joined() // batches go on while the others are away
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 2; n <= last; n++ {
			edgetest.PublishTo(t, s, "a", fmt.Sprint("message ", n))
			if n%10 == 0 {
				time.Sleep(time.Millisecond) // so that it lasts for some batches; nothing is decided by it
			}
		}
	})
	for i := range followers {
		wg.Go(func() {
			f := &follower{t: t, s: s, room: "a", epoch: epoch, next: 1}
			r := rand.New(rand.NewPCG(uint64(i), 11))
			for f.next <= last {
				c := joinBatch(t, s, "/ws?batch=1")
				c.object() // welcome
				f.visitAs(c, r.IntN(300), last)
				_ = c.Conn.Close()
			}
		})
	}
	wg.Wait()
	f := &follower{t: t, next: 2}
	for f.next <= last {
		f.take(keeper.object())
	}
	if st := s.Stats(); st.Batches == 0 {
		t.Error("nothing was batched")
	}
	edgetest.Balanced(t, s)
}

// TestStuckViewerOfBatches: gaps are counted in messages, whatever frames these were
// in.
func TestStuckViewerOfBatches(t *testing.T) {
	t.Parallel()
	const messages = 600
	s := startBatching(t, func(c *edge.Config) {
		c.CompressWait = 10 * time.Millisecond
		c.RoomLogBytes, c.SendBuffer = 256<<10, 32<<10
	})
	c := joinBatch(t, s, "/ws?room=a&batch=1").joined()
	_ = c.Conn.SetReadBuffer(64 << 10)
	rng := rand.NewChaCha8([32]byte{1})
	noise := make([]byte, 4000)
	for range messages {
		_, _ = rng.Read(noise)
		edgetest.PublishTo(t, s, "a", base64.StdEncoding.EncodeToString(noise))
	}
	edgetest.WaitFor(t, "the last batch", func() bool {
		n := uint64(0)
		for _, f := range s.Stats().Fanout {
			n += f.Offered
		}
		return n == messages
	})
	most := 0
	gaps := untilOffset(t, func() map[string]any {
		v := c.object()
		most = max(most, len(c.left)+1)
		return v
	}, messages)
	if gaps == 0 || most == 1 {
		t.Errorf("told of %d gaps; the largest batch had %d", gaps, most)
	}
	edgetest.Balanced(t, s)
}

// TestDrainEndsWaiting: who is sent away has got what was waiting for company.
func TestDrainEndsWaiting(t *testing.T) {
	t.Parallel()
	const messages = 5
	s := startBatching(t, func(c *edge.Config) { c.CompressWait = time.Second })
	var cs []*batchViewer
	for range 4 {
		cs = append(cs, joinBatch(t, s, "/ws?room=a&batch=1").joined())
	}
	for n := 1; n <= messages; n++ {
		edgetest.PublishTo(t, s, "a", fmt.Sprint("message ", n))
	}
	ctx, cancel := context.WithTimeout(context.Background(), edgetest.Patience)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(ctx, 0) }() // ends with the viewers
	for _, c := range cs {
		for n := 1; n <= messages; n++ {
			if v := c.object(); v["offset"] != float64(n) {
				t.Errorf("got %v, want message %d", v, n)
			}
		}
		if v := c.object(); v["push"] != "bye" {
			t.Errorf("got %v", v)
		}
		_ = c.Conn.Close()
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

package redisbridge

// What Redis has of mailboxes beside their messages: always what a count of them says, also
// behind nodes that do not know of it.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"barrage/internal/broker"
)

const mailRoom = "user:bob"

// write publishes to the mailbox, of a client or, without a user, a backend, and tells
// whether there was a place.
func (n *node) write(user string, confirm bool, ttl uint32) bool {
	n.t.Helper()
	p := &broker.Publication{Room: mailRoom, Format: broker.Text, Payload: []byte("x"), Confirm: confirm, TTL: ttl}
	if user != "" {
		p.Sender = broker.Sender{User: user, Conn: "c"}
	}
	_, err := n.Publish(context.Background(), p)
	if err != nil && !errors.Is(err, broker.ErrMailboxFull) {
		n.t.Fatal(err)
	}
	return err == nil
}

// audit counts the mailbox again.
func (s *server) audit(what string) {
	s.t.Helper()
	ctx, names := context.Background(), newLayout("room:")
	meta, err := s.HGetAll(ctx, names.meta(mailRoom)).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	box := s.HGetAll(ctx, names.box(mailRoom)).Val()
	settled, _ := strconv.ParseUint(box["k"], 10, 64)
	want, bytes := map[string]int{}, 0
	var index []string
	for _, e := range s.XRange(ctx, names.log(mailRoom), "-", "+").Val() {
		text := e.Values["m"].(string)
		b, ok := parseBody(text)
		at, okStamp := parseStamp(e.ID)
		if !ok || !okStamp {
			s.t.Fatalf("%s: entry %+v", what, e)
		}
		size := len(text) + 200
		bytes += size
		if at.offset <= settled {
			continue
		}
		letter := map[[2]bool]string{{true, false}: "a", {false, false}: "b", {true, true}: "c", {false, true}: "d"}[[2]bool{(b.sender.Conn != "" || b.noEcho), b.confirm}]
		want[letter+"n"]++
		want[letter+"b"] += size
		if b.sender.Conn != "" || b.noEcho {
			want[letter+"n:"+b.sender.User]++
			want[letter+"b:"+b.sender.User] += size
		}
		index = append(index, fmt.Sprintf("%s%016d %d %d %d %s", letter, at.offset, at.time, size, b.ttl, b.sender.User))
		if b.ttl > 0 {
			index = append(index, fmt.Sprintf("x%016d %016d", at.time+int64(b.ttl), at.offset))
		}
		if letter == "a" {
			index = append(index, fmt.Sprintf("s%s %016d", b.sender.User, at.offset))
		}
	}
	got := map[string]int{}
	for field, value := range box {
		if n, err := strconv.Atoi(value); err == nil && n != 0 && strings.ContainsAny(field, "nb") {
			got[field] = n
		}
	}
	slices.Sort(index)
	if !maps.Equal(got, want) || box["e"] != meta["e"] || box["o"] != meta["o"] || meta["b"] != strconv.Itoa(bytes) {
		s.t.Fatalf("%s: counted %v of meta %v, want %v, %d bytes", what, box, meta, want, bytes)
	}
	if waits := s.ZRange(ctx, names.waits(mailRoom), 0, -1).Val(); !slices.Equal(waits, index) {
		s.t.Fatalf("%s: the index is\n%s\nwant\n%s", what, strings.Join(waits, "\n"), strings.Join(index, "\n"))
	}
	left := s.PTTL(ctx, names.log(mailRoom)).Val()
	for _, key := range []string{names.waits(mailRoom), names.box(mailRoom)} {
		if own := s.PTTL(ctx, key).Val(); s.Exists(ctx, key).Val() == 1 && (own < 0 || own > left+time.Second) { // each is set by its own command
			s.t.Fatalf("%s: %s lives for %v, the messages for %v", what, key, own, left)
		}
	}
}

// TestMailboxCounted: at random, with acknowledgements between, and nodes that publish as an
// earlier version did.
func TestMailboxCounted(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	cfg := calmConfig(s.URL())
	cfg.Retention = func(string) broker.Retention { return broker.Retention{Messages: 10, Age: time.Hour} }
	n, old := healthyNode(t, cfg), healthyNode(t, cfg)
	rng := rand.New(rand.NewPCG(1, 2))
	refused, ctx := 0, context.Background()
	for step := range 400 {
		user := []string{"", "ann", "eve", "eve"}[rng.IntN(4)]
		switch what := rng.IntN(20); {
		case what == 0:
			page, err := n.History(ctx, mailRoom, broker.Query{})
			if err == nil {
				err = n.Acknowledge(ctx, mailRoom, broker.Position{Epoch: page.Head.Epoch, Offset: page.Head.Offset - min(page.Head.Offset, rng.Uint64N(8))})
			}
			if err != nil {
				t.Fatal(err)
			}
			continue
		case what == 1:
			old.publishAsBefore(user)
			continue
		case !n.write(user, rng.IntN(2) == 0, uint32(rng.IntN(3)/2)):
			refused++
		}
		s.audit(fmt.Sprint("step ", step))
	}
	if refused == 0 || refused > 300 {
		t.Errorf("%d of 400 were refused", refused)
	}
	if err := n.Clear(ctx, mailRoom); err != nil {
		t.Fatal(err)
	}
	names := newLayout("room:")
	if left := s.Exists(ctx, append(names.history(mailRoom), names.box(mailRoom))...).Val(); left != 0 {
		t.Errorf("%d keys are left of what was cleared", left)
	}
	if s := n.Stats(); s.PublishErrors != 0 {
		t.Errorf("%d refusals count as failures of Redis", s.PublishErrors)
	}
}

// publishAsBefore publishes to the mailbox by the script of all other rooms, as nodes of an
// earlier version do.
func (n *node) publishAsBefore(user string) {
	n.t.Helper()
	m, err := n.prepare(&broker.Publication{Room: mailRoom, Sender: broker.Sender{User: user, Conn: user}, Format: broker.Text, Payload: []byte("old"), Confirm: true}, true, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	m.script = publishScript
	n.client.publishAll(context.Background(), []*outgoing{m}, false)
	if m.err != nil {
		n.t.Fatal(m.err)
	}
}

// TestMailboxOutlived: what is counted does not outlive the messages, however often somebody
// is refused meanwhile.
func TestMailboxOutlived(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	const age = 700 * time.Millisecond
	cfg := calmConfig(s.URL())
	cfg.Retention = func(string) broker.Retention { return broker.Retention{Messages: 4, Age: age} }
	n := healthyNode(t, cfg)
	for range 2 {
		n.write("eve", true, 0)
	}
	eventually(t, "a place again", func() bool { return n.write("eve", true, 0) })
	s.audit("behind the age")
	names := newLayout("room:")
	eventually(t, "all to be gone", func() bool {
		return s.Exists(context.Background(), names.log(mailRoom), names.waits(mailRoom), names.box(mailRoom)).Val() == 0
	})
}

// BenchmarkPublishKept is a publish that is kept, in rooms of all and in mailboxes, with as
// many waiting as may.
func BenchmarkPublishKept(b *testing.B) {
	for _, room := range []string{"lobby", mailRoom} {
		b.Run("room="+room, func(b *testing.B) {
			s := startRedis(b)
			cfg := calmConfig(s.URL())
			cfg.Retention = func(string) broker.Retention { return broker.Retention{Messages: 1000, Age: time.Hour} }
			n := healthyNode(b, cfg)
			told := make(chan error, 256)
			p := &broker.Publication{Room: room, Format: broker.Text, Payload: make([]byte, 64), Sender: broker.Sender{User: "eve", Conn: "c"}}
			publish := func(count int) {
				for sent, done := 0, 0; done < count; {
					if sent < count && sent-done < cap(told) && n.TryPublish(p, func(_ broker.Receipt, err error) { told <- err }) {
						sent++
						continue
					}
					if err := <-told; err != nil {
						b.Fatal(err)
					}
					done++
				}
			}
			publish(1000)
			b.ResetTimer()
			publish(b.N)
		})
	}
}

// Mailboxes: who makes room in them for whom, against a model that knows only a list of
// messages and the rules.

package brokertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/internal/broker"
)

// boxMessages is what rooms named user:box… keep at most.
const boxMessages = 12

// letter is a message to a mailbox: of a client, or of a backend without a user.
func letter(room, user, payload string, confirm bool) *broker.Publication {
	p := text(room, payload)
	p.Confirm = confirm
	if user != "" {
		p.Sender = broker.Sender{User: user, Conn: "conn-" + user}
	}
	return p
}

// An item is a message as the model of a mailbox has it.
type item struct {
	offset  uint64
	user    string // "": a backend's
	confirm bool
	dead    bool // its TTL is over
}

// A boxModel is one mailbox.
type boxModel struct {
	kept  []item
	head  uint64
	acked uint64
}

func (b *boxModel) waits(i item) bool { return i.offset > b.acked }

func (b *boxModel) number(such func(item) bool) (n int) {
	for _, i := range b.kept {
		if b.waits(i) && such(i) {
			n++
		}
	}
	return n
}

// drop drops the oldest such message that waits.
func (b *boxModel) drop(such func(item) bool) bool {
	i := slices.IndexFunc(b.kept, func(i item) bool { return b.waits(i) && such(i) })
	if i < 0 {
		return false
	}
	b.kept = slices.Delete(b.kept, i, i+1)
	return true
}

func (b *boxModel) bury() {
	b.kept = slices.DeleteFunc(b.kept, func(i item) bool { return b.waits(i) && i.dead })
}

// publish tells whether the message is accepted.
func (b *boxModel) publish(m item) bool {
	counts := func(i item) bool { return i.user != "" || i.confirm }
	own := func(i item) bool { return i.user == m.user }
	ownLoose := func(i item) bool { return own(i) && !i.confirm }
	fixed := func(i item) bool { return i.user == "" && i.confirm } // for a backend
	room := func() bool { return b.number(fixed) < boxMessages }
	if m.user != "" { // as much as is free
		room = func() bool {
			taken := b.number(counts) - b.number(ownLoose)
			return taken == 0 || b.number(own)-b.number(ownLoose)+taken < boxMessages
		}
	}
	if !room() {
		if b.bury(); !room() {
			return false
		}
	}
	for m.user != "" && b.number(counts) > 0 && b.number(own)+b.number(counts) >= boxMessages {
		if n := len(b.kept); true {
			if b.bury(); len(b.kept) == n {
				b.drop(ownLoose)
			}
		}
	}
	for len(b.kept) >= boxMessages {
		if !b.waits(b.kept[0]) {
			b.kept = b.kept[1:]
			continue
		}
		n := len(b.kept)
		if b.bury(); len(b.kept) < n {
			continue
		}
		if !b.drop(func(i item) bool { return !i.confirm && (i.user == "" || m.user == "") }) {
			b.drop(func(i item) bool { return i.user != "" })
		}
	}
	b.head++
	m.offset = b.head
	b.kept = append(b.kept, m)
	return true
}

// testMailboxModel publishes and acknowledges at random, and compares what is kept.
func testMailboxModel(t *testing.T, c *Cluster) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 5))
		box := &boxModel{}
		room := fmt.Sprint("user:box", seed)
		epoch := ""
		for step := range 150 {
			n, what := c.node(rng.IntN(8)), ""
			if rng.IntN(12) == 0 && box.head > 0 {
				box.acked = max(box.acked, box.head-uint64(rng.IntN(int(min(box.head, 9)))))
				what = fmt.Sprint("acknowledge ", box.acked)
				if err := n.Acknowledge(limited(t), room, broker.Position{Epoch: epoch, Offset: box.acked}); err != nil {
					t.Fatal(err)
				}
			} else {
				m := item{user: []string{"", "ann", "eve", "eve", "cy"}[rng.IntN(5)], confirm: rng.IntN(2) == 0, dead: rng.IntN(6) == 0}
				what = fmt.Sprintf("publish %+v", m)
				p := letter(room, m.user, fmt.Sprint(step), m.confirm)
				if m.dead {
					p.TTL = 1
				}
				r, err := n.Publish(limited(t), p)
				switch want := box.publish(m); {
				case err == nil && want:
					epoch = r.Position.Epoch
					equal(t, r.Position.Offset, box.head, "seed %d, step %d: %s: offset", seed, step, what)
				case err == nil || want || !errors.Is(err, broker.ErrMailboxFull):
					t.Fatalf("seed %d, step %d: %s: %v, want accepted: %v; it has %+v", seed, step, what, err, want, *box)
				}
				if m.dead {
					c.pass(3 * time.Millisecond)
				}
			}
			box.compare(t, c.node(step), room, epoch, fmt.Sprintf("seed %d, step %d: %s", seed, step, what))
		}
	}
}

func (c *Cluster) pass(d time.Duration) {
	if c.Advance != nil {
		c.Advance(d)
		return
	}
	time.Sleep(d)
}

// compare reads the whole mailbox.
func (b *boxModel) compare(t *testing.T, n *Node, room, epoch, what string) {
	t.Helper()
	if b.head == 0 {
		return
	}
	page := n.history(t, room, after(broker.Position{}))
	got := make([]uint64, 0, len(page.Messages))
	for _, m := range page.Messages {
		got = append(got, m.Offset)
	}
	want, missing := make([]uint64, 0, len(b.kept)), []uint64(nil)
	for _, i := range b.kept {
		want = append(want, i.offset)
	}
	for o := uint64(1); o <= b.head; o++ {
		if !slices.Contains(want, o) {
			missing = append(missing, o)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s: %v are kept, want %v of %+v", what, got, want, *b)
	}
	var gap *broker.Gap
	if len(missing) > 0 {
		gap = &broker.Gap{Epoch: epoch, From: missing[0], To: missing[len(missing)-1], Reason: broker.GapTrimmed}
	}
	wantGap(t, what, page.Gap, gap)
}

// send publishes, and tells whether there was room.
func (n *Node) send(t *testing.T, p *broker.Publication) (broker.Receipt, bool) {
	t.Helper()
	r, err := n.Publish(limited(t), p)
	if err != nil && !errors.Is(err, broker.ErrMailboxFull) {
		t.Fatalf("Publish in %s: %v", p.Room, err)
	}
	return r, err == nil
}

// testMailboxBytes: the bound in bytes holds as that in messages does, for a sender and for
// all, and nothing of others is lost to one who floods.
func testMailboxBytes(t *testing.T, c *Cluster) {
	const room, size = "user:small", 4 << 10
	large := strings.Repeat("x", size)
	keptOf := func(user string) (n int) {
		for _, m := range c.last().history(t, room, broker.Query{}).Messages {
			if m.Sender.User == user {
				n++
			}
		}
		return n
	}
	c.Nodes[0].publish(t, letter(room, "ann", "important", true))
	refused := 0
	for i := range 40 {
		if _, ok := c.node(i).send(t, letter(room, "eve", large, true)); !ok {
			refused++
		}
	}
	if n := keptOf("eve"); n+refused != 40 || n < 5 || n > smallBytes/size/2 {
		t.Errorf("%d of 40 messages were refused, and %d of %d bytes are kept: want less than half of %d", refused, n, size, smallBytes)
	}
	for i := range 40 { // without Confirm she loses her own
		if _, ok := c.node(i).send(t, letter(room, "may", large, false)); !ok {
			t.Fatal("a message that pushes out only the sender's own was refused")
		}
	}
	if may, ann := keptOf("may"), keptOf("ann"); may < 1 || may > smallBytes/size/3 || ann != 1 {
		t.Errorf("%d messages of may and %d of ann are kept", may, ann)
	}
	// A backend makes room for itself, and is refused only beside its own.
	accepted := 0
	for i := range 40 {
		if _, ok := c.node(i).send(t, letter(room, "", large, true)); ok {
			accepted++
		}
	}
	if n := keptOf(""); n != accepted || n < smallBytes/size-4 || n > smallBytes/size {
		t.Errorf("%d messages of a backend were accepted, and %d are kept", accepted, n)
	}
	if keptOf("eve")+keptOf("may") > 2 {
		t.Error("clients' messages are kept, and backends' were refused")
	}
	if _, ok := c.last().send(t, letter(room, "ann", large, true)); ok {
		t.Error("a client pushed out a backend's message")
	}
	if keptOf("") != accepted {
		t.Error("backends' messages are gone")
	}
	head := c.last().history(t, room, broker.Query{}).Head
	if err := c.Nodes[0].Acknowledge(limited(t), room, head); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		c.node(i).publish(t, letter(room, "ann", large, true))
	}
}

// testMailboxByHTTP: a client that has no connection pushes out nothing of others either.
func testMailboxByHTTP(t *testing.T, c *Cluster) {
	const room = "user:boxed"
	for i := range boxMessages { // till there is no room for more
		c.node(i).send(t, letter(room, "ann", fmt.Sprint("ann ", i), true))
	}
	before := len(c.last().history(t, room, broker.Query{}).Messages)
	accepted := 0
	for i := range 2 * boxMessages {
		p := letter(room, "", fmt.Sprint("eve ", i), true)
		p.Sender.User, p.From, p.NoEcho = "eve", netip.AddrFrom4([4]byte{10, 0, 0, 1}), true
		if _, ok := c.node(i).send(t, p); ok {
			accepted++
		}
	}
	kept := 0
	for _, m := range c.last().history(t, room, broker.Query{}).Messages {
		if m.Sender.User == "ann" {
			kept++
		}
	}
	if kept != before || accepted < 1 || accepted > boxMessages/2 {
		t.Errorf("%d of ann's %d messages are kept, and %d of eve's were accepted", kept, before, accepted)
	}
}

// testMailboxPages: pages of a mailbox with holes, cut by limits and at the ends.
func testMailboxPages(t *testing.T, c *Cluster) {
	const room = "user:boxed"
	var head broker.Position
	for i := range boxMessages { // two with Confirm, two without, and so on
		head = c.node(i).publish(t, letter(room, "", fmt.Sprint(i), i%4 < 2)).Position
	}
	for i := range 4 { // the first four without go: 3, 4, 7, 8
		head = c.node(i).publish(t, letter(room, "", "more", true)).Position
	}
	at := func(offset uint64) *broker.Position { return &broker.Position{Epoch: head.Epoch, Offset: offset} }
	gap := func(from, to uint64, reason string) *broker.Gap {
		return &broker.Gap{Epoch: head.Epoch, From: from, To: to, Reason: reason}
	}
	for _, x := range []struct {
		q       broker.Query
		offsets []uint64
		gap     *broker.Gap
		more    bool
	}{
		{broker.Query{}, []uint64{1, 2, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16}, nil, false},
		{broker.Query{Limit: 7}, []uint64{10, 11, 12, 13, 14, 15, 16}, nil, false},
		{broker.Query{After: at(2)}, []uint64{5, 6, 9, 10, 11, 12, 13, 14, 15, 16}, gap(3, 8, broker.GapTrimmed), false},
		{broker.Query{After: at(3), Limit: 2}, []uint64{5, 6}, gap(4, 4, broker.GapTrimmed), true},
		{broker.Query{After: at(6), Limit: 1}, []uint64{9}, gap(7, 8, broker.GapTrimmed), true},
		{broker.Query{After: at(8)}, []uint64{9, 10, 11, 12, 13, 14, 15, 16}, nil, false},
		{broker.Query{After: at(1), Limit: 10, Last: true}, []uint64{5, 6, 9, 10, 11, 12, 13, 14, 15, 16}, gap(2, 8, broker.GapLarge), false},
		{broker.Query{After: at(1), Limit: 2, Last: true}, []uint64{15, 16}, gap(2, 14, broker.GapLarge), false},
		{broker.Query{After: at(16)}, nil, nil, false},
	} {
		for _, n := range c.Nodes {
			page := n.history(t, room, x.q)
			what := fmt.Sprintf("%v, %+v after %+v", n, x.q, x.q.After)
			var got []uint64
			for _, m := range page.Messages {
				got = append(got, m.Offset)
			}
			if !slices.Equal(got, x.offsets) || page.More != x.more {
				t.Errorf("%s: %v, more %v; want %v, %v", what, got, page.More, x.offsets, x.more)
			}
			wantGap(t, what, page.Gap, x.gap)
		}
	}
}

// testMailboxTry: event loops are told of a full mailbox, too, and others write on.
func testMailboxTry(t *testing.T, c *Cluster) {
	const room = "user:boxed"
	n := c.Nodes[0]
	for i := range boxMessages {
		n.publish(t, letter(room, "", fmt.Sprint(i), true))
	}
	told := make(chan error, 2)
	for _, room := range []string{room, "user:other"} {
		if !n.TryPublish(letter(room, "ann", "hello", true), func(_ broker.Receipt, err error) { told <- err }) {
			t.Fatal("refused without a word")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	full := 0
	for range 2 {
		select {
		case err := <-told:
			if errors.Is(err, broker.ErrMailboxFull) {
				full++
			} else if err != nil {
				t.Error(err)
			}
		case <-ctx.Done():
			t.Fatal("nothing is told")
		}
	}
	equal(t, full, 1, "refusals")
	if err := n.Err(); err != nil {
		t.Errorf("a full mailbox is an outage: %v", err)
	}
}

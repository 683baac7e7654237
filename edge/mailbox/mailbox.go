// Package mailbox gives users the messages that are for them alone: those that come
// while they are here, and those that waited.
//
// A user's messages are those of the user's own room (broker.UserRoom). To be a member
// of it would cost more memory than the rest of an idle connection, so a client is only
// noted in the user index. It joins the room from just before the message that wakes it,
// or that waited ([Box.Open] has the broker asked).
//
// A message with qos 1 is to be acknowledged. The client that is given one gets a
// pendingAck (redeliver.go): when its time comes, the broker is asked what is
// acknowledged, and what is not is pushed again.
//
// # Ownership
//
// A [Box] belongs to its loop's goroutine, with all it knows of the loop's clients. The
// [Office] is fixed once the loops run, and may be called from any goroutine.
package mailbox

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"barrage/edge/conn"
	"barrage/edge/presence"
	"barrage/edge/share"
	"barrage/fanout"
	"barrage/internal/broker"
	"barrage/internal/fair"
	"barrage/internal/shrinkmap"
	"barrage/internal/workers"
)

// lookRetry is after how long, and up to as long again, it is looked once more
// whether something waits for a user, if that could not be found out.
const lookRetry = 2 * time.Second

// Host is what a box needs of the protocol whose clients have mailboxes. It is called on
// the loop's goroutine, but for Post and Do. A fake of it will do for tests.
type Host interface {
	// In tells whether the client is a member of a room, Joining whether it is about to be
	// one, or to have been given its history.
	In(c *conn.Client, room string) bool
	Joining(c *conn.Client, room string) bool
	// Join has the client join its user's room behind a position, and be given what
	// came since. If that fails it calls Box.Retry.
	Join(c *conn.Client, room string, since *broker.Position)
	// WaitFor calls f once the room's messages come to this node, unless the client is
	// gone by then or cancel was called. If they do already it calls f at once, and
	// returns nil.
	WaitFor(c *conn.Client, room string, f func()) (cancel func())
	// Push gives the client a message, Repeat as many of some as it has room for, of
	// those it was given before. Repeat returns how many it gave.
	Push(c *conn.Client, m *broker.Message)
	Repeat(c *conn.Client, messages []*broker.Message) (n int)
	// Own gives the client what its user wrote to another one, or to a device of theirs, if it wants that and was not
	// the one that wrote it.
	Own(c *conn.Client, m *broker.Message, to, device string)
	// Now is the loops' clock.
	Now() time.Duration
	// Post has f run on the loop if the client is still there then, Do in any case. Any
	// goroutine.
	Post(c *conn.Client, f func())
	Do(f func())
}

// Config is what NewOffice needs.
type Config struct {
	Users      *conn.UserIndex
	Presence   *presence.Registry // told who takes messages, for other nodes to ask; may be nil
	Broker     broker.Broker
	Pool       *workers.Pool
	AckTimeout time.Duration // until a message that is not acknowledged is pushed again
	// Payer is whom what is read for a client is charged to. The loop's goroutine.
	Payer func(c *conn.Client) fair.Payer
	// Post has f run on the client's loop, if it is there still.
	Post func(c *conn.Client, f func())
}

// Office is a node's mailboxes.
type Office struct {
	cfg      Config
	boxes    [fanout.MaxShards]*Box // by loop
	repeated atomic.Uint64
	pending  atomic.Int64
}

// NewOffice returns one that has no boxes yet.
func NewOffice(cfg Config) *Office { return &Office{cfg: cfg} }

// Repeated is how many messages were pushed again, as they were not acknowledged.
func (o *Office) Repeated() uint64 { return o.repeated.Load() }

// Pending is how many clients may have something to acknowledge.
func (o *Office) Pending() int64 { return o.pending.Load() }

// Wake has those clients of a message's user join their room that are not in it yet:
// they read the message from the history.
func (o *Office) Wake(user string, m *broker.Message) {
	for _, c := range o.cfg.Users.Of(user) {
		o.cfg.Post(c, func() { o.boxes[c.Loop()].woken(c, m) })
	}
}

// Missed has it looked whether there is something for the user, since a message may have
// been lost on its way.
func (o *Office) Missed(user string) {
	for _, c := range o.cfg.Users.Of(user) {
		o.cfg.Post(c, func() { o.boxes[c.Loop()].lookAgain(c) })
	}
}

// Box is the mailboxes of one loop's clients.
type Box struct {
	office  *Office
	host    Host
	looks   shrinkmap.Map[*conn.Client, *look]
	pending pendingAcks
}

// look is on its way to find out whether something waits for a client.
type look struct {
	cancel func() // it still waits for the broker; nil: no more
	woken  bool   // since the broker was asked there may be more
}

// Attach makes the box of a loop's clients, before it runs. Tick must be called with
// the loop's.
func (o *Office) Attach(loop int, h Host) *Box {
	b := &Box{office: o, host: h}
	o.boxes[loop] = b
	return b
}

// Open begins to give a client messages to its user, those of the time they were away
// first.
func (b *Box) Open(c *conn.Client) {
	b.office.cfg.Users.Add(c)
	if !c.Hidden() {
		b.show(c)
	}
	b.lookAgain(c)
}

// Shown is for a client with a newer token that it was opened with, and that was hidden or is.
func (b *Box) Shown(c *conn.Client) {
	if c.Hidden() {
		b.hide(c)
	} else {
		b.show(c)
	}
}

// show tells other nodes, who ask, that the client's user is online, and hide undoes that.
func (b *Box) show(c *conn.Client) {
	if p := b.office.cfg.Presence; p != nil {
		p.Join(broker.UserRoom(c.User()), c.Who())
	}
}

func (b *Box) hide(c *conn.Client) {
	if p := b.office.cfg.Presence; p != nil {
		p.Leave(broker.UserRoom(c.User()), c.User())
	}
}

// Close ends what Open began, if it was called.
func (b *Box) Close(c *conn.Client) {
	if c.User() == "" {
		return
	}
	b.office.cfg.Users.Remove(c)
	if !c.Hidden() {
		b.hide(c)
	}
	b.Leave(c)
	b.looks.Delete(c)
}

// Leave is for a client that leaves its user's room: it need not acknowledge anything,
// and is not looked after until the next message wakes it. It tells whether a look was
// given up.
func (b *Box) Leave(c *conn.Client) (gaveUp bool) {
	b.forgetAcks(c)
	k := b.looks.Get(c)
	if k == nil || k.cancel == nil {
		return false
	}
	k.cancel()
	b.looks.Delete(c)
	return true
}

// woken is for a client whose user is sent a message.
func (b *Box) woken(c *conn.Client, m *broker.Message) {
	b.Given(c, m)
	switch {
	case b.host.In(c, m.Room):
	case m.Offset == 0:
		b.host.Push(c, broker.Sanitize(m)) // in no history; the next one is another's
	case b.host.Joining(c, m.Room):
	case b.looks.Get(c) != nil:
		b.looks.Get(c).woken = true // others may wait before it
	default:
		b.host.Join(c, m.Room, &broker.Position{Epoch: m.Epoch, Offset: m.Offset - 1})
	}
}

// lookAgain is for a client for which something may wait: it has just come, or may have
// missed the message that would have woken it.
func (b *Box) lookAgain(c *conn.Client) {
	room := broker.UserRoom(c.User())
	switch k := b.looks.Get(c); {
	case b.host.In(c, room) || b.host.Joining(c, room):
	case k != nil:
		k.woken = true
	default:
		k = new(look)
		b.looks.Put(c, k)
		if cancel := b.host.WaitFor(c, room, func() { k.cancel = nil; b.ask(c, room, k) }); cancel != nil {
			k.cancel = cancel
		}
	}
}

// ask asks the broker whether something waits for the client. What comes from now on
// wakes it.
func (b *Box) ask(c *conn.Client, room string, k *look) {
	if !b.office.cfg.Pool.Try(share.Mail, b.office.cfg.Payer(c), func(ctx context.Context) int {
		unread, err := b.office.cfg.Broker.Unread(ctx, room)
		var since broker.Position
		if err == nil && unread {
			since, err = b.office.cfg.Broker.Acknowledged(ctx, room)
		}
		b.host.Post(c, func() { b.onAnswer(c, room, k.woken, unread, &since, err) })
		return 0
	}) {
		b.looks.Delete(c)
		b.Retry(c)
	}
}

func (b *Box) onAnswer(c *conn.Client, room string, woken, unread bool, since *broker.Position, err error) {
	b.looks.Delete(c)
	switch {
	case err != nil:
		b.Retry(c)
	case b.host.In(c, room) || b.host.Joining(c, room):
	case unread:
		b.host.Join(c, room, since)
	case woken:
		b.lookAgain(c)
	}
}

// Retry is for a client of which it could not be found out what waits for it, or that
// could not be given it: it is looked again soon.
func (b *Box) Retry(c *conn.Client) {
	if k := b.looks.Get(c); k != nil {
		k.woken = true
		return
	}
	b.looks.Put(c, new(look))
	time.AfterFunc(lookRetry+rand.N(lookRetry), func() {
		b.host.Post(c, func() {
			b.looks.Delete(c)
			b.lookAgain(c)
		})
	})
}

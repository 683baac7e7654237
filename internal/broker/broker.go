// The interface between nodes and what joins them.

package broker

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/fair"
	"barrage/internal/refusal"
)

// Errors that a Broker's methods wrap.
var (
	// ErrUnavailable means that the store cannot be reached or does not answer.
	ErrUnavailable = errors.New("broker: unavailable")
	// ErrOverloaded means that too many messages are under way, or wait to be
	// delivered in the room, or that the publisher's share of what is kept is used up.
	ErrOverloaded = errors.New("broker: overloaded")
	// ErrMailboxFull means that too much waits for the user whom the message is for.
	ErrMailboxFull = errors.New("broker: the mailbox is full")
	// ErrClosed means that the broker was closed or not started yet.
	ErrClosed = errors.New("broker: closed")
)

// Spent is an ErrOverloaded whose cause is the publisher: of what their share is used up,
// and how long it may be until there is some of it again. It is a refusal, too.
func Spent(sentence string, wait time.Duration) error {
	return fmt.Errorf("%w: %w", ErrOverloaded, refusal.TooMany("overloaded", sentence, wait))
}

// SpentKeys is Spent for idempotency keys.
func SpentKeys(wait time.Duration) error {
	return Spent("too many idempotency keys of yours are remembered", wait)
}

// Format says what a message's payload is.
type Format uint8

// The formats.
const (
	Text   Format = 1 + iota // UTF-8
	Binary                   // any bytes
	JSON                     // one JSON value, compact, UTF-8; raw members get it as text
)

// Sender is who published a message. All fields may be empty: a backend, or an
// anonymous viewer.
type Sender struct {
	User   string `json:"user,omitempty"`   // as the token says
	Name   string `json:"name,omitempty"`   // nickname
	Avatar string `json:"avatar,omitempty"` // URL
	Conn   string `json:"conn,omitempty"`   // id of the connection, so that its client knows its own messages
}

// Message is one message of a room. It is immutable once delivered and may be
// kept by whoever gets it.
type Message struct {
	Room    string
	ID      string // unique among all nodes
	Epoch   string // of the room's history; "" if Offset is 0
	Offset  uint64 // within the epoch, from 1; 0: in no history
	Time    int64  // when the broker accepted it, in milliseconds since the Unix epoch
	Sender  Sender
	Kind    string // the application's; "" is a plain comment
	Format  Format
	Confirm bool   // see Publication
	NoEcho  bool   // likewise
	Local   bool   // see Receipt.LocalOnly
	TTL     uint32 // likewise
	Payload []byte
}

// Expires is when the message is not to be given to anybody any more, in
// milliseconds since the Unix epoch; 0: never. The broker that accepted it made
// Time by its own clock: compared with another clock, it is wrong by as much as the
// two differ.
func (m *Message) Expires() int64 {
	if m.TTL == 0 {
		return 0
	}
	return m.Time + int64(m.TTL)
}

// Position says where in a room's history: after the message Offset of Epoch. The
// zero Position is before everything.
type Position struct {
	Epoch  string
	Offset uint64
}

// Gap is what a member or node will not get: the messages From to To of Epoch, but for
// those of them that it is given with the gap (of a mailbox: see [Missing]).
// To is 0 when it is not known how many they were, because the epoch has changed.
type Gap struct {
	Epoch  string `json:"epoch"`
	From   uint64 `json:"from"`
	To     uint64 `json:"to,omitempty"`
	Reason string `json:"reason"` // one of those below
}

// Reasons of a gap.
const (
	GapTrimmed = "trimmed" // older than the history keeps
	GapEpoch   = "epoch"   // the history the position speaks of is gone
	GapLarge   = "large"   // more than one answer takes; see Query.Last
)

// Publication is a message to be published. The broker copies what it keeps.
type Publication struct {
	Room    string
	Sender  Sender
	Kind    string
	Format  Format
	Payload []byte
	Key     string // idempotency key, within the room and KeyScope; "" is none
	Forget  bool   // keep it out of the history (typing notices): offset 0
	Keep    bool   // it waits in the history for its reader: ErrUnavailable rather than Receipt.LocalOnly
	Confirm bool   // its reader is to acknowledge it, and gets it again until then
	NoEcho  bool   // the connection that it comes from, Sender.Conn, is not sent it; a client without one sets it, see Message.FromClient
	Lane    Lane   // what goes first where there is too much
	TTL     uint32 // milliseconds until it is not to be given to anybody any more; 0: never. Brokers only carry it

	// Conn and Device say whom it is for alone: a connection, wherever and whosever it is,
	// without a Room; or a device of the user whose room it is. Brokers are not given such.
	Conn, Device string

	Via string // name of the key that it is published with, "" for none. Brokers do not carry it

	// From is where a client's connection comes from, as far as that counts as one
	// address. Zero: a backend, whose shares are its own.
	From netip.Addr
}

// Single tells whether it is for one connection or device alone.
func (p *Publication) Single() bool { return p.Conn != "" || p.Device != "" }

// Owner is whom what is kept of the message is counted for.
func (p *Publication) Owner() fair.Owner {
	if !p.From.IsValid() {
		return fair.Owner{}
	}
	return fair.Owner{Address: p.From, User: p.Sender.User}
}

// KeyScope names those who share their idempotency keys within a room: backends,
// for each user they name; a user's connections; and all clients without a user as
// far as they say the same, since they know nothing of each other's keys.
func (p *Publication) KeyScope() string {
	switch {
	case !p.FromClient():
		return "backend:" + p.Sender.User
	case p.Sender.User != "":
		return "user:" + p.Sender.User
	}
	h := sha256.New()
	h.Write([]byte(p.Kind))
	h.Write([]byte{0, byte(p.Format)})
	h.Write(p.Payload)
	return "anyone:" + string(h.Sum(nil))
}

// Receipt is the answer to a publish.
type Receipt struct {
	ID        string
	Position  Position // zero where the room keeps no history
	Members   int      // members on this node that it was queued for
	LocalOnly bool     // the other nodes cannot be reached: only members here got it, and it is in no history
	Replayed  bool     // Key was seen before; this is the first publish's receipt
	Sampled   bool     // of a hot room: only its sender is to see it. It has no position
}

// Query asks for a part of a room's history.
type Query struct {
	After *Position // messages after it, oldest first; nil: the newest ones
	Limit int       // at most so many messages; 0 is all that are kept
	Bytes int       // at most so many bytes of them, about, but always one message; 0 is no bound
	// Last: of the messages after After the newest that Limit and Bytes allow. What
	// does not fit is a gap with the reason GapLarge.
	Last bool
	// Begin begins an epoch where there is none, so that Page.Head is a position from which
	// what comes next can be told. Without it reading writes nothing.
	Begin bool
}

// Page is a part of a room's history.
type Page struct {
	Messages []*Message // by ascending offset, without holes but in mailboxes
	Head     Position   // the newest message's; of an empty history the epoch with offset 0, of none zero
	Gap      *Gap       // what Query.After asked for and is gone; else than in mailboxes Messages then begin behind it, or with the newest ones
	More     bool       // Limit or Bytes cut the messages short of Head
	Begun    bool       // Query.Begin began the epoch
}

// Receiver is the node: what a Broker calls. Calls for one room never overlap, and
// come in the order of its messages; those for different rooms may overlap. The
// Broker holds no lock meanwhile, but what the room has next waits, perhaps with
// those who published it. So none of the methods blocks or calls back into the
// Broker.
type Receiver interface {
	// Deliver gives a message to the local members of its room and returns how
	// many it was queued for.
	Deliver(m *Message) (members int)
	// Lost tells, in the order of Deliver, that the local members miss messages.
	Lost(room string, gap Gap)
	// Ready answers a Want that returned false.
	Ready(room string)
	// Members is the number of local members of a room.
	Members(room string) int
}

// Broker keeps the histories of rooms and carries messages between nodes. Its
// methods may be called from any goroutine.
type Broker interface {
	// Want tells that the room has, or is about to have, a member here. It
	// returns true if the room's messages are coming already, or if waiting for
	// them is pointless; otherwise Receiver.Ready is called once they do. It
	// never blocks. Rooms without members (Receiver.Members) may be given up.
	Want(room string) (ready bool)
	// Publish returns once the message is accepted or refused, by ctx's deadline
	// and the broker's own at the latest.
	Publish(ctx context.Context, p *Publication) (Receipt, error)
	// TryPublish is Publish for event loops: it never blocks and copies p. It
	// returns false if it had to refuse, and done is then not called. Otherwise
	// done, unless nil, is called once, by any goroutine, perhaps before
	// TryPublish returns and perhaps later: by whoever delivers the message, which
	// may be another publisher. So done does not block either, nor wait for
	// anything to be published. Publications of one goroutine to one room keep
	// their order. A caller may deliver a few messages of others on its way.
	TryPublish(p *Publication, done func(Receipt, error)) bool
	// History reads from a room's history. What was delivered on this node
	// before the call is in it, or behind its head; it may be ahead of that.
	History(ctx context.Context, room string, q Query) (Page, error)
	// Clear forgets a room's history; the next message begins a new epoch.
	Clear(ctx context.Context, room string) error
	// ClearAt does so only if nothing was published since the history's head was
	// that. False: something was, and all of it is still there. It is true, too,
	// if nothing is there any more, or the room may keep nothing at present.
	ClearAt(ctx context.Context, room string, head Position) (cleared bool, err error)
	// Acknowledge notes that the reader of a room has dealt with everything up
	// to pos; it never goes back. Acknowledged returns what was noted last, the
	// zero Position if nothing or nothing of the present epoch. They live as long
	// as the history does.
	Acknowledge(ctx context.Context, room string, pos Position) error
	Acknowledged(ctx context.Context, room string) (Position, error)
	// Unread tells whether a room has messages behind what was acknowledged. It
	// may be true when they have just expired.
	Unread(ctx context.Context, room string) (bool, error)
	// Err returns nil while messages flow between the nodes, else why not.
	Err() error
}

// Retention says what a room's history keeps. Messages or Age at 0 turn history
// off.
type Retention struct {
	Messages int           // at most
	Age      time.Duration // since the message was accepted
	// Bytes of the messages, about, but always the newest one; 0: see MaxBytes.
	Bytes int64 `json:",omitempty"` // older nodes do not know it
}

// Bounds of what may be asked for.
const (
	MaxRetained     = 100_000 // messages of one room
	MaxRetentionAge = 365 * 24 * time.Hour

	MinRetainedBytes = 4 << 10
	MaxRetainedBytes = 1 << 30
)

// defaultMailboxBytes is what rooms of single users keep at most where nothing else is
// said: they are mailboxes, which are read late.
const defaultMailboxBytes = 16 << 20

// MaxBytes is how many bytes of messages the room's history keeps at most.
func (r Retention) MaxBytes(room string) int64 {
	switch {
	case r.Bytes > 0:
		return r.Bytes
	case strings.HasPrefix(room, UserPrefix):
		return defaultMailboxBytes
	}
	return bounds.RoomHistoryBytes
}

// On tells whether anything is kept.
func (r Retention) On() bool { return r.Messages > 0 && r.Age > 0 }

// Check tells what is wrong with a retention, by the field's name.
func (r Retention) Check() error {
	switch {
	case r.Messages < 0 || r.Messages > MaxRetained:
		return fmt.Errorf("messages must be 0 to %d", MaxRetained)
	case r.Age < 0 || r.Age > MaxRetentionAge || r.On() && r.Age < time.Millisecond:
		return errors.New("age must be 0 or 1ms to 8760h")
	case r.Bytes != 0 && (r.Bytes < MinRetainedBytes || r.Bytes > MaxRetainedBytes):
		return fmt.Errorf("bytes must be %d to %d", MinRetainedBytes, MaxRetainedBytes)
	}
	return nil
}

// Rule is the retention of the rooms whose names match a pattern, in which *
// stands for any bytes.
type Rule struct {
	Pattern string
	Retention
}

// Rules are tried in order; a room that none matches keeps nothing.
type Rules []Rule

// DefaultRules keep the last 100 messages for 10 minutes, and those of single
// users (direct messages, which wait for them) for 7 days.
func DefaultRules() Rules {
	return Rules{
		{"user:*", Retention{Messages: 1000, Age: 7 * 24 * time.Hour}},
		{"*", Retention{Messages: 100, Age: 10 * time.Minute}},
	}
}

// String is the same for rules that are the same in effect, and says what they are: what
// is left out of one is filled in, and a rule that an earlier one leaves nothing to, or
// that comes to nothing at the end, is not there.
func (r Rules) String() string {
	var said []string
	last := 0 // of them, those up to the last that keeps something
	covered := func(before Rules, pattern string) bool {
		return slices.ContainsFunc(before, func(b Rule) bool { return Match(b.Pattern, pattern) })
	}
	for i, rule := range r {
		switch mail := UserPrefix + "*"; {
		case covered(r[:i], rule.Pattern):
			continue
		case !rule.On():
			said = append(said, rule.Pattern+"=0/0")
			continue
		case rule.Bytes == 0 && !strings.HasPrefix(rule.Pattern, UserPrefix) && !covered(r[:i], mail):
			// It may be of rooms of users and of others, whose bytes differ.
		default:
			rule.Bytes = rule.MaxBytes(rule.Pattern)
		}
		said = append(said, fmt.Sprintf("%s=%d/%v/%d", rule.Pattern, rule.Messages, rule.Age, rule.Bytes))
		last = len(said)
	}
	return strings.Join(said[:last], ",")
}

// For returns the retention of a room.
func (r Rules) For(room string) Retention {
	for i := range r {
		if Match(r[i].Pattern, room) {
			return r[i].Retention
		}
	}
	return Retention{}
}

// Match tells whether a name fits a pattern, in which * stands for any bytes. It
// goes back only to the last *, so its work is at most the product of the two
// lengths.
func Match(pattern, name string) bool {
	p, n, star, from := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p, n = p+1, n+1
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

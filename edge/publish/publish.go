// Package publish is how a message gets from whoever says it to the broker: what is
// checked, whom it is counted for, and that backends are told. It serves sockets of
// every protocol and the HTTP API.
package publish

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"barrage/edge/auth"
	"barrage/edge/auth/keyring"
	"barrage/edge/events"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// Reason is why a message was not given to its room.
type Reason uint8

// The reasons.
const (
	Rate        Reason = iota // from a socket, over its rate
	Overload                  // the shards are too far behind
	TooBig                    // longer than sockets may publish, or came so through the broker
	Forbidden                 // from a client that may not publish there
	Expired                   // came through the broker after its TTL
	MailboxFull               // too much waits for the user whom it is for
	Backend                   // by the backend that is asked about it, or for want of its answer

	numReasons
)

var reasonNames = [numReasons]string{Rate: "rate", Overload: "overload", TooBig: "too_big", Forbidden: "forbidden", Expired: "expired", MailboxFull: "mailbox_full", Backend: "backend"}

// String returns the reason as metrics have it.
func (r Reason) String() string { return reasonNames[r] }

// Refused counts messages that were not given to their rooms. Any goroutine.
type Refused struct{ n [numReasons]atomic.Uint64 }

// Add counts one.
func (c *Refused) Add(r Reason) { c.n[r].Add(1) }

// Of is how many were refused for a reason.
func (c *Refused) Of(r Reason) uint64 { return c.n[r].Load() }

// All returns the counts by reason.
func (c *Refused) All() map[string]uint64 {
	all := make(map[string]uint64, numReasons)
	for r := range numReasons {
		all[r.String()] = c.Of(r)
	}
	return all
}

// Rules say what holds for a room at present. They are asked for every message.
type Rules interface {
	Muted(room string) bool
	Retention(room string) broker.Retention
	Target(room string) float64
	// Banned is a refusal if a user must stay out of a room.
	Banned(user, room string) error
}

// Courier brings messages to single connections and devices.
type Courier interface {
	// Send gives a publication to the connection or the device that it names, and calls done
	// once, from any goroutine, with how many got it as Receipt.Members. It does not block,
	// and returns false if it has too much to do. p is the caller's again then.
	Send(p *broker.Publication, done func(broker.Receipt, error)) bool
}

// Config is what New needs.
type Config struct {
	Broker  broker.Broker
	Rules   Rules
	Events  *events.Emitter
	Refused *Refused
	Courier Courier
	Lanes   broker.Lanes
	Clients bool          // connections may publish
	Keys    *keyring.Ring // may be nil
	Copied  func() bool   // a connection, on any node, may want copies of what its user writes to others; see own.go
}

// Publisher publishes. Its methods may be called from any goroutine.
type Publisher struct {
	Refused  *Refused
	Received atomic.Uint64 // messages from sockets

	cfg       Config
	keys      keyRates
	sampled   atomic.Uint64
	published atomic.Uint64
}

// New returns a Publisher.
func New(cfg Config) *Publisher {
	return &Publisher{cfg: cfg, Refused: cfg.Refused, keys: newKeyRates(cfg.Keys)}
}

// Published is how many messages the broker has accepted.
func (s *Publisher) Published() uint64 { return s.published.Load() }

// Publish sends a message to all members of a room, on all nodes. It returns once
// the broker has it, or the time of ctx is over.
func (s *Publisher) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	if err := s.Check(p); err != nil {
		return broker.Receipt{}, err
	}
	if p.Single() {
		return s.bring(ctx, p)
	}
	p.Lane, p.Keep = s.cfg.Lanes.Of(p), p.Keep || s.waits(p)
	r, err := s.cfg.Broker.Publish(ctx, p)
	if err != nil {
		s.countFull(err)
		return broker.Receipt{}, Refuse(err)
	}
	s.published.Add(1)
	s.countSampled(r)
	if s.cfg.Events.Wants(events.Publish, p.Room) {
		kept := *p
		kept.Payload = slices.Clone(p.Payload)
		s.tell(&kept, r)
	}
	return r, nil
}

// Try is Publish for the loops, of what was checked: it does not block. done may be nil,
// and is called by any goroutine. It returns false if the message had to be refused.
func (s *Publisher) Try(p *broker.Publication, done func(broker.Receipt, error)) bool {
	wanted, copied := s.cfg.Events.Wants(events.Publish, p.Room), s.copies(p)
	if wanted || copied {
		done = s.telling(p, wanted, copied, done)
	}
	if p.Single() {
		return s.tryBring(p, done)
	}
	p.Lane = s.cfg.Lanes.Of(p)
	if s.maySample(p) {
		done = s.countingSampled(done)
	}
	if p.Keep = s.waits(p); p.Keep {
		next := done
		done = func(r broker.Receipt, err error) {
			s.countFull(err)
			if err == nil {
				s.published.Add(1)
			}
			if next != nil {
				next(r, err)
			}
		}
	}
	switch ok := s.cfg.Broker.TryPublish(p, done); {
	case !ok:
		s.Refused.Add(Overload)
		return false
	case !p.Keep:
		s.published.Add(1)
	}
	return true
}

// countFull counts a message for which there is no place in its user's mailbox.
func (s *Publisher) countFull(err error) {
	if errors.Is(err, broker.ErrMailboxFull) {
		s.Refused.Add(MailboxFull)
	}
}

// Check tells what is wrong with a publication, and gives it the normal form of its room's
// name.
func (s *Publisher) Check(p *broker.Publication) (err error) {
	if p.Conn != "" {
		p.Room = ""
	} else if p.Room, err = broker.RoomName(p.Room); err != nil {
		return err
	}
	if err := broker.CheckKind(p.Kind); err != nil {
		return err
	}
	if err := broker.CheckPayload(p.Format, p.Payload); err != nil {
		return err
	}
	return s.CheckTerms(p)
}

// CheckTerms refuses to promise what nobody can keep, such as an acknowledgement.
func (s *Publisher) CheckTerms(p *broker.Publication) error {
	_, toUser := broker.UserOf(p.Room)
	switch {
	case p.Single() && (p.Confirm || p.Key != ""):
		return refusal.New(http.StatusBadRequest, "bad_command", "a message to one device or connection is sent at most once: it takes neither a key nor qos 1")
	case p.Device != "" && !toUser:
		return refusal.New(http.StatusBadRequest, "bad_command", "a device is one of a user's: it goes with messages to users")
	case !p.Confirm:
		return nil
	case !toUser:
		return refusal.New(http.StatusBadRequest, "bad_command", "qos 1 is for messages to users only")
	case p.Forget:
		return refusal.New(http.StatusBadRequest, "bad_command", "a message with qos 1 cannot be kept out of the history")
	case !s.cfg.Rules.Retention(p.Room).On():
		return refusal.New(http.StatusBadRequest, "bad_command", "qos 1 needs a history, and room "+p.Room+" keeps none")
	}
	return nil
}

// Allowed tells whether a connection of a user ("" is anonymous) may publish a message to
// a room, and takes it of the rate of its key, if it has one. What is refused is counted.
func (s *Publisher) Allowed(user string, rights auth.Rights, room string) error {
	if err := s.Permits(user, rights, room); err != nil {
		return err
	}
	err := s.keys.take(rights)
	if err != nil {
		s.Refused.Add(Rate)
	}
	return err
}

// Permits is Allowed for a message that was allowed, and has waited since: it takes nothing.
func (s *Publisher) Permits(user string, rights auth.Rights, room string) error {
	err := s.permits(user, rights, room)
	if err != nil {
		s.Refused.Add(Forbidden)
	}
	return err
}

func (s *Publisher) permits(user string, rights auth.Rights, room string) error {
	if !s.cfg.Clients || !rights.MayPublish(room) {
		what := "publish to room " + room
		if to, direct := broker.UserOf(room); direct {
			what = "write to user " + to
		}
		return refusal.New(http.StatusForbidden, "forbidden", "this connection may not "+what)
	}
	if s.cfg.Rules.Muted(room) {
		return refusal.New(http.StatusForbidden, "muted", "room "+room+" is muted")
	}
	if strings.HasPrefix(room, broker.UserPrefix) && user == "" {
		return refusal.New(http.StatusForbidden, "forbidden", "only users may write to users")
	}
	return s.cfg.Rules.Banned(user, room)
}

// waits tells whether the message, should its user not be there, waits for them. It
// cannot if only this node ever knew of it.
func (s *Publisher) waits(p *broker.Publication) bool {
	_, toUser := broker.UserOf(p.Room)
	return toUser && !p.Forget && s.cfg.Rules.Retention(p.Room).On()
}

// tell has backends told of a message that was published here. p is kept.
func (s *Publisher) tell(p *broker.Publication, r broker.Receipt) {
	if r.Replayed {
		return
	}
	s.cfg.Events.Emit(&events.Event{
		Type: events.Publish, Room: p.Room, Device: p.Device, User: p.Sender.User, Conn: p.Sender.Conn, Key: p.Via,
		Message: &broker.Message{
			Room: p.Room, ID: r.ID, Epoch: r.Position.Epoch, Offset: r.Position.Offset, Time: time.Now().UnixMilli(),
			Sender: p.Sender, Kind: p.Kind, Format: p.Format, Payload: p.Payload,
		},
	})
}

// telling adds tell and copy, as far as they are wanted, to what is done after a publish, when
// the caller's p is long something else.
func (s *Publisher) telling(p *broker.Publication, wanted, copied bool, done func(broker.Receipt, error)) func(broker.Receipt, error) {
	kept := *p
	kept.Payload = slices.Clone(p.Payload)
	return func(r broker.Receipt, err error) {
		if err == nil && copied {
			s.copy(&kept, r)
		}
		if err == nil && wanted {
			s.tell(&kept, r)
		}
		if done != nil {
			done(r, err)
		}
	}
}

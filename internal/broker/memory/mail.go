// What clients have waiting in mailboxes, which is refused rather than evicted.

package memory

import (
	"sync"
	"time"

	"barrage/internal/broker"
	"barrage/internal/fair"
)

// mailWait is after how long it is worth a try whether users have acknowledged some.
const mailWait = time.Minute

// mail shares out the bytes that clients may have in rooms of single users: half of
// Config.MaxBytes. Its lock is taken under a stripe's.
type mail struct {
	mu     sync.Mutex // guards places
	places *fair.Places
}

// take takes what a message needs that a client writes into a mailbox.
func (l *mail) take(p *broker.Publication) bool {
	if !p.From.IsValid() {
		return true
	}
	if _, mailbox := broker.UserOf(p.Room); !mailbox {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.places.Take(p.Owner(), mailSize(&p.Sender, p.Kind, p.Payload))
}

// give gives back what take has taken for a message of an owner.
func (l *mail) give(room string, o fair.Owner, from *broker.Sender, kind string, payload []byte) {
	if !o.Address.IsValid() {
		return
	}
	if _, mailbox := broker.UserOf(room); !mailbox {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.places.Give(o, mailSize(from, kind, payload))
}

// mailSize is a message's size before it has an id.
func mailSize(from *broker.Sender, kind string, payload []byte) int64 {
	return int64(messageOverhead + len(from.User) + len(from.Name) + len(from.Avatar) + len(from.Conn) + len(kind) + len(payload))
}

// afford takes what a publish needs of shares that are refused when they are used up.
func (m *Broker) afford(p *broker.Publication, keep broker.Retention, now time.Duration) error {
	if keep.On() && !m.mail.take(p) {
		return broker.Spent("too much of what you wrote to users waits for them", mailWait)
	}
	if p.Key == "" || m.keys.Take(p.Owner(), now) {
		return nil
	}
	if keep.On() {
		m.mail.give(p.Room, p.Owner(), &p.Sender, p.Kind, p.Payload)
	}
	return broker.SpentKeys(m.keys.Free(now))
}

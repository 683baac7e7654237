// What was there before an attack and must be there after it: a history, messages that
// wait for a user, an idempotency key.

package hostile

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	v1 "barrage/edge/v1"
)

const (
	keptRoom  = "keepsake"
	keptUser  = "rita" // who is away, and attackers may write to
	keptBy    = "paul"
	keptKey   = "keepsake-key"
	keptTexts = 50
	keptMails = 10 // half of the backend's, half of a user's
)

var keeper = netip.AddrFrom4([4]byte{127, 2, 1, 1})

// keepsake is what was said, and by whom it is looked for.
type keepsake struct {
	backend *Backend
	public  string
	sign    func(string) (string, error)
	meter   Meter
	first   published // the answer with keptKey
	epoch   [2]string // of the room, and of the user's
}

// leave says it all.
func (k *keepsake) leave(ctx context.Context) (err error) {
	for i := range keptTexts {
		if err := k.backend.say(ctx, keptRoom, fmt.Sprint("text ", i)); err != nil {
			return err
		}
	}
	last, err := k.backend.post(ctx, "/v1/rooms/"+keptRoom+"/messages", "", "text/plain", "the last")
	if err != nil {
		return err
	}
	k.epoch[0] = last.Epoch
	if k.first, err = k.backend.post(ctx, "/v1/rooms/"+keptRoom+"-key/messages", keptKey, "text/plain", "once"); err != nil {
		return err
	}
	c, err := k.connect(ctx, keptBy)
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range keptMails {
		text := fmt.Sprintf(`"mail %d"`, i)
		if i%2 == 0 {
			var p published
			p, err = k.backend.post(ctx, "/v1/users/"+keptUser+"/messages?qos=1", "", "application/json", text)
			k.epoch[1] = p.Epoch
		} else {
			_, err = k.ask(c, fmt.Sprintf(`"cmd":"publish","to":%q,"qos":1,"data":%s`, keptUser, text))
		}
		if err != nil {
			return fmt.Errorf("hostile: a message that waits: %w", err)
		}
	}
	return nil
}

func (k *keepsake) connect(ctx context.Context, user string) (*Conn, error) {
	token, err := k.sign(user)
	if err != nil {
		return nil, err
	}
	return open(ctx, &k.meter, keeper, k.public, "/ws?token="+token, v1.Subprotocol)
}

// ask gives a command, again while it is refused for a reason that passes: what is asked
// afterwards is whether things are there.
func (k *keepsake) ask(c *Conn, command string) (*fields, error) {
	for until := time.Now().Add(visitWithin); ; time.Sleep(again) {
		s, err := c.ask(until, command)
		switch {
		case err != nil:
			return nil, err
		case s.Error == nil:
			return s.OK, nil
		case s.Error.RetryAfter == 0 || time.Now().After(until):
			return nil, fmt.Errorf("%s: %s", s.Error.Code, s.Error.Message)
		}
	}
}

// missing looks for all of it, and returns what is not there any more.
func (k *keepsake) missing(ctx context.Context) (lost []string) {
	if p, err := k.backend.post(ctx, "/v1/rooms/"+keptRoom+"-key/messages", keptKey, "text/plain", "once"); err != nil || !p.replayed || p.Offset != k.first.Offset {
		lost = append(lost, fmt.Sprintf("the backend's idempotency key (%v)", err))
	}
	c, err := k.connect(ctx, keptUser)
	if err != nil {
		return append(lost, fmt.Sprintf("all, as nobody is let in (%v)", err))
	}
	defer c.Close()
	for i, look := range []struct {
		room, prefix string
		want         int
	}{{keptRoom, `"text `, keptTexts}, {"user:" + keptUser, `"mail `, keptMails}} {
		found, err := k.count(c, look.room, k.epoch[i], look.prefix)
		if err != nil || found != look.want {
			lost = append(lost, fmt.Sprintf("%d of %d messages of %s (%v)", look.want-found, look.want, look.room, err))
		}
	}
	return lost
}

// count reads a history from its beginning.
func (k *keepsake) count(c *Conn, room, epoch, prefix string) (n int, err error) {
	since := fmt.Sprintf(`"epoch":%q,"offset":0`, epoch)
	for {
		page, err := k.ask(c, fmt.Sprintf(`"cmd":"history","room":%q,"limit":1000,"since":{%s}`, room, since))
		if err != nil || len(page.Messages) == 0 {
			return n, err
		}
		for _, m := range page.Messages {
			if strings.HasPrefix(string(m.Data), prefix) {
				n++
			}
		}
		last := page.Messages[len(page.Messages)-1]
		if last.Offset >= page.Offset {
			return n, nil
		}
		since = fmt.Sprintf(`"epoch":%q,"offset":%d`, last.Epoch, last.Offset)
	}
}

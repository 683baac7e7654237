// Honest clients who come and go: what they ask for they must get.

package hostile

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "barrage/edge/v1"
)

const (
	visitEvery  = time.Second // on average, and as long as a visit takes
	visitWithin = 20 * time.Second
)

// guests are n clients, half of them users who write to each other.
type guests struct {
	public string
	sign   func(user string) (string, error)
	meter  Meter // what honest guests cost is not told
	wg     sync.WaitGroup

	mu sync.Mutex // guards what follows
	visited
}

// visited is what came of visits.
type visited struct {
	visits  int
	longest time.Duration // from wishing to be in a room to being in it, with its history
	late    int           // times that what they asked for did not come in its time
	refused map[string]int
	lost    map[string]int
}

func newGuests(public string, sign func(string) (string, error)) *guests {
	g := &guests{public: public, sign: sign}
	g.take()
	return g
}

// take returns what came of the visits so far, and begins anew.
func (g *guests) take() visited {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.visited
	g.visited = visited{refused: make(map[string]int), lost: make(map[string]int)}
	return v
}

// come has n of them come and go until ctx ends.
func (g *guests) come(ctx context.Context, n int) {
	for i := range n {
		g.wg.Go(func() {
			v := &guest{guests: g, number: i, from: netip.AddrFrom4([4]byte{127, 2, 0, byte(i + 1)})}
			if i%2 == 0 {
				v.user = fmt.Sprintf("guest-%d", i)
			}
			pause(ctx, time.Duration(i)*visitEvery/time.Duration(n))
			for ctx.Err() == nil {
				v.visit()
				pause(ctx, visitEvery)
			}
		})
	}
}

func (g *guests) isRefused(what string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused[fmt.Sprintf(what, args...)]++
}

// failed notes an error of a connection: those of its deadline are of time.
func (g *guests) failed(what string, err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		g.isLate()
		return
	}
	g.isRefused("%s: %s", what, why(err))
}

func (g *guests) isLate() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.late++
}

func (g *guests) hasLost(what string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lost[fmt.Sprintf(what, args...)]++
}

// guest is one of them, used by one goroutine.
type guest struct {
	*guests
	number int
	from   netip.Addr
	user   string // "": none

	epoch  string // position in the room
	offset uint64
	said   int // messages
}

// visit joins a room with what was missed, says something, asks for what there is to ask
// for, and goes. It is done even if the trial is over meanwhile.
func (g *guest) visit() {
	until := time.Now().Add(visitWithin)
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	began := time.Now()
	target := "/ws"
	if g.user != "" {
		token, err := g.sign(g.user)
		if err != nil {
			g.isRefused("token: %v", err)
			return
		}
		target += "?token=" + token
	}
	c, err := open(ctx, &g.meter, g.from, g.public, target, v1.Subprotocol)
	if err != nil {
		g.failed("connect", err)
		return
	}
	defer c.Close()
	if !g.join(c, until) {
		return
	}
	g.mu.Lock()
	g.visits++
	g.longest = max(g.longest, time.Since(began))
	g.mu.Unlock()
	g.said++
	text := fmt.Sprintf(`"data":"%d","key":"guest-%d-%[1]d"`, g.said, g.number)
	g.want(c, until, `"cmd":"publish","room":"guests",`+text)
	if r := g.want(c, until, `"cmd":"publish","room":"guests",`+text); r != nil && !r.Replayed {
		g.hasLost("idempotency key")
	}
	g.want(c, until, `"cmd":"history","limit":20,"room":"`+crowdRoom(g.number)+`"`)
	g.want(c, until, `"cmd":"presence","room":"`+crowdRoom(g.number)+`"`)
	g.want(c, until, `"cmd":"request","method":"`+quickMethod+`"`)
	g.want(c, until, `"cmd":"request","method":"`+helpMethod+`"`)
	if g.user != "" {
		g.want(c, until, fmt.Sprintf(`"cmd":"serve","methods":["guest-%d"]`, g.number))
		g.mail(c, until)
	}
}

// join wants what was missed since the last visit, or the newest for the first.
func (g *guest) join(c *Conn, until time.Time) bool {
	room := crowdRoom(g.number)
	what := `"history":20`
	if g.epoch != "" {
		what = fmt.Sprintf(`"since":{"epoch":%q,"offset":%d}`, g.epoch, g.offset)
	}
	r := g.want(c, until, fmt.Sprintf(`"cmd":"join","room":%q,%s`, room, what))
	if r == nil {
		return false
	}
	if g.epoch != "" && !r.Resumed {
		g.hasLost("history since the last visit")
	}
	before := g.offset
	if g.epoch == "" || !r.Resumed {
		before = r.Offset - uint64(len(r.Messages))
	}
	for _, m := range r.Messages {
		if before++; m.Offset != before {
			g.hasLost("messages of a history")
			break
		}
	}
	g.epoch, g.offset = r.Epoch, r.Offset
	return true
}

// mail is a message to oneself that must come, and is acknowledged.
func (g *guest) mail(c *Conn, until time.Time) {
	text := strconv.Quote(fmt.Sprint("mail ", g.said))
	c.asked++
	id := c.asked
	if err := c.send(fmt.Sprintf(`{"id":%d,"cmd":"publish","to":%q,"qos":1,"ttl":600000,"data":%s}`, id, g.user, text)); err != nil {
		g.failed("direct message", err)
		return
	}
	var epoch string
	var offset uint64
	_, err := c.next(until, func(s *said) bool {
		has := func(m fields) bool { return string(m.Data) == text && m.Sender != nil && m.Sender.User == g.user }
		switch {
		case s.answers(id) && s.Error != nil:
			g.isRefused("direct message: %s (%s)", s.Error.Code, s.Error.Message)
			return true
		case s.Push == "message" && has(s.fields):
			epoch, offset = s.Epoch, s.Offset
		case s.Push == "joined":
			if at := slices.IndexFunc(s.Messages, has); at >= 0 {
				epoch, offset = s.Messages[at].Epoch, s.Messages[at].Offset
			}
		}
		return offset != 0
	})
	switch {
	case err != nil:
		g.failed("direct message", err)
	case offset != 0:
		g.want(c, until, fmt.Sprintf(`"cmd":"ack","epoch":%q,"offset":%d`, epoch, offset))
	}
}

// want gives a command; what is not done is noted as refused, and nil.
func (g *guest) want(c *Conn, until time.Time, command string) *fields {
	name, _, _ := strings.Cut(strings.TrimPrefix(command, `"cmd":"`), `"`)
	s, err := c.ask(until, command)
	switch {
	case err != nil:
		g.failed(name, err)
		return nil
	case s.Error != nil && s.Error.Code == "unavailable": // it waited for as long as it may
		g.isLate()
		return nil
	case s.Error != nil:
		g.isRefused("%s: %s (%s)", name, s.Error.Code, s.Error.Message)
		return nil
	case s.OK == nil:
		return &fields{}
	}
	return s.OK
}

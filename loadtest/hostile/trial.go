// One attack on one server.

package hostile

import (
	"context"
	"fmt"
	"time"

	"barrage/loadtest/probe"
)

// Trial is what it takes. The server must be new: it is judged by all it ever took.
type Trial struct {
	Attack  *Attack
	Size    int
	Public  string // address
	Admin   string // likewise
	Plain   string // likewise, if the attack wants it
	PID     int    // of the server
	Redis   string // URL, as attackers would have it; "" without
	Secret  string // of the server's tokens
	Sign    func(user string) (string, error)
	Backend *Backend
	Force   Force

	Viewers int           // honest ones, guests beside
	Guests  int           // who come and go
	Quiet   time.Duration // without attackers
	Under   time.Duration // with them
}

// Result is what came of it.
type Result struct {
	Quiet, Under time.Duration // 95 % of deliveries were faster
	Most         time.Duration // the slowest under attack
	QuietJoin    time.Duration // the slowest, from dial to the room's history
	Join         time.Duration // likewise, under attack
	Visits       int
	Waits        int      // of guests, in vain
	Lost         []string // of the honest: messages, histories, keys
	Refused      []string // likewise
	RSS, Before  int64    // bytes: the most, and what there was before the attack
	Used, Waited float64  // processors, under attack: those that the server had, and that its threads waited for
	Others       float64  // likewise: what programs had that have no part in this
	Facts        Facts
	Problems     []string // that the attack's Check found
}

// Run is the trial. Under all circumstances the attackers have ended when it returns.
func (t *Trial) Run(ctx context.Context) (r *Result, err error) {
	t.Backend.admin = t.Admin
	r = &Result{Facts: Facts{Size: t.Size}}
	kept := &keepsake{backend: t.Backend, public: t.Public, sign: t.Sign}
	if err := kept.leave(ctx); err != nil {
		return nil, err
	}
	if t.Attack.Prepare != nil {
		if err := t.Attack.Prepare(ctx, t.Backend); err != nil {
			return nil, err
		}
	}
	viewers, err := newCrowd(ctx, t.Public, t.Viewers)
	defer viewers.close()
	if err != nil {
		return nil, err
	}
	coming, gone := context.WithCancel(ctx)
	g := newGuests(t.Public, t.Sign)
	rest, err := g.help(ctx, t.Sign)
	if err != nil {
		gone()
		return nil, err
	}
	defer rest()
	g.come(coming, t.Guests)
	defer g.wg.Wait()
	defer gone()

	quiet := viewers.window(ctx, t.Quiet, drain)
	r.Quiet = quiet.latency.Quantile(0.95)
	before := g.take()
	r.QuietJoin = before.longest
	r.takes("quiet: ", &quiet, &before)
	if r.Before, _, err = memory(t.PID); err != nil {
		return nil, err
	}
	used, waited := processor(t.PID)
	strange, err := others()
	if err != nil {
		return nil, err
	}
	under, err := t.attack(ctx, viewers, &r.Facts)
	if err != nil {
		return nil, err
	}
	usedNow, waitedNow := processor(t.PID)
	strangeNow, err := others()
	if err != nil {
		return nil, err
	}
	r.Used, r.Waited = (usedNow-used)/r.Facts.Seconds, (waitedNow-waited)/r.Facts.Seconds
	r.Others = (strangeNow - strange) / r.Facts.Seconds
	r.Under, r.Most = under.latency.Quantile(0.95), under.latency.Max()
	gone()
	g.wg.Wait()
	after := g.take()
	r.Join, r.Visits, r.Waits = after.longest, after.visits, after.late
	r.takes("", &under, &after)
	r.Lost = append(r.Lost, kept.missing(ctx)...)
	if _, r.RSS, err = memory(t.PID); err != nil {
		return nil, err
	}
	if t.Attack.Check != nil {
		r.Problems = t.Attack.Check(&r.Facts)
	}
	return r, ctx.Err()
}

// attack is the time under attack.
func (t *Trial) attack(ctx context.Context, viewers *crowd, f *Facts) (s seen, err error) {
	if f.Before, f.Redis[0], err = t.figures(ctx); err != nil {
		return s, err
	}
	began := time.Now()
	end, err := t.Force(ctx, Job{
		Attack: t.Attack.Name, Size: t.Size, Public: t.Public, Admin: t.Admin, Plain: t.Plain, Redis: t.Redis, Secret: t.Secret,
	})
	if err != nil {
		return s, err
	}
	s = viewers.window(ctx, t.Under, drain)
	f.Seconds = time.Since(began).Seconds()
	f.After, f.Redis[1], err = t.figures(ctx) // while they are there
	out, ended := end()
	f.Out = out
	if err == nil {
		err = ended
	}
	return s, err
}

func (t *Trial) figures(ctx context.Context) (m probe.Metrics, r Redis, err error) {
	if m, err = probe.Scrape(ctx, "http://"+t.Admin+"/metrics"); err == nil && t.Redis != "" {
		r, err = lookAtRedis(ctx, t.Redis)
	}
	return m, r, err
}

// takes notes what was lost and refused in a window.
func (r *Result) takes(when string, s *seen, g *visited) {
	for what, n := range map[string]uint64{"messages": s.counts.Missing, "duplicates": s.counts.Duplicated, "strays": s.counts.Misrouted} {
		if n > 0 {
			r.Lost = append(r.Lost, fmt.Sprintf("%s%d %s of %d", when, n, what, s.counts.Expected))
		}
	}
	if s.closed > 0 {
		r.Refused = append(r.Refused, fmt.Sprintf("%s%d closed: %v", when, s.closed, s.closedBy))
	}
	for what, n := range g.refused {
		r.Refused = append(r.Refused, fmt.Sprintf("%s%d %s", when, n, what))
	}
	for what, n := range g.lost {
		r.Lost = append(r.Lost, fmt.Sprintf("%s%d %s", when, n, what))
	}
}

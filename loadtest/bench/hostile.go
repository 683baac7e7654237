package main

// The scenario hostile: what attackers can do to honest viewers. Each attack has a server
// of its own, and a Redis if it is about that.

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"barrage/loadtest"
	"barrage/loadtest/hostile"
)

// attackersCommand is this program's as the attackers.
const attackersCommand = "attackers"

type hostility struct {
	*bench
	attacks      string
	size, most   int
	tries        int
	quiet, under time.Duration
	viewers      int

	secret string
	sign   func(string) (string, error)
}

func hostileFlags(b *bench, flags *flag.FlagSet) measurement {
	h := &hostility{bench: b, secret: "the secret of all tokens of honest viewers and others"}
	flags.StringVar(&h.attacks, "attacks", "all", "`names` of attacks, or all")
	flags.IntVar(&h.size, "size", 0, "size of all attacks; 0: each at its own")
	flags.IntVar(&h.most, "most", 0, "largest size that is tried; 0: any")
	flags.IntVar(&h.tries, "tries", 1, "how often an attack is tried whose times do not hold")
	flags.IntVar(&h.viewers, "viewers", 90, "honest viewers, beside ten guests")
	flags.DurationVar(&h.quiet, "quiet", 4*time.Second, "how long is measured without attackers")
	flags.DurationVar(&h.under, "under", 10*time.Second, "how long, at least, with them")
	return h.run
}

func (h *hostility) run(ctx context.Context) (title, body string, err error) {
	attacks, err := h.choose()
	if err != nil {
		return "", "", err
	}
	if h.sign, err = loadtest.Signer([]byte(h.secret), "*"); err != nil {
		return "", "", err
	}
	t := table{{"attack", "who", "size", "honest p95 ms: quiet", "attacked", "worst join ms: quiet", "attacked", "lost", "refused", "RSS MiB: before", "most", "attackers sent MiB", "got MiB", "processors", "verdict"}}
	var wrong []string
	for _, a := range attacks {
		sizes := a.Sizes
		if h.size > 0 {
			sizes = []int{h.size}
		}
		for _, size := range sizes {
			if h.most > 0 && size > h.most {
				continue
			}
			r, bad, err := h.insist(ctx, a, size)
			if err != nil {
				return "", "", err
			}
			verdict := "holds"
			switch {
			case len(bad) > 0:
				verdict = "**" + strings.Join(bad, "; ") + "**"
				wrong = append(wrong, fmt.Sprintf("%s at %d: %s", a.Name, size, strings.Join(bad, "; ")))
			case a.Trusted:
				verdict = "measured"
			case len(r.Late()) > 0: // and yet not bad
				verdict = "holds, times not judged"
			}
			t.row(a.Name, a.Who, count(size), ms(r.Quiet), ms(r.Under), ms(r.QuietJoin), ms(r.Join), count(len(r.Lost)), count(len(r.Refused)),
				mib(r.Before), mib(r.RSS), mib(r.Facts.Out.Out), mib(r.Facts.Out.In), short(r.Used), verdict)
		}
	}
	var about strings.Builder
	for _, a := range attacks {
		fmt.Fprintf(&about, "- `%s` (%s): %s.\n", a.Name, a.Who, a.About)
	}
	if len(wrong) > 0 {
		err = errors.New("does not hold:\n" + strings.Join(wrong, "\n"))
	}
	return "Measured attacks", t.String() + "\n" + about.String(), err
}

func (h *hostility) choose() (chosen []*hostile.Attack, err error) {
	if h.attacks == "all" {
		return hostile.Attacks(), nil
	}
	for name := range strings.SplitSeq(h.attacks, ",") {
		a := hostile.Find(name)
		if a == nil {
			return nil, fmt.Errorf("-attacks: there is no %q", name)
		}
		chosen = append(chosen, a)
	}
	return chosen, nil
}

// insist tries an attack, and again if only times do not hold: on a machine that does
// other things beside, they may not for that.
func (h *hostility) insist(ctx context.Context, a *hostile.Attack, size int) (r *hostile.Result, wrong []string, err error) {
	for try := range max(h.tries, 1) {
		if r, err = h.try(ctx, a, size); err != nil {
			return nil, nil, fmt.Errorf("%s at %d: %w", a.Name, size, err)
		}
		var late []string
		if wrong = append(r.Harm(), r.Large(a)...); !a.Trusted {
			late = r.Late()
		}
		told := r.Facts.Out.Told
		fmt.Printf("%s at %d, try %d: p95 %v, then %v (most %v); joins %v, then %v (%d visits); RSS %d, then %d MiB; attackers sent %d and got %d MiB, %d replies; told %v; processors %.2f, waited for %.2f, others had %.2f\n",
			a.Name, size, try+1, r.Quiet, r.Under, r.Most, r.QuietJoin.Round(time.Millisecond), r.Join.Round(time.Millisecond), r.Visits, r.Before>>20, r.RSS>>20,
			r.Facts.Out.Out>>20, r.Facts.Out.In>>20, r.Facts.Out.Replies, told, r.Used, r.Waited, r.Others)
		switch {
		case len(late) == 0:
		case r.Starved():
			fmt.Println("\t not judged, as the machine was busy:", strings.Join(late, "; "))
			late = nil
		case size > hostile.Judged:
			fmt.Println("\t not judged, as they are so many:", strings.Join(late, "; "))
			late = nil
		}
		wrong = append(wrong, late...)
		for _, text := range wrong {
			fmt.Println("\t", text)
		}
		if len(late) == 0 {
			break
		}
	}
	return r, wrong, nil
}

// try is one trial on a new server.
func (h *hostility) try(ctx context.Context, a *hostile.Attack, size int) (*hostile.Result, error) {
	defer h.stop()
	backend, err := hostile.NewBackend()
	if err != nil {
		return nil, err
	}
	defer backend.Close()
	flags := append(backend.Flags(), "--anonymous", "--shards", "2")
	redis := ""
	if a.Redis {
		if redis, err = h.startRedis(ctx); err != nil {
			return nil, err
		}
		far, err := hostile.NewFar(strings.TrimPrefix(redis, "redis://"), a.Far)
		if err != nil {
			return nil, err
		}
		defer far.Close()
		if flags = append(flags, "--redis", redis); a.Far > 0 {
			flags[len(flags)-1] = "redis://" + far.Addr()
		}
	}
	plain := ""
	if a.Plain {
		at, err := freePorts(1)
		if err != nil {
			return nil, err
		}
		plain = at[0]
		flags = append(flags, "--listen-tcp", plain)
	}
	if a.Mute {
		words := h.server
		defer func() { h.server = words }()
		nobody, err := h.mute()
		if err != nil {
			return nil, err
		}
		defer nobody.Close()
	}
	n, err := h.startNode(ctx, fmt.Sprint(a.Name, "-", size), h.barrage,
		[]string{"BARRAGE_AUTH_SECRET=" + h.secret, "BARRAGE_WEBHOOK_SECRET=" + h.secret}, append(flags, a.Flags...)...)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	t := &hostile.Trial{
		Attack: a, Size: size, Public: n.public, Admin: n.admin, Plain: plain, PID: n.cmd.Process.Pid, Redis: redis, Secret: h.secret, Sign: h.sign,
		Backend: backend, Force: hostile.Beside(self, attackersCommand),
		Viewers: h.viewers, Guests: 10, Quiet: h.quiet, Under: max(h.under, a.Time),
	}
	r, err := t.Run(ctx)
	if !n.alive() {
		return nil, fmt.Errorf("the server ended: %q", lastLine(n.log))
	}
	return r, err
}

// mute has what servers log go into a full pipe that nobody reads. The shell becomes the
// server, so that its pid is the server's.
func (h *hostility) mute() (*os.File, error) {
	pipe, script := filepath.Join(h.work, "full"), filepath.Join(h.work, "mute.sh")
	if err := unix.Mkfifo(pipe, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := os.WriteFile(script, []byte(`exec "$@" 2>`+pipe+"\n"), 0o600); err != nil {
		return nil, err
	}
	fd, err := unix.Open(pipe, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	for b := make([]byte, 4096); err == nil; {
		_, err = unix.Write(fd, b)
	}
	h.server = strings.TrimSpace(h.server + " sh " + script)
	return os.NewFile(uintptr(fd), pipe), nil
}

func ms(d time.Duration) string { return short(float64(d) / float64(time.Millisecond)) }

func mib(bytes int64) string { return thousands(float64(bytes) / (1 << 20)) }

// Shows a run while it goes on.

package report

import (
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Progress is the state of a run at one moment.
type Progress struct {
	Point
	Wanted      int           // connections
	Elapsed     time.Duration // since the run began
	PhaseLeft   time.Duration // of the present phase; 0 if it ends when it is done
	Failed      uint64
	Closed      uint64
	LastFailure string // as it came, for those who wonder
}

// Live shows Progress: on a terminal as a view that is drawn again in its place,
// else as plain lines. It belongs to one goroutine. Errors of the writer are
// ignored: a run does not end because nobody looks.
type Live struct {
	w        io.Writer
	terminal bool
	lines    int // of the view on the screen

	phase      string
	phaseBegan time.Duration
	timed      bool          // the phase has had a time left
	printed    time.Duration // Elapsed of the last plain line

	delivered, p99 []float64 // the last seconds
}

const (
	plainEvery = 5 * time.Second // between plain lines, except in the ramp
	phaseRamp  = "ramp"
	sparks     = 40 // seconds of history in the view
)

// NewLive returns a Live that writes to w, which is a terminal or not.
func NewLive(w io.Writer, terminal bool) *Live { return &Live{w: w, terminal: terminal} }

// Update shows p. It is meant to be called once a second.
func (l *Live) Update(p Progress) {
	changed := p.Phase != l.phase
	if changed {
		l.phase, l.phaseBegan, l.timed = p.Phase, p.Elapsed, false
	}
	l.timed = l.timed || p.PhaseLeft > 0
	l.delivered = remember(l.delivered, p.Delivered)
	l.p99 = remember(l.p99, p.P99)
	if l.terminal {
		l.draw(l.view(&p))
		return
	}
	// Half a second of tolerance, as callers tick with jitter.
	if changed || p.Phase == phaseRamp || p.Elapsed-l.printed >= plainEvery-time.Second/2 {
		l.printed = p.Elapsed
		l.write(plainLine(&p) + "\n")
	}
}

// Close leaves the last view where it is, so that what is written next follows
// it.
func (l *Live) Close() {
	if l.lines > 0 {
		l.write("\n")
	}
	l.lines = 0
}

func (l *Live) write(text string) { _, _ = io.WriteString(l.w, text) }

// remember keeps so few that a deque would copy no less.
func remember(list []float64, v float64) []float64 {
	list = append(list, v)
	return list[max(0, len(list)-sparks):]
}

// draw replaces the view by another one, in one write so that it does not
// flicker.
func (l *Live) draw(view []string) {
	var b strings.Builder
	if l.lines > 0 {
		b.WriteString("\x1b[" + thousands(l.lines) + "A\r")
	}
	for _, text := range view {
		b.WriteString(text + "\x1b[K\n") // to the end of the line nothing of the former remains
	}
	b.WriteString("\x1b[J")
	l.lines = len(view)
	l.write(b.String())
}

// width is the terminal's, as it is now.
func (l *Live) width() int {
	if f, ok := l.w.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			return int(size.Col)
		}
	}
	return pageWidth
}

// view is what a terminal shows. No line is as wide as the terminal, which would
// break it in two.
func (l *Live) view(p *Progress) []string {
	width := l.width() - 1
	var lines []string
	add := func(label string, items ...string) {
		text := cut(strings.Join(items, "   "), width-labelWidth)
		pad := strings.Repeat(" ", max(1, labelWidth-utf8.RuneCountInString(label)))
		lines = append(lines, bold+cut(label, max(0, width-1))+reset+pad+text)
	}
	add(clean(p.Phase), l.bar(p, width-labelWidth))
	add("connections", thousands(p.Open)+" of "+thousands(p.Wanted)+" open", thousands(p.Failed)+" failed", thousands(p.Closed)+" closed")
	add("messages", number(p.Published)+"/s published", number(p.Delivered)+"/s delivered", plural(p.Gaps, "gap"))
	add("latency", latencies(p)...)
	add("server", server(p))
	add("load test", number(p.ClientCPU)+" cores")
	if room := width - labelWidth - scaleWidth; room > 0 {
		add("delivered/s", spark(l.delivered, room)+" "+number(largest(l.delivered)))
		add("p99", spark(l.p99, room)+" "+millis(largest(l.p99)))
	}
	if p.LastFailure != "" {
		add("last failure", clean(p.LastFailure))
	}
	return lines
}

const scaleWidth = 12 // behind a sparkline, for its largest value

// bar is how far the phase is: the ramp by connections, the others by time.
func (l *Live) bar(p *Progress, width int) string {
	const blocks = 30
	done, text := 0.0, clock(p.Elapsed)+" elapsed"
	spent := (p.Elapsed - l.phaseBegan).Seconds()
	switch {
	case p.Phase == phaseRamp && p.Wanted > 0:
		done = float64(p.Open) / float64(p.Wanted)
	case p.PhaseLeft > 0:
		done = spent / (spent + p.PhaseLeft.Seconds())
	case l.timed:
		done = 1
	}
	if p.PhaseLeft > 0 {
		text += ", " + clock(p.PhaseLeft) + " left"
	}
	n := max(0, min(blocks, width-utf8.RuneCountInString(text)-1))
	full := int(min(1, max(0, done))*float64(n) + 0.5)
	return strings.Repeat("█", full) + strings.Repeat("░", n-full) + " " + text
}

func latencies(p *Progress) []string {
	if p.Max <= 0 {
		return []string{"nothing arrived in this second"}
	}
	return []string{"p50 " + millis(p.P50), "p99 " + millis(p.P99), "p99.9 " + millis(p.P999), "max " + millis(p.Max)}
}

// server is the server's CPU and memory, as far as they are known.
func server(p *Progress) string {
	if p.ServerCPU < 0 || p.ServerCPU == 0 && p.RSS == 0 {
		return "not known (give --pid or --metrics)"
	}
	text := number(p.ServerCPU) + " cores"
	if p.RSS > 0 {
		text += ", RSS " + size(float64(p.RSS))
	}
	return text
}

// spark draws the last values that fit, as shares of the largest.
func spark(values []float64, room int) string {
	const levels = "▁▂▃▄▅▆▇█"
	values = values[max(0, len(values)-room):]
	top := largest(values)
	var b strings.Builder
	for _, v := range values {
		i := 0
		if top > 0 {
			i = int(min(7, max(0, v/top*7+0.5)))
		}
		b.WriteString(string([]rune(levels)[i]))
	}
	return b.String()
}

// largest is 0 if there are none.
func largest(values []float64) float64 { return slices.Max(append(slices.Clip(values), 0)) }

// plainLine is what is written where there is no terminal.
func plainLine(p *Progress) string {
	shown := items{thousands(p.Open) + " of " + thousands(p.Wanted) + " open"}
	broken, flowing := p.Failed > 0 || p.Closed > 0 || p.Phase == phaseRamp, p.Published > 0 || p.Delivered > 0
	shown.addIf(broken, thousands(p.Failed)+" failed, "+thousands(p.Closed)+" closed")
	shown.addIf(flowing, number(p.Published)+"/s published, "+number(p.Delivered)+"/s delivered")
	shown.addIf(p.Max > 0, "p50 "+millis(p.P50)+", p99 "+millis(p.P99))
	shown.addIf(p.Gaps > 0, plural(p.Gaps, "gap"))
	shown.addIf(p.RSS > 0 || p.ServerCPU > 0, "server "+server(p))
	shown = append(shown, "client "+number(p.ClientCPU)+" cores")
	shown.addIf(p.LastFailure != "", "last failure: "+clean(p.LastFailure))
	return clock(p.Elapsed) + " " + clean(p.Phase) + ": " + strings.Join(shown, ", ")
}

// The live view and its plain lines.

package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// ticks are a run's seconds: a ramp of four, a hold of two, 20 of publishing.
func ticks() (list []Progress) {
	for i := 1; i <= 26; i++ {
		p := Progress{Point: Point{T: float64(i), Phase: "ramp", Open: min(i*250, 1000), ClientCPU: 0.25}, Wanted: 1000, Elapsed: time.Duration(i) * time.Second}
		switch {
		case i > 6:
			p.Phase, p.Published, p.Delivered, p.PhaseLeft = "publish", 10, 10_000, time.Duration(26-i)*time.Second
			p.P50, p.P99, p.P999, p.Max = 1.2, 5.6, 7.8, float64(i)
			p.ServerCPU, p.RSS = 0.4, 30<<20
		case i > 4:
			p.Phase, p.PhaseLeft = "hold", time.Duration(6-i)*time.Second
		}
		list = append(list, p)
	}
	return list
}

func TestPlainLines(t *testing.T) {
	var b bytes.Buffer
	l := NewLive(&b, false)
	for i, p := range ticks() {
		p.Elapsed += time.Duration(i%3-1) * 100 * time.Millisecond // callers tick with jitter
		if i == 2 {
			p.Failed, p.LastFailure = 3, "127.0.0.1:1: refused\n\x1b[2J"
		}
		l.Update(p)
	}
	l.Close()
	golden(t, "plain", b.String())
}

// TestView draws on a terminal and looks at what is on its screen.
func TestView(t *testing.T) {
	var b bytes.Buffer
	l := NewLive(&b, true)
	for i, p := range ticks() {
		if i < 10 { // the view shrinks when there is nothing to say any more
			p.Failed, p.LastFailure = 1, "refused\x1b[2J"
		}
		l.Update(p)
	}
	l.Close()
	b.WriteString("next")
	screen := newScreen(t, b.String())
	golden(t, "view", screen)
	for line := range strings.SplitSeq(screen, "\n") {
		if n := utf8.RuneCountInString(line); n >= pageWidth {
			t.Errorf("%d characters: %s", n, line)
		}
	}
}

// newScreen is what a terminal shows that knows just the sequences that are used.
func newScreen(t *testing.T, text string) string {
	t.Helper()
	var lines [][]rune
	at, column := 0, 0
	for text != "" {
		if rest, found := strings.CutPrefix(text, "\x1b["); found {
			end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' })
			switch final, arg := rest[end], rest[:end]; final {
			case 'A':
				n := 0
				if _, err := fmt.Sscan(arg, &n); err != nil || n > at {
					t.Fatalf("up by %q from line %d", arg, at)
				}
				at -= n
			case 'K':
				lines[at] = lines[at][:min(column, len(lines[at]))]
			case 'J':
				lines = lines[:min(at, len(lines))]
			case 'm':
			default:
				t.Fatalf("sequence %q", rest[:end+1])
			}
			text = rest[end+1:]
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		text = text[n:]
		for at >= len(lines) {
			lines = append(lines, nil)
		}
		switch r {
		case '\n':
			at, column = at+1, 0
		case '\r':
			column = 0
		default:
			lines[at] = append(lines[at][:column], append([]rune{r}, lines[at][min(column+1, len(lines[at])):]...)...)
			column++
		}
	}
	var out strings.Builder
	for _, line := range lines {
		out.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return out.String()
}

func TestBar(t *testing.T) {
	full := strings.Repeat("█", 30)
	for _, c := range []struct {
		name string
		p    Progress
		want string
	}{
		{"ramp", Progress{Point: Point{Phase: "ramp", Open: 500}, Wanted: 1000}, strings.Repeat("█", 15) + strings.Repeat("░", 15) + " 0:00 elapsed"},
		{"more than wanted", Progress{Point: Point{Phase: "ramp", Open: 1500}, Wanted: 1000}, full + " 0:00 elapsed"},
		{"time", Progress{Point: Point{Phase: "publish"}, Elapsed: 20 * time.Second, PhaseLeft: 20 * time.Second}, strings.Repeat("█", 15) + strings.Repeat("░", 15) + " 0:20 elapsed, 0:20 left"},
		{"open end", Progress{Point: Point{Phase: "drain"}, Elapsed: time.Second}, strings.Repeat("░", 30) + " 0:01 elapsed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := NewLive(nil, true).bar(&c.p, 66); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	l := NewLive(io.Discard, true)
	l.Update(Progress{Point: Point{Phase: "hold"}, PhaseLeft: time.Second})
	last := Progress{Point: Point{Phase: "hold"}, Elapsed: time.Second}
	l.Update(last)
	if got, want := l.bar(&last, 66), full+" 0:01 elapsed"; got != want {
		t.Errorf("at a phase's end %q, want %q", got, want)
	}
	if got := NewLive(nil, true).bar(&Progress{}, 3); got != " 0:00 elapsed" {
		t.Errorf("without room %q", got)
	}
}

func TestSpark(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{nil, ""}, {[]float64{0, 0}, "▁▁"}, {[]float64{0, 1, 2, 4, 7}, "▁▂▃▅█"}, {[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9}, "▃▃▄▅▆▆▇█"},
	} {
		if got := spark(c.values, 8); got != c.want {
			t.Errorf("%v got %s, want %s", c.values, got, c.want)
		}
	}
}

// TestNoTerminalAfterAll: a file is 80 characters wide, whatever is claimed.
func TestNoTerminalAfterAll(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := NewLive(f, true).width(); got != pageWidth {
		t.Errorf("width %d", got)
	}
}

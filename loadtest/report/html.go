// Writes the page: one file that needs no network, ever.

package report

import (
	"cmp"
	_ "embed" // for the page's parts
	"fmt"
	"html/template"
	"io"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// page is what the template shows. What came from outside is plain strings,
// which the template escapes for the place where they are.
type page struct {
	*Report
	CSS     template.CSS
	JS      template.JS
	Title   string
	Target  string
	Facts   []string
	Verdict verdict
	Tiles   []tile
	Find    *findView
	Plots   []plot
	Tables  []table
}

// WriteHTML writes r as one HTML file.
func WriteHTML(w io.Writer, r *Report) error {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("report: the page's template: %w", err)
	}
	if err := t.Execute(w, newPage(r)); err != nil {
		return fmt.Errorf("report: write HTML: %w", err)
	}
	return nil
}

func newPage(r *Report) *page {
	return &page{
		Report: r, CSS: template.CSS(pageCSS), JS: template.JS(pageJS),
		Title: cmp.Or(clean(r.Scenario), "load test"), Target: r.target(), Facts: r.facts(),
		Verdict: r.verdict(), Tiles: r.tiles(), Find: newFindView(r.Find), Plots: r.plots(), Tables: r.tables(),
	}
}

// facts are what the page says below its title.
func (r *Report) facts() []string {
	facts := []string{"took " + r.load()[0]}
	facts = append(facts, r.load()[1:]...)
	if !r.Started.IsZero() {
		facts = append([]string{r.Started.Format("2 January 2006, 15:04:05 MST")}, facts...)
	}
	if s := r.Environment.Server; s != "" {
		facts = append(facts, clean(s))
	}
	return facts
}

// Kinds of verdicts and tiles, see page.css.
const (
	good    = "good"
	bad     = "bad"
	neutral = "neutral"
)

// verdict is the outcome in a few words.
type verdict struct{ Class, Text string }

func (r *Report) verdict() verdict {
	failed := 0
	for _, a := range r.Asserts {
		if !a.OK {
			failed++
		}
	}
	m := &r.Messages
	switch wrong := m.Missing + m.Duplicated + m.OutOfOrder + m.Misrouted; {
	case failed > 0:
		return verdict{bad, fmt.Sprintf("%d of %s failed", failed, plural(len(r.Asserts), "assertion"))}
	case r.Client.Bottleneck:
		return verdict{bad, "The load test was the bottleneck"}
	case len(r.Asserts) > 0:
		return verdict{good, plural(len(r.Asserts), "assertion") + " passed"}
	case r.Find != nil:
		return verdict{neutral, "Capacity: " + number(r.Find.Capacity) + " " + r.Find.unit()}
	case !r.expecting():
		return verdict{neutral, "No messages expected"}
	case wrong > 0:
		return verdict{bad, thousands(wrong) + " copies missing, duplicated, out of order or misrouted"}
	}
	return verdict{good, "Every copy arrived, once and in order"}
}

// tile is one headline figure.
type tile struct{ Label, Value, Unit, Note, Class string }

func (r *Report) tiles() (tiles []tile) {
	c, m, l, values := &r.Connections, &r.Messages, &r.Latency, r.Values()
	add := func(worth bool, class, label, value, unit, note string) {
		if worth {
			tiles = append(tiles, tile{label, value, unit, note, class})
		}
	}
	open, missing := neutral, good
	if c.Open < c.Wanted {
		open = bad
	}
	if m.Missing > 0 {
		missing = bad
	}
	add(true, open, "Connections", thousands(c.Open), "open", "of "+thousands(c.Wanted)+" wanted")
	add(r.expecting(), missing, "Missing", thousands(m.Missing), "", "of "+thousands(m.Expected)+" copies expected")
	add(r.expecting(), neutral, "Throughput", number(m.PerSecond), "deliveries/s", size(m.BytesPerSecond)+"/s received")
	add(r.measured(), neutral, "Latency p50", millis(l.P50), "", "mean "+millis(l.Mean))
	add(r.measured(), neutral, "Latency p99", millis(l.P99), "", "max "+millis(l.Max))

	efficiency, known := values["deliveries_per_cpu_second"]
	add(known, neutral, "Efficiency", number(efficiency), "deliveries", "per CPU-second of the server")
	rate, connected := values["connect_rate"]
	add(connected && !known, neutral, "Connecting", number(rate), "per second", "all within "+seconds(c.ConnectSeconds))
	cpu, known := values["server_cpu"]
	add(known, neutral, "Server CPU", number(cpu), "cores", "while messages flowed")
	note := "resident, beyond the empty server"
	if k, known := values["kernel_per_conn"]; known {
		note = "resident; kernel " + octets(k)
	}
	each, known := values["rss_per_conn"]
	add(known, neutral, "Per connection", octets(each), "", note)
	return tiles
}

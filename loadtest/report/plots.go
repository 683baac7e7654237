// Chooses the plots of a report.

package report

import (
	"cmp"
	"math"
	"slices"
)

// mostColumns bounds the points of a plot; a day has 86,400 seconds.
const mostColumns = 400

// Classes of series, see page.css. A color means the same in all plots.
const (
	colorServer = "s1"
	colorClient = "s2"
	colorThird  = "s3"
	colorQuiet  = "s4"
)

// plots are all of r of which there are figures.
func (r *Report) plots() []plot {
	var all []plot
	if len(r.Timeline) > 1 {
		all = newTimeplots(r.Timeline).plots(r)
	}
	all = slices.Insert(all, min(1, len(all)), r.distribution(), r.trials())
	all = slices.DeleteFunc(all, func(p plot) bool { return len(p.Series) == 0 })
	for i := range all {
		all[i].Wide = all[i].Title == titleLatency
	}
	return all
}

const titleLatency = "Latency over time"

// timeplots draws what happened over time.
type timeplots struct {
	points  []Point
	seconds float64 // that each point stands for
	x       axis
	xs      []float64
	labels  []string
	bands   []band
}

func newTimeplots(timeline []Point) *timeplots {
	timeline = slices.Clone(timeline)
	slices.SortStableFunc(timeline, func(a, b Point) int { return cmp.Compare(a.T, b.T) })
	per := (len(timeline) + mostColumns - 1) / mostColumns
	t := &timeplots{seconds: float64(per)}
	for group := range slices.Chunk(timeline, per) {
		t.points = append(t.points, merge(group))
	}
	end := t.points[len(t.points)-1].T
	t.x = elapsed(end)
	for _, p := range t.points {
		t.xs = append(t.xs, p.T)
		t.labels = append(t.labels, secondsTick(math.Round(p.T))+", "+clean(p.Phase))
	}
	t.bands = phases(t.points, end)
	return t
}

// merge is one point for several: rates are averaged, of latencies and gaps the
// worst counts, and of levels the last.
func merge(group []Point) Point {
	m := group[len(group)-1]
	n := float64(len(group))
	m.Published, m.Delivered, m.ServerCPU, m.ClientCPU = 0, 0, 0, 0
	for _, p := range group {
		m.Published += p.Published / n
		m.Delivered += p.Delivered / n
		m.ServerCPU += p.ServerCPU / n
		m.ClientCPU += p.ClientCPU / n
		m.P50, m.P99 = max(m.P50, p.P50), max(m.P99, p.P99)
		m.P999, m.Max = max(m.P999, p.P999), max(m.Max, p.Max)
		m.Gaps = max(m.Gaps, p.Gaps)
		m.RSS = max(m.RSS, p.RSS)
	}
	return m
}

// phases are the bands of a run.
func phases(points []Point, end float64) (bands []band) {
	began, name := 0.0, points[0].Phase
	add := func(until float64) {
		if until > began && end > 0 {
			b := band{Name: clean(name), Left: percentOf(began, end), Width: percentOf(until-began, end), Odd: len(bands)%2 == 1}
			b.Thin = b.Width < 9
			if b.Width < 3 {
				b.Name = ""
			}
			bands = append(bands, b)
		}
		began = until
	}
	for i, p := range points[1:] {
		if p.Phase != name {
			add(points[i].T)
			name = p.Phase
		}
	}
	add(end)
	return bands
}

func percentOf(part, whole float64) float64 {
	return math.Round(min(1, max(0, part/whole))*10_000) / 100
}

// of takes a figure out of all points; what is below 0 is a gap, and 0 is unless it is
// a value.
func (t *timeplots) of(name, class string, filled, zero bool, format func(float64) string, get func(*Point) float64) curve {
	c := curve{name: name, class: class, filled: filled, format: format}
	for i := range t.points {
		v := get(&t.points[i])
		if v < 0 || v == 0 && !zero || math.IsInf(v, 0) {
			v = math.NaN()
		}
		c.values = append(c.values, v)
	}
	return c
}

func (t *timeplots) plots(r *Report) []plot {
	latency := "from the moment a message was due to its arrival"
	if t.seconds > 1 {
		latency += "; the worst second of each " + number(t.seconds)
	}
	cpu := []curve{t.of("load test", colorClient, false, true, number, func(p *Point) float64 { return p.ClientCPU })}
	if r.Server.Known {
		cpu = append([]curve{t.of("server", colorServer, false, true, number, func(p *Point) float64 { return p.ServerCPU })}, cpu...)
	}
	wanted := float64(r.Connections.Wanted)
	return []plot{
		t.plot(titleLatency, latency, logarithmic,
			t.of("p50", colorServer, false, false, millis, func(p *Point) float64 { return p.P50 }),
			t.of("p99", colorClient, false, false, millis, func(p *Point) float64 { return p.P99 }),
			t.of("p99.9", colorThird, false, false, millis, func(p *Point) float64 { return p.P999 }),
			t.of("max", colorQuiet, false, false, millis, func(p *Point) float64 { return p.Max })),
		t.plot("Deliveries", "copies that arrived, per second", numbers,
			t.of("delivered", colorServer, true, true, number, func(p *Point) float64 { return p.Delivered })),
		t.plot("Connections", "open, of the "+number(wanted)+" wanted", func(_, top float64) axis { return numbers(0, max(top, wanted)) },
			t.of("open", colorServer, true, true, number, func(p *Point) float64 { return float64(p.Open) })),
		t.plot("CPU", "cores used", numbers, cpu...),
		t.plot("Resident memory", "of the server", memory,
			t.of("RSS", colorServer, true, false, size, func(p *Point) float64 { return float64(p.RSS) })),
		t.plot("Messages published", "that the target took, per second", numbers,
			t.of("published", colorServer, true, true, number, func(p *Point) float64 { return p.Published })),
		t.plot("Gaps", "copies overtaken by later ones: lost, or late", numbers,
			t.of("gaps", colorClient, true, true, number, func(p *Point) float64 { return float64(p.Gaps) })),
		t.plot("Sends per delivery", "system calls of the server for one copy", numbers,
			t.of("sends per delivery", colorServer, false, false, number, func(p *Point) float64 { return p.SendsPerMsg })),
	}
}

// plot draws curves, unless there is nothing in any of them.
func (t *timeplots) plot(title, note string, y func(low, top float64) axis, curves ...curve) plot {
	p := plot{Title: title, Note: note, Group: "time", Bands: t.bands}
	if low, top := extent(curves); top > 0 {
		p.draw(t.x, y(low, top), t.xs, t.labels, curves)
	}
	return p
}

func numbers(_, top float64) axis { return linear(top, number) }

// distribution is the latencies of the whole run by percentile.
func (r *Report) distribution() plot {
	p := plot{Title: "Latency distribution", Note: "share of copies that arrived within the time", Group: "distribution"}
	if !r.measured() {
		return p
	}
	x := quantiles(r.Latency.Histogram.Count())
	c := curve{name: "within", class: colorServer, filled: true, format: millis}
	var xs []float64
	var labels []string
	for _, s := range r.Latency.Histogram.Distribution() {
		xs = append(xs, s.Quantile)
		labels = append(labels, percent(s.Quantile))
		c.values = append(c.values, float64(s.Latency)/1e6)
	}
	curves := []curve{c}
	p.draw(x, logarithmic(extent(curves)), xs, labels, curves)
	return p
}

// trials is what a search for the capacity has tried.
func (r *Report) trials() plot {
	if r.Find == nil || len(r.Find.Steps) < 2 {
		return plot{}
	}
	p := plot{Title: "Latency by " + clean(r.Find.What), Note: "p99 of each trial, within the SLO or beyond it", Group: "find"}
	steps := slices.Clone(r.Find.Steps)
	slices.SortStableFunc(steps, func(a, b FindStep) int { return cmp.Compare(a.Value, b.Value) })
	within := curve{name: "within", class: colorServer + " dots", dots: true, format: millis}
	beyond := curve{name: "beyond", class: colorClient + " dots", dots: true, format: millis}
	var xs []float64
	var labels []string
	for i, s := range steps {
		xs, labels = append(xs, s.Value), append(labels, number(s.Value)+" "+r.Find.unit())
		within.values, beyond.values = append(within.values, math.NaN()), append(beyond.values, math.NaN())
		switch {
		case s.P99 <= 0: // nothing arrived
		case s.OK:
			within.values[i] = s.P99
		default:
			beyond.values[i] = s.P99
		}
	}
	curves := []curve{within, beyond}
	if low, top := extent(curves); top > 0 {
		p.draw(numbers(0, slices.Max(xs)), logarithmic(low, top), xs, labels, curves)
	}
	return p
}

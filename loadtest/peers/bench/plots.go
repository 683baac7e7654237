package main

// The plots, as SVG.

import (
	"fmt"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// figure is one plot: servers side by side, a point with whiskers from the
// smallest to the largest for each series, on a logarithmic scale.
type figure struct {
	file, title, axis string
	servers           []string
	series            []series
}

// series has one stat for each server; one with n 0 has no point.
type series struct {
	name  string
	stats []stat
}

func (r results) plots() []figure {
	perRate := func(of func(cell) stat) []series {
		var all []series
		for _, l := range r.loads {
			all = append(all, r.series(l.String(), func(server string) stat { return of(at(r.runs, l, server)) }))
		}
		return all
	}
	var titles []string
	for _, c := range r.available {
		titles = append(titles, c.title)
	}
	return []figure{
		{"peers-deliveries.svg", "Deliveries per CPU-second of the server (more is better)", "deliveries per CPU-second", titles,
			perRate(func(c cell) stat { return c.perCPU })},
		{"peers-memory.svg", "Resident bytes per idle connection (less is better)", "bytes per connection", titles,
			[]series{r.series("all runs", func(server string) stat { return total(r.runs, server).resident })}},
		{"peers-p99.svg", "99th percentile of latency (less is better)", "milliseconds", titles,
			perRate(func(c cell) stat { return c.p99 })},
	}
}

func (r results) series(name string, of func(server string) stat) series {
	s := series{name: name}
	for _, c := range r.available {
		s.stats = append(s.stats, of(c.name))
	}
	return s
}

// colors of series that people with any sight tell apart (Okabe and Ito).
var colors = [...]color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {86, 180, 233, 255},
}

var shapes = [...]draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.PyramidGlyph{}, draw.BoxGlyph{}, draw.RingGlyph{}}

func (f figure) save(file string) error {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = f.title, f.axis
	styles := []*text.Style{&p.Title.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle}
	for _, style := range styles {
		style.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 11}
	}
	p.Title.TextStyle.Font.Size = 14
	p.Title.Padding, p.Y.Label.Padding = vg.Points(10), vg.Points(6)
	p.NominalX(f.servers...)
	p.X.Min, p.X.Max = -0.5, float64(len(f.servers))-0.5
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = nil, color.Gray{220}
	p.Add(grid)
	p.Legend.Top, p.Legend.Padding = true, vg.Points(3)
	low, high := math.Inf(1), 0.0
	for i, s := range f.series {
		offset := (float64(i) - float64(len(f.series)-1)/2) * 0.7 / float64(max(len(f.series), 2))
		points := newPoints(s, offset)
		if len(points) == 0 {
			continue
		}
		for _, point := range points {
			low, high = min(low, point.min), max(high, point.max)
		}
		if err := points.add(p, i, s.name, len(f.series) > 1); err != nil {
			return err
		}
	}
	if high == 0 {
		low, high = 1, 10 // nothing is known: an empty plot
	}
	// Room for labels, and on top for the legend.
	p.Y.Min, p.Y.Max = low/1.6, high*math.Pow(high/low*2, 0.25)
	return p.Save(10*vg.Inch, 5*vg.Inch, file)
}

// points implements what the plotters want: places, whiskers and labels.
type points []point

type point struct {
	x float64
	stat
}

func newPoints(s series, offset float64) points {
	var all points
	for i, one := range s.stats {
		if one.n > 0 {
			all = append(all, point{float64(i) + offset, one})
		}
	}
	return all
}

func (p points) Len() int                    { return len(p) }
func (p points) XY(i int) (float64, float64) { return p[i].x, p[i].median }
func (p points) YError(i int) (float64, float64) {
	return p[i].min - p[i].median, p[i].max - p[i].median
}
func (p points) Label(i int) string { return compact(p[i].median) }

// add draws the points as the i-th series.
func (p points) add(to *plot.Plot, i int, name string, legend bool) error {
	c, shape := colors[i%len(colors)], shapes[i%len(shapes)]
	whiskers, err := plotter.NewYErrorBars(p)
	if err != nil {
		return err
	}
	whiskers.Color, whiskers.Width = c, vg.Points(1.2)
	dots, err := plotter.NewScatter(p)
	if err != nil {
		return err
	}
	dots.GlyphStyle = draw.GlyphStyle{Color: c, Shape: shape, Radius: vg.Points(4)}
	labels, err := plotter.NewLabels(p)
	if err != nil {
		return err
	}
	// Above and below in turn, so that those of neighbours do not meet.
	labels.Offset = vg.Point{Y: vg.Points(6)}
	below := i%2 == 1
	if below {
		labels.Offset.Y = vg.Points(-6)
	}
	for j := range labels.TextStyle {
		labels.TextStyle[j].XAlign = text.XCenter
		if below {
			labels.TextStyle[j].YAlign = text.YTop
		}
		labels.TextStyle[j].Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 9}
		labels.TextStyle[j].Color = c
	}
	to.Add(whiskers, dots, labels)
	if legend {
		to.Legend.Add(name, dots)
	}
	return nil
}

// decades ticks at 1, 2 and 5 times the powers of ten.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for power := math.Pow(10, math.Floor(math.Log10(low))); power <= high; power *= 10 {
		for _, times := range []float64{1, 2, 5} {
			if v := times * power; v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: compact(v)})
			}
		}
	}
	return ticks
}

// compact is a number of at most three digits with a unit.
func compact(v float64) string {
	unit := ""
	for _, next := range []string{"k", "M", "G"} {
		if v < 999.5 {
			break
		}
		v, unit = v/1000, next
	}
	digits := 0
	switch {
	case v < 9.995:
		digits = 2
	case v < 99.95:
		digits = 1
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'f', digits, 64), 64)
	return fmt.Sprintf("%v%s", rounded, unit)
}

package main

// The plots of peers, as SVG: servers side by side, a point with whiskers from the
// smallest to the largest for each series, on a logarithmic scale.

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strconv"
)

type plot struct {
	file, title, axis string
	servers           []string
	series            []series
}

// series has one stat for each server; one with n 0 has no point.
type series struct {
	name  string
	stats []stat
}

func (r *results) plots() []plot {
	perLoad := func(f figure) (all []series) {
		for _, l := range r.loads {
			all = append(all, r.series(l.String(), func(server string) stat { return r.at(l, server).stat(f) }))
		}
		return all
	}
	var titles []string
	for _, c := range r.available {
		titles = append(titles, c.title)
	}
	memory := r.series("", func(server string) stat { return r.total(server).stat(resident()) })
	return []plot{
		{"peers-deliveries.svg", "Deliveries per CPU-second of the server (more is better)", "deliveries per CPU-second", titles, perLoad(perCPU())},
		{"peers-memory.svg", "Resident bytes per idle connection (less is better)", "bytes per connection", titles, []series{memory}},
		{"peers-p99.svg", "99th percentile of latency (less is better)", "milliseconds", titles, perLoad(p99())},
	}
}

func (r *results) series(name string, of func(server string) stat) series {
	s := series{name: name}
	for _, c := range r.available {
		s.stats = append(s.stats, of(c.name))
	}
	return s
}

// Colors that people with any sight tell apart (Okabe and Ito).
var colors = [...]string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"}

// The picture, in pixels: the plot's own area is between the margins.
const (
	width, height     = 960, 480
	left, right       = 80, 10
	top, bottom       = 40, 40
	plotWidth         = width - left - right
	plotHeight        = height - top - bottom
	svgHead           = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="Liberation Sans, Arial, sans-serif" font-size="12">` + "\n"
	svgText           = `<text x="%.1f" y="%.1f" fill="%s" text-anchor="%s">%s</text>` + "\n"
	black, middle     = "#000", "middle"
	labelSpace        = 7 // between a point and its label
	whisker           = 4 // half of its ends' width
	seriesSpread      = 0.7
	legendLine        = 16
	headroom, footing = 2.0, 1.6 // factors beyond the largest and smallest value: for legend and labels
)

// svg draws the plot.
func (p plot) svg() []byte {
	low, high := math.Inf(1), 0.0
	for _, s := range p.series {
		for _, one := range s.stats {
			if one.n > 0 {
				low, high = min(low, one.min), max(high, one.max)
			}
		}
	}
	if high == 0 {
		low, high = 1, 10 // nothing is known: an empty plot
	}
	low, high = low/footing, high*math.Pow(high/low*headroom, 0.25)
	y := func(v float64) float64 { return top + plotHeight*(1-math.Log(v/low)/math.Log(high/low)) }
	slot := float64(plotWidth) / float64(max(len(p.servers), 1))

	b := &bytes.Buffer{}
	fmt.Fprintf(b, svgHead, width, height)
	fmt.Fprintf(b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	label := func(x, y float64, color, anchor, text string) {
		fmt.Fprintf(b, svgText, x, y, color, anchor, html.EscapeString(text))
	}
	label(width/2, 22, black, middle, p.title)
	fmt.Fprintf(b, `<g transform="translate(16 %d) rotate(-90)">`, top+plotHeight/2)
	label(0, 0, black, middle, p.axis)
	b.WriteString("</g>\n")
	for _, v := range ticks(low, high) {
		fmt.Fprintf(b, `<path d="M%d %.1fh%d" stroke="#ddd"/>`+"\n", left, y(v), plotWidth)
		label(left-6, y(v)+4, black, "end", compact(v))
	}
	for i, name := range p.servers {
		label(left+slot*(float64(i)+0.5), height-bottom+20, black, middle, name)
	}
	for i, s := range p.series {
		color := colors[i%len(colors)]
		offset := (float64(i) - float64(len(p.series)-1)/2) * seriesSpread / float64(max(len(p.series), 2))
		for j, one := range s.stats {
			if one.n == 0 {
				continue
			}
			x := left + slot*(float64(j)+0.5+offset)
			fmt.Fprintf(b, `<path d="M%.1f %.1fh%dm-%d 0V%.1fm-%d 0h%d" stroke="%s" fill="none"/><circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n",
				x-whisker, y(one.max), 2*whisker, whisker, y(one.min), whisker, 2*whisker, color, x, y(one.median), color)
			label(x+labelSpace, y(one.median)+4, color, "start", compact(one.median))
		}
		if s.name != "" {
			label(width-right-6, float64(top+legendLine*(i+1)), color, "end", "● "+s.name)
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// ticks are at 1, 2 and 5 times the powers of ten.
func ticks(low, high float64) (all []float64) {
	for power := math.Pow(10, math.Floor(math.Log10(low))); power <= high; power *= 10 {
		for _, times := range []float64{1, 2, 5} {
			if v := times * power; v >= low && v <= high {
				all = append(all, v)
			}
		}
	}
	return all
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

// Draws plots as paths of SVG, in a square of 1000 by 1000 that the page
// stretches to the room there is: so the lines fit every width, while the labels,
// which are text of the page, keep their size.

package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// plot is one plot of the page.
type plot struct {
	Title  string
	Note   string
	Group  string // plots of a group show the same moment under the pointer
	Wide   bool
	Bands  []band
	X, Y   []tick
	Series []series
	Data   string // for the readout, as JSON
}

// series is one line of a plot.
type series struct {
	Name  string
	Class string // its color and dashes
	Line  string // path data
	Area  string // path data of what is below it, if that is to be filled
}

// band is a phase of the run behind a plot over time, in per cent.
type band struct {
	Name        string
	Left, Width float64
	Odd         bool
	Thin        bool // too narrow for its name in a small plot
}

// curve is the values of a series; NaN is a gap in its line.
type curve struct {
	name, class string
	filled      bool
	dots        bool // not joined by a line
	values      []float64
	format      func(float64) string
}

// readout is what the pointer needs: for each position on the horizontal axis,
// from 0 to 1000, a label, and for each series the height and a text.
type readout struct {
	X      []int      `json:"x"`
	Labels []string   `json:"l"`
	Y      [][]int    `json:"y"` // -1 is none
	Texts  [][]string `json:"t"`
}

// draw fills a plot with curves over xs.
func (p *plot) draw(x, y axis, xs []float64, labels []string, curves []curve) {
	p.X, p.Y = x.ticks, y.ticks
	data := readout{X: make([]int, len(xs)), Labels: labels}
	for i, v := range xs {
		data.X[i] = thousandth(x.place(v))
	}
	for _, c := range curves {
		ys, texts := make([]int, len(xs)), make([]string, len(xs))
		for i, v := range c.values {
			ys[i] = -1
			if !math.IsNaN(v) {
				ys[i], texts[i] = 1000-thousandth(y.place(v)), c.format(v)
			}
		}
		s := series{Name: c.name, Class: c.class, Line: path(data.X, ys, c.dots)}
		if c.filled {
			s.Area = area(data.X, ys)
		}
		p.Series = append(p.Series, s)
		data.Y, data.Texts = append(data.Y, ys), append(data.Texts, texts)
	}
	text, err := json.Marshal(data)
	if err != nil {
		return // cannot happen: there are only numbers and texts
	}
	p.Data = string(text)
}

// thousandth turns a position into the units of the picture.
func thousandth(pos float64) int {
	if math.IsNaN(pos) {
		return 0
	}
	return int(math.Round(min(1, max(0, pos)) * 1000))
}

// path is a line through all points that exist, or just their dots; a point
// between gaps is a dot, too.
func path(xs, ys []int, dots bool) string {
	var b strings.Builder
	for i, y := range ys {
		switch {
		case y < 0:
		case !dots && i > 0 && ys[i-1] >= 0:
			fmt.Fprintf(&b, "L%d %d", xs[i], y)
		default:
			fmt.Fprintf(&b, "M%d %dh0", xs[i], y)
		}
	}
	return b.String()
}

// area is what is below the line.
func area(xs, ys []int) string {
	var b strings.Builder
	for i, y := range ys {
		if y < 0 {
			continue
		}
		if i == 0 || ys[i-1] < 0 {
			fmt.Fprintf(&b, "M%d 1000", xs[i])
		}
		fmt.Fprintf(&b, "L%d %d", xs[i], y)
		if i == len(ys)-1 || ys[i+1] < 0 {
			fmt.Fprintf(&b, "L%d 1000Z", xs[i])
		}
	}
	return b.String()
}

// extent is the smallest value above 0 of all curves, and the largest; zeros if there
// is none.
func extent(curves []curve) (low, top float64) {
	for _, c := range curves {
		for _, v := range c.values {
			if v > 0 { // not so if it is NaN
				top = max(top, v)
				low = min(cmp.Or(low, v), v)
			}
		}
	}
	return low, top
}

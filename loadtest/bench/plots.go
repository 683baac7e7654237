package main

// The plots of peers: servers side by side, a point with whiskers from the smallest
// to the largest for each series, on a logarithmic scale. How they look is plot.svg's.

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"math"
	"os"
	"path/filepath"
	"strconv"
)

type plot struct {
	file, Title, Axis string
	Servers, Ticks    []mark
	Legend, Points    []mark
}

// mark is something at a place in the picture, in pixels.
type mark struct {
	X, Y, Top, Bottom int
	Color, Text       string
}

//go:embed plot.svg
var plotText string

var plotTemplate = template.Must(template.New("plot.svg").Parse(plotText))

// Colors that people with any sight tell apart (Okabe and Ito).
var colors = [...]string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"}

// The plot's own area, and what is kept free in it.
const (
	left, width       = 80, 870
	top, height       = 40, 400
	seriesSpread      = 0.7      // of a server's width
	headroom, footing = 2.0, 1.6 // factors beyond the largest and smallest value: for legend and labels
)

// series is a point for each server.
type series struct {
	name  string
	cells []cell
}

func (p *peers) plots() []plot {
	var loads []series
	for _, t := range p.tasks {
		loads = append(loads, series{t.title, t.cells})
	}
	return []plot{
		p.plot("peers-deliveries.svg", "Deliveries per CPU-second of the server (more is better)", "deliveries per CPU-second", perCPU, loads),
		p.plot("peers-memory.svg", "Resident bytes per idle connection (less is better)", "bytes per connection", resident, []series{{"", p.total()}}),
		p.plot("peers-p99.svg", "99th percentile of latency (less is better)", "milliseconds", p99, loads),
	}
}

// draw makes the plots in their folder, and returns the Markdown that shows them in
// the document.
func (p *peers) draw() (markdown string, err error) {
	from, err1 := filepath.Abs(filepath.Dir(p.document))
	to, err2 := filepath.Abs(p.images)
	images, err3 := filepath.Rel(from, to)
	if err := errors.Join(err1, err2, err3, os.MkdirAll(p.images, 0o755)); err != nil {
		return "", err
	}
	for _, one := range p.plots() {
		var svg bytes.Buffer
		if err := plotTemplate.Execute(&svg, one); err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(p.images, one.file), svg.Bytes(), 0o644); err != nil {
			return "", err
		}
		markdown += fmt.Sprintf("\n![%s](%s/%s)\n", one.Title, images, one.file)
	}
	return markdown, nil
}

func (p *peers) plot(file, title, axis string, f figure, all []series) plot {
	made := plot{file: file, Title: title, Axis: axis}
	low, high := math.Inf(1), 0.0
	for _, s := range all {
		for i := range s.cells {
			if one := s.cells[i].stat(f); one.n > 0 {
				low, high = min(low, one.min), max(high, one.max)
			}
		}
	}
	if high == 0 {
		low, high = 1, 10 // nothing is known: an empty plot
	}
	low, high = low/footing, high*math.Pow(high/low*headroom, 0.25)
	slot := float64(width) / float64(len(p.subjects))
	x := func(server, offset float64) int { return left + int(slot*(server+0.5+offset)) }
	y := func(v float64) int { return top + int(height*(1-math.Log(v/low)/math.Log(high/low))) }
	for _, v := range ticks(low, high) {
		made.Ticks = append(made.Ticks, mark{Y: y(v), Text: compact(v)})
	}
	for i, s := range p.subjects {
		made.Servers = append(made.Servers, mark{X: x(float64(i), 0), Text: s.title})
	}
	for i, s := range all {
		color := colors[i%len(colors)]
		offset := (float64(i) - float64(len(all)-1)/2) * seriesSpread / float64(max(len(all), 2))
		for j := range s.cells {
			if one := s.cells[j].stat(f); one.n > 0 {
				made.Points = append(made.Points, mark{x(float64(j), offset), y(one.median), y(one.max), y(one.min), color, compact(one.median)})
			}
		}
		if s.name != "" {
			made.Legend = append(made.Legend, mark{Y: top + 16*(i+1), Color: color, Text: s.name})
		}
	}
	return made
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

// compact is a number of three digits with a unit.
func compact(v float64) string {
	unit := ""
	for _, next := range []string{"k", "M", "G"} {
		if v < 999.5 {
			break
		}
		v, unit = v/1000, next
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + unit
}

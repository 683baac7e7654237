// Places values on the axes of plots. Positions go from 0 to 1.

package report

import (
	"math"
	"strconv"
	"time"
)

// axis is one axis of a plot.
type axis struct {
	place func(v float64) float64
	ticks []tick
}

// tick is a mark on an axis.
type tick struct {
	Pos   float64 // from 0 to 1
	Label string
	Minor bool // left out where there is little room
}

// linear is an axis from 0 to at least top, with round numbers at its ticks.
func linear(top float64, format func(float64) string) axis {
	if !(top > 0) || math.IsInf(top, 0) {
		top = 1
	}
	step := niceStep(top / 4)
	end := step * math.Ceil(top/step-1e-9)
	return stepped(end, step, format)
}

// stepped is an axis from 0 to end with a tick at each step.
func stepped(end, step float64, format func(float64) string) axis {
	a := axis{place: func(v float64) float64 { return v / end }}
	for i := 0; float64(i)*step <= end*(1+1e-9); i++ {
		v := float64(i) * step
		a.ticks = append(a.ticks, tick{Pos: v / end, Label: format(v), Minor: i%2 == 1})
	}
	return a
}

// niceStep is the smallest of 1, 2, 2.5, 5 times a power of ten that is no less
// than v.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// memory is linear, but with steps that are round in binary units.
func memory(_, top float64) axis {
	unit := 1.0
	for top/unit >= 1024 {
		unit *= 1024
	}
	a := linear(top/unit, func(v float64) string { return size(v * unit) })
	place := a.place
	a.place = func(v float64) float64 { return place(v / unit) }
	return a
}

// logarithmic is an axis of milliseconds over whole decades that contain low and
// high.
func logarithmic(low, high float64) axis {
	if !(low > 0) || !(high >= low) || math.IsInf(high, 0) {
		low, high = 1, 1
	}
	first, last := math.Floor(math.Log10(low)+1e-9), math.Ceil(math.Log10(high)-1e-9)
	if last <= first {
		last = first + 1
	}
	a := axis{place: func(v float64) float64 { return (math.Log10(v) - first) / (last - first) }}
	every := int(math.Ceil((last - first) / 5))
	for d := int(first); d <= int(last); d++ {
		if (d-int(first))%every == 0 {
			v := math.Pow(10, float64(d))
			a.ticks = append(a.ticks, tick{Pos: a.place(v), Label: millis(v)})
		}
		for _, m := range []float64{2, 5} {
			if v := m * math.Pow(10, float64(d)); last-first <= 2 && d < int(last) {
				a.ticks = append(a.ticks, tick{Pos: a.place(v), Label: millis(v), Minor: true})
			}
		}
	}
	return a
}

// elapsed is an axis of seconds from 0 to end, with ticks that suit clocks.
func elapsed(end float64) axis {
	if !(end > 0) || math.IsInf(end, 0) {
		end = 1
	}
	step := end
	for _, s := range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400} {
		if end/s <= 8 {
			step = s
			break
		}
	}
	return stepped(end, step, secondsTick)
}

// secondsTick writes 0 s, 30 s, 1:30, 1:00:00.
func secondsTick(s float64) string {
	if s < 60 {
		return number(s) + " s"
	}
	return clock(time.Duration(min(s, 1e9)) * time.Second)
}

// quantiles is the axis of HDR plots: each further nine has the same width, up to
// the share that the largest of n values makes. Their labels are longer the more
// there are, so every second goes unsaid where there are many.
func quantiles(n int64) axis {
	nines := math.Ceil(max(1, min(8, math.Log10(float64(max(n, 1))))))
	a := axis{place: func(q float64) float64 { return min(1, -math.Log10(max(1-q, 1e-12))/nines) }}
	a.ticks = []tick{{Pos: 0, Label: "0 %"}}
	every, last := 1, int(nines)
	if last > 4 {
		every = 2
	}
	for d := last - (last-1)/every*every; d <= last; d += every {
		q := 1 - math.Pow(10, -float64(d))
		decimals := max(0, d-2)
		label := strconv.FormatFloat(q*100, 'f', decimals, 64) + " %"
		a.ticks = append(a.ticks, tick{Pos: float64(d) / nines, Label: label, Minor: every == 2 && (last-d)%4 == 2})
	}
	return a
}

// Percent is the position in per cent, for the page's style sheets.
func (t tick) Percent() float64 { return percentOf(t.Pos, 1) }

// Down is the position in the units of the picture, which go down.
func (t tick) Down() int { return 1000 - thousandth(t.Pos) }

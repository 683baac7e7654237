// Figures as people read them, and the axes and paths of plots.

package report

import (
	"math"
	"strings"
	"testing"
	"time"
)

func contains(part, whole string) bool { return strings.Contains(whole, part) }

func TestFormat(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{thousands(0), "0"}, {thousands(999), "999"}, {thousands(1000), "1,000"}, {thousands(-1234567), "-1,234,567"},
		{thousands(-999), "-999"}, {thousands(uint64(math.MaxUint64)), "18,446,744,073,709,551,615"},
		{number(0), "0"}, {number(0.001234), "0.0012"}, {number(0.5), "0.5"}, {number(0.998), "1"}, {number(9.994), "9.99"},
		{number(9.996), "10"}, {number(12.34), "12.3"}, {number(99.96), "100"}, {number(1234567.8), "1,234,568"}, {number(-12.34), "-12.3"},
		{number(math.NaN()), "?"}, {number(math.Inf(1)), "?"}, {number(1e20), "1e+20"},
		{millis(0), "0 ms"}, {millis(0.0123), "12.3 µs"}, {millis(0.9999), "1 ms"}, {millis(1.234), "1.23 ms"}, {millis(812), "812 ms"},
		{millis(9999), "9,999 ms"}, {millis(12345), "12.3 s"},
		{size(0), "0 B"}, {size(1023), "1,023 B"}, {size(1023.6), "1 KiB"}, {size(30 << 20), "30 MiB"}, {size(-2048), "-2 KiB"}, {size(5 << 50), "5,120 TiB"},
		{octets(5431.2), "5,431 B"},
		{seconds(0.25), "0.25 s"}, {seconds(59), "59 s"}, {seconds(134), "2 min 14 s"}, {seconds(3780), "1 h 3 min"}, {seconds(math.Inf(1)), "277777 h 46 min"},
		{clock(62 * time.Second), "1:02"}, {clock(3723 * time.Second), "1:02:03"}, {clock(-time.Second), "0:00"},
		{percent(0), "0 %"}, {percent(1), "100 %"}, {percent(0.99999), "> 99.99 %"}, {percent(0.9999), "99.99 %"}, {percent(0.9979), "99.79 %"},
		{percent(0.00001), "< 0.01 %"}, {percent(0.355), "35.5 %"},
		{plural(1, "gap"), "1 gap"}, {plural(1200, "gap"), "1,200 gaps"}, {plural(2, "latency"), "2 latencies"},
		{clean("a\x1b[2J\tb\u202e\xff"), "a?[2J b??"}, {clean(strings.Repeat("ä", 300)), strings.Repeat("ä", 199) + "…"},
		{cut("abcdef", 4), "abc…"}, {cut("abc", 0), "…"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestByCount(t *testing.T) {
	got := byCount(map[string]uint64{"b": 2, "a": 2, "c": 9})
	if got[0].Text != "c" || got[1].Text != "a" || got[2].Text != "b" {
		t.Errorf("got %v", got)
	}
}

// TestAxes: ticks are within the axis, ascend, and the largest value has a place.
func TestAxes(t *testing.T) {
	for _, c := range []struct {
		name   string
		axis   axis
		values []float64
		labels string
	}{
		{"linear", linear(999_833, number), []float64{0, 999_833}, "0 250,000 500,000 750,000 1,000,000"},
		{"small", linear(0.83, number), []float64{0.83}, "0 0.25 0.5 0.75 1"},
		{"nothing", linear(0, number), []float64{0}, "0 0.25 0.5 0.75 1"},
		{"memory", memory(0, 30<<20), []float64{30 << 20}, "0 B|10 MiB|20 MiB|30 MiB"},
		{"decades", logarithmic(0.8, 700), []float64{0.8, 700}, "100 µs|1 ms|10 ms|100 ms|1,000 ms"},
		{"one decade", logarithmic(2, 7), []float64{2, 7}, "1 ms|2 ms|5 ms|10 ms"},
		{"a power of ten", logarithmic(10, 10), []float64{10}, "10 ms|20 ms|50 ms|100 ms"},
		{"no latency", logarithmic(0, 0), []float64{1}, "1 ms|2 ms|5 ms|10 ms"},
		{"many decades", logarithmic(1e-3, 1e5), []float64{1e5}, "1 µs|100 µs|10 ms|1,000 ms|100 s"},
		{"a minute", elapsed(65), []float64{65}, "0 s|10 s|20 s|30 s|40 s|50 s|1:00"},
		{"an hour", elapsed(3700), []float64{3700}, "0 s|10:00|20:00|30:00|40:00|50:00|1:00:00"},
		{"many days", elapsed(9e5), []float64{9e5}, "0 s|250:00:00"},
		{"quantiles", quantiles(150_000), []float64{0, 0.5, 0.999, 1}, "0 %|99 %|99.99 %|99.9999 %"},
		{"quantiles of few", quantiles(10_000), []float64{0, 1}, "0 %|90 %|99 %|99.9 %|99.99 %"},
		{"quantiles of most", quantiles(1 << 40), []float64{0, 1}, "0 %|99 %|99.99 %|99.9999 %|99.999999 %"},
		{"one value", quantiles(1), []float64{1}, "0 %|90 %"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var labels []string
			last := -1.0
			for _, tick := range c.axis.ticks {
				labels = append(labels, tick.Label)
				if tick.Pos < 0 || tick.Pos > 1+1e-9 || c.name != "one decade" && c.name != "a power of ten" && c.name != "no latency" && tick.Pos <= last {
					t.Errorf("tick %q at %v after %v", tick.Label, tick.Pos, last)
				}
				last = tick.Pos
			}
			if got := strings.Join(labels, "|"); got != c.labels && got != strings.ReplaceAll(c.labels, " ", "|") {
				t.Errorf("ticks %s, want %s", got, c.labels)
			}
			for _, v := range c.values {
				if pos := c.axis.place(v); pos < 0 || pos > 1+1e-9 {
					t.Errorf("%v at %v", v, pos)
				}
			}
		})
	}
}

func TestPath(t *testing.T) {
	xs := []int{0, 10, 20, 30, 40}
	for _, c := range []struct {
		name       string
		ys         []int
		line, area string
	}{
		{"whole", []int{1, 2, 3, 4, 5}, "M0 1h0L10 2L20 3L30 4L40 5", "M0 1000L0 1L10 2L20 3L30 4L40 5L40 1000Z"},
		{"gap", []int{1, 2, -1, 4, 5}, "M0 1h0L10 2M30 4h0L40 5", "M0 1000L0 1L10 2L10 1000ZM30 1000L30 4L40 5L40 1000Z"},
		{"alone", []int{-1, 2, -1, -1, -1}, "M10 2h0", "M10 1000L10 2L10 1000Z"},
		{"none", []int{-1, -1, -1, -1, -1}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := path(xs, c.ys, false); got != c.line {
				t.Errorf("line %s, want %s", got, c.line)
			}
			if got := area(xs, c.ys); got != c.area {
				t.Errorf("area %s, want %s", got, c.area)
			}
		})
	}
	if got := path(xs, []int{1, 2, -1, 4, 5}, true); got != "M0 1h0M10 2h0M30 4h0M40 5h0" {
		t.Errorf("dots %s", got)
	}
}

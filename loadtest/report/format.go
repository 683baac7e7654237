// Writes figures for people: with three digits that matter, so that they can
// be compared at a glance. go-humanize cuts digits off instead of rounding, and its
// sizes have two digits.

package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// thousands writes 1234567 as 1,234,567.
func thousands[T int | int64 | uint64](n T) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// number writes a figure with three digits that matter, or all before the point.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "?"
	case a >= 1e15:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case a >= 99.95:
		return thousands(int64(math.Round(v)))
	case a >= 9.995:
		return trim(strconv.FormatFloat(v, 'f', 1, 64))
	case a >= 0.0995 || a == 0:
		return trim(strconv.FormatFloat(v, 'f', 2, 64))
	}
	return trim(strconv.FormatFloat(v, 'g', 2, 64))
}

// trim cuts zeros after the point.
func trim(s string) string {
	if strings.ContainsAny(s, "e") || !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// millis writes a time given in milliseconds.
func millis(ms float64) string {
	switch {
	case math.Abs(ms) >= 9999.5:
		return number(ms/1000) + " s"
	case math.Abs(ms) >= 0.9995 || ms == 0:
		return number(ms) + " ms"
	}
	return number(ms*1000) + " µs"
}

// size writes a number of bytes.
func size(bytes float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; math.Abs(bytes) >= 1023.5 && i < len(units)-1; i++ {
		bytes /= 1024
	}
	return number(bytes) + " " + units[i]
}

// octets writes a number of bytes that is not rounded to a larger unit, for what
// is compared byte by byte.
func octets(bytes float64) string { return number(bytes) + " B" }

// seconds writes a length of time given in seconds.
func seconds(s float64) string {
	if math.Abs(s) < 60 {
		return number(s) + " s"
	}
	d := time.Duration(min(s, 1e9) * float64(time.Second)).Round(time.Second)
	h, m, sec := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	if h > 0 {
		return fmt.Sprintf("%d h %d min", h, m)
	}
	return fmt.Sprintf("%d min %d s", m, sec)
}

// clock writes a length of time as 1:02 or 1:02:03, for what ticks.
func clock(d time.Duration) string {
	s := int(max(0, d).Round(time.Second) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// percent writes a share of 1; it never rounds up to all or down to none.
func percent(share float64) string {
	p := share * 100
	switch {
	case p > 99.99 && p < 100:
		return "> 99.99 %"
	case p > 0 && p < 0.01:
		return "< 0.01 %"
	case p > 99:
		return trim(strconv.FormatFloat(math.Floor(p*100)/100, 'f', 2, 64)) + " %"
	}
	return number(p) + " %"
}

// plural is "1 thing" or "2 things".
func plural[T int | uint64](n T, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if stem, ok := strings.CutSuffix(thing, "y"); ok { // after a consonant, in all words here
		return thousands(n) + " " + stem + "ies"
	}
	return thousands(n) + " " + thing + "s"
}

// longestText bounds what is shown of a text from outside.
const longestText = 200

// clean makes a text from outside harmless on a terminal, and short.
func clean(s string) string { return cut(printable(s), longestText) }

// printable makes a text harmless on a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// reason is one entry of a table of counts by reason.
type reason struct {
	Text  string
	Count uint64
}

// byCount sorts reasons, the most frequent first.
func byCount(m map[string]uint64) []reason {
	list := make([]reason, 0, len(m))
	for text, n := range m {
		list = append(list, reason{clean(text), n})
	}
	slices.SortFunc(list, func(a, b reason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Text, b.Text))
	})
	return list
}

// most names the most frequent reason in brackets, for the end of a sentence.
func most(m map[string]uint64) string {
	list := byCount(m)
	switch len(list) {
	case 0:
		return ""
	case 1:
		return " (" + list[0].Text + ")"
	}
	return " (mostly " + list[0].Text + ")"
}

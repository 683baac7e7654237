package main

import (
	"testing"

	"barrage/loadtest/report"
	"barrage/loadtest/tally"
)

func TestStat(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []float64
		want   stat
	}{
		{"none", nil, stat{}},
		{"unknown ones", []float64{0, -1}, stat{}},
		{"one", []float64{5}, stat{5, 5, 5, 1}},
		{"odd", []float64{9, 1, 4}, stat{4, 1, 9, 3}},
		{"even", []float64{9, 1, 4, 6}, stat{5, 1, 9, 4}},
		{"with an unknown", []float64{9, 0, 1, 4}, stat{4, 1, 9, 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &cell{reports: []*report.Report{nil}} // of a run that failed
			for _, v := range test.values {
				c.reports = append(c.reports, &report.Report{Messages: report.Messages{Counts: tally.Counts{Delivered: 1, Expected: 1}, BytesPerCopy: v}})
			}
			if got := c.stat(perCopy); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestAligned(t *testing.T) {
	var tab table
	tab.row("a", "bc")
	tab.row("µµµ", "d")
	if got, want := aligned("x\n"+tab.String()+"y"), "x\n| a   | bc |\n|---  |--- |\n| µµµ | d  |\ny"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReplaceSection(t *testing.T) {
	beginMark, endMark := marks("peers")
	for _, test := range []struct {
		name, document, want string
		fails                bool
	}{
		{name: "empty", document: "", want: beginMark + "\nnew\n" + endMark + "\n"},
		{name: "no marks", document: "# A\n", want: "# A\n\n" + beginMark + "\nnew\n" + endMark + "\n"},
		{name: "replaced", document: "a \r\n" + beginMark + "old\n" + endMark + "\t\n\nb", want: "a \r\n" + beginMark + "\nnew\n" + endMark + "\t\n\nb"},
		{name: "again", document: beginMark + "\nnew\n" + endMark, want: beginMark + "\nnew\n" + endMark},
		{name: "no end", document: beginMark, fails: true},
		{name: "end first", document: endMark + beginMark, fails: true},
		{name: "twice", document: beginMark + endMark + beginMark + endMark, fails: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := replaceSection(test.document, "peers", "new\n")
			if got != test.want || (err != nil) != test.fails {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

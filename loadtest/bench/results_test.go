package main

// From canned reports to tables, sentences and plots.

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"barrage/loadtest/probe"
	"barrage/loadtest/report"
)

// canned is the report of testdata, changed.
func canned(t *testing.T, change func(*report.Report)) *report.Report {
	t.Helper()
	data, err := os.ReadFile("testdata/report.json")
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.ReadJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	return r
}

// cannedResults are three rounds at two loads of Barrage and two others; nbio
// loses messages at the higher, gws fails once there.
func cannedResults(t *testing.T) *results {
	t.Helper()
	r := &results{
		about: (&bench{scenario: "peers", given: []string{"-rounds 3"}}).about(
			probe.Environment{CPU: "EPYC", Cores: 2, Memory: 24 << 30, Kernel: "Linux 6.18", Go: "go1.26", NoFile: 20000, Commit: "abc1234"},
			time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)),
		seconds: 5, drain: "30s", rounds: 3, images: "docs/images",
		loads:  []load{{10, 10000}, {1000, 10000}},
		absent: []absentee{{server{name: "nchan", title: "nchan"}, "no nginx\nhere"}},
	}
	for _, name := range []string{"barrage", "nbio", "gws"} {
		s, err := choose(name)
		if err != nil {
			t.Fatal(err)
		}
		r.available = append(r.available, contender{server: s[0], version: "v1"})
	}
	for round := range 3 {
		for _, l := range r.loads {
			for _, c := range r.available {
				m := measurement{server: c.name, load: l, round: round + 1}
				m.report = canned(t, func(r *report.Report) { bend(r, c.name, l, round) })
				if c.name == "gws" && l.rate == 1000 && round == 2 {
					m = measurement{server: c.name, load: l, round: round + 1, failed: &failure{"the server ended", errors.New("in /some/folder")}}
				}
				r.runs = append(r.runs, m)
			}
		}
	}
	return r
}

func bend(r *report.Report, name string, l load, round int) {
	r.Warnings = nil
	r.Server.DeliveriesPerCPUSecond += float64(round * 1000)
	switch name {
	case "nbio":
		r.Server.DeliveriesPerCPUSecond = 90000
		r.Latency.P50 = 30
		if l.rate == 1000 {
			r.Messages.Missing, r.Messages.Delivered = 125000, 375000
		}
	case "gws":
		r.Server.BytesPerConnection.Resident = 8000
		r.Server.DeliveriesPerCPUSecond = 80000
		r.Latency.P50, r.Latency.P99 = 100, 300
		r.Connections.PerSecond = 45000
		r.Client.Bottleneck, r.Client.BottleneckReason = true, fmt.Sprintf("it used %d %% of its core", 97-round)
	case "barrage":
		if l.rate == 1000 {
			r.Server.DeliveriesPerCPUSecond = 7.7e6
		}
	}
}

func TestSection(t *testing.T) {
	section := cannedResults(t).section()
	for _, want := range []string{
		"Measured on 21 November 2026, 2 cores (EPYC), 24 GiB, Linux 6.18, Go 1.26, commit abc1234, at most 20,000 open files",
		"go run ./loadtest/bench peers -rounds 3\n",
		"### 10 messages a second to 10,000 members",
		"| Barrage | v1 | 400 [400 to 400] | 148,059 [147,059 to 149,059] | 36.2 [36.2 to 36.2] | 81.9 [81.9 to 81.9] | 0 | 0 | 0 |",
		"| nbio | v1 | 400 [400 to 400] | 90,000 [90,000 to 90,000] | 30 [30 to 30] † | 81.9 [81.9 to 81.9] † | **375,000** (25 %) | 0 | 0 |",
		"- nbio: 3 of 3 runs with losses\n",
		"- gws: 1 of 3 runs failed: the server ended\n",
		"- gws: the load client was the bottleneck: it used 97 % of its core (3 of 3 runs)\n",
		"| gws | 45,000 [45,000 to 45,000] | 0 |",
		"(docs/images/peers-deliveries.svg)",
		"- nchan: no nginx here\n",
		"In 3 of 9 comparisons:",
		"- p50 in ms at 10/s to 10,000: Barrage 36.2 [36.2 to 36.2], nbio 30 [30 to 30]: worse by 20.7 %.\n",
		"- p50 in ms at 1,000/s to 10,000: Barrage 36.2 [36.2 to 36.2], nbio 30 [30 to 30]: worse by 20.7 %; nbio had losses or failed runs.\n",
		"- connections a second: Barrage 20,000 [20,000 to 20,000], gws 45,000 [45,000 to 45,000]: worse by a factor of 2.2; gws had losses or failed runs.\n",
	} {
		if !strings.Contains(section, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(section, "/some/folder") {
		t.Error("it names a folder of this machine")
	}
	if t.Failed() {
		t.Log(section)
	}
}

func TestVerdict(t *testing.T) {
	best := cannedResults(t)
	best.available = best.available[:2] // without gws
	for i := range best.runs {
		if best.runs[i].server == "barrage" {
			best.runs[i].report.Latency.P50 = 20
		}
	}
	lossy := cannedResults(t)
	lossy.available = lossy.available[:2]
	for i := range lossy.runs {
		if lossy.runs[i].server == "barrage" && lossy.runs[i].load.rate == 10 {
			lossy.runs[i].report.Messages.Missing = 2
			lossy.runs[i].report.Messages.Published = 49
		}
	}
	overlapping := cannedResults(t)
	overlapping.available = overlapping.available[:2]
	for i := range overlapping.runs {
		if r := overlapping.runs[i]; r.server == "barrage" {
			r.report.Latency.P50 = []float64{29, 31, 40}[r.round-1]
		}
	}
	absent := cannedResults(t)
	absent.available = absent.available[1:]
	for _, test := range []struct {
		name string
		r    *results
		want string
	}{
		{"best in all", best, "In none of the 9 comparisons.\n"},
		{"own losses come first", lossy, "At 10/s to 10,000 Barrage itself had losses in 3 and failures in 0 of 3 runs: 6 missing, 0 duplicated, 0 out of order, 3 not taken, 0 connections failed.\n\nIn 2 of"},
		{"overlap", overlapping, "Barrage 31 [29 to 40], nbio 30 [30 to 30]: worse by 3.3 %; the ranges overlap."},
		{"no Barrage", absent, "Barrage was not measured.\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.r.verdict(); !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q in it", got, test.want)
			}
		})
	}
}

func TestPlots(t *testing.T) {
	empty := cannedResults(t)
	empty.runs = nil
	for name, r := range map[string]*results{"canned": cannedResults(t), "no figures": empty} {
		for _, p := range r.plots() {
			t.Run(name+" "+p.file, func(t *testing.T) {
				text := textIn(t, p.svg())
				for _, want := range []string{p.title, "Barrage", "nbio", "gws"} {
					if !strings.Contains(text, want) {
						t.Errorf("no %q in the plot", want)
					}
				}
			})
		}
	}
}

// textIn reads XML to its end and returns its text.
func textIn(t *testing.T, svg []byte) string {
	t.Helper()
	var text strings.Builder
	for decoder := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return text.String()
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
		if data, ok := token.(xml.CharData); ok {
			text.Write(data)
		}
	}
}

func TestNumbers(t *testing.T) {
	run := &cell{runs: make([]measurement, 1), expected: 100}
	for _, test := range []struct{ got, want string }{
		{thousands(0), "0"}, {thousands(999), "999"}, {thousands(1000), "1,000"}, {thousands(-1234567.4), "-1,234,567"},
		{short(3.14159), "3.14"}, {short(36.25), "36.2"}, {short(0.5), "0.5"}, {short(2290.4), "2,290"},
		{compact(400), "400"}, {compact(1552), "1.55k"}, {compact(147058), "147k"}, {compact(7.7e6), "7.7M"}, {compact(999.9), "1k"}, {compact(36.25), "36.2"},
		{run.loss(0), "0"}, {run.loss(25), "**25** (25 %)"}, {(&cell{runs: run.runs, failures: []string{"x"}}).loss(0), "–"},
		{percent(1.0 / 3000000), "0.000033 %"}, {percent(0.0123), "1.2 %"}, {percent(0.123), "12 %"}, {percent(0.99999), "99.9990 %"}, {percent(1), "100 %"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

package main

// From canned reports to tables, sentences and plots.

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// cannedPeers are three rounds at two loads of Barrage and two others; nbio loses
// messages at the higher, gws fails once there.
func cannedPeers(t *testing.T, names ...string) *peers {
	t.Helper()
	p := &peers{bench: &bench{}, seconds: 5, drain: 30 * time.Second, rounds: 3, loads: []load{{10, 10000}, {1000, 10000}}, absent: []string{"- nchan: no nginx here\n"}}
	for _, name := range names {
		s, err := choose(name)
		if err != nil {
			t.Fatal(err)
		}
		p.subjects = append(p.subjects, subject{server: s[0], version: "v1"})
	}
	for _, l := range p.loads {
		task := p.task(l)
		for i, s := range p.subjects {
			c := &task.cells[i]
			for round := range p.rounds {
				if s.name == "gws" && l.rate == 1000 && round == 2 {
					c.reports, c.failures = append(c.reports, nil), append(c.failures, public(&failure{"the server ended", errors.New("in /some/folder")}))
					continue
				}
				c.reports = append(c.reports, canned(t, func(r *report.Report) { bend(r, s.name, l, round) }))
			}
		}
		p.tasks = append(p.tasks, task)
	}
	return p
}

func bend(r *report.Report, name string, l load, round int) {
	r.Warnings = nil
	r.Server.DeliveriesPerCPUSecond += float64(round * 1000)
	switch name {
	case "nbio":
		r.Server.DeliveriesPerCPUSecond = 90000
		r.Latency.P50 = 30
		if l.rate == 1000 {
			r.Messages.Missing, r.Messages.Delivered, r.Messages.Published = 125000, 375000, 40
			r.Connections.Failed, r.Connections.Closed = 1, 2
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

func TestAbout(t *testing.T) {
	about := (&bench{scenario: "peers", given: []string{"-rounds 3"}}).about(
		probe.Environment{CPU: "EPYC", Cores: 2, Memory: 24 << 30, Kernel: "Linux 6.18", Go: "go1.26", NoFile: 20000, Commit: "abc1234"},
		time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC))
	for _, want := range []string{
		"Measured on 21 November 2026, 2 cores (EPYC), 24 GiB, Linux 6.18, Go 1.26, commit abc1234, at most 20,000 open files",
		"go run ./loadtest/bench peers -rounds 3\n",
	} {
		if !strings.Contains(about, want) {
			t.Errorf("no %q in %s", want, about)
		}
	}
}

func TestSection(t *testing.T) {
	section := cannedPeers(t, "barrage", "nbio", "gws").section("\n![a plot](docs/images/plot.svg)\n")
	for _, want := range []string{
		"### 10 messages a second to 10,000 members",
		"| Barrage | v1 | 400 [400 to 400] | 148,059 [147,059 to 149,059] | 36.2 [36.2 to 36.2] | 81.9 [81.9 to 81.9] | 0 | 0 | 0 |",
		"| nbio | v1 | 400 [400 to 400] | 90,000 [90,000 to 90,000] | 30 [30 to 30] † | 81.9 [81.9 to 81.9] † | **375,000** (25 %) | 0 | 0 |",
		"- nbio: 3 of 3 runs with losses: 375,000 copies missing, 30 messages not taken, 3 connections failed, 6 connections closed\n",
		"- gws: 1 of 3 runs failed: the server ended\n",
		"- gws: the load client was the bottleneck: it used 97 % of its core (3 of 3 runs)\n",
		"| gws | 45,000 [45,000 to 45,000] | 0 |",
		"![a plot](docs/images/plot.svg)\n",
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
	// change is of Barrage's reports at one load.
	change := func(rate int, f func(round int, r *report.Report)) *peers {
		p := cannedPeers(t, "barrage", "nbio")
		for i, l := range p.loads {
			for round, r := range p.tasks[i].cells[0].reports {
				if rate == 0 || rate == l.rate {
					f(round, r)
				}
			}
		}
		return p
	}
	for _, test := range []struct {
		name string
		p    *peers
		want string
	}{
		{
			"best in all", change(0, func(_ int, r *report.Report) { r.Latency.P50 = 20 }),
			"In none of the 9 comparisons.\n",
		}, {
			"own losses come first", change(10, func(_ int, r *report.Report) { r.Messages.Missing, r.Messages.Published = 2, 49 }),
			"At 10/s to 10,000 Barrage itself had 3 of 3 runs with losses: 6 copies missing, 3 messages not taken.\n\nIn 2 of",
		}, {
			"overlap", change(0, func(round int, r *report.Report) { r.Latency.P50 = []float64{29, 31, 40}[round] }),
			"Barrage 31 [29 to 40], nbio 30 [30 to 30]: worse by 3.3 %; the ranges overlap.",
		},
		{"no Barrage", cannedPeers(t, "nbio", "gws"), "Barrage was not measured.\n"},
		{"only Barrage", cannedPeers(t, "barrage"), "Barrage was measured alone.\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.p.verdict(); !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q in it", got, test.want)
			}
		})
	}
}

func TestPlots(t *testing.T) {
	full := cannedPeers(t, "barrage", "nbio", "gws")
	empty := cannedPeers(t, "barrage", "nbio", "gws")
	for _, task := range empty.tasks {
		clear(task.cells)
	}
	for name, p := range map[string]*peers{"canned": full, "no figures": empty} {
		p.images = t.TempDir()
		if _, err := p.draw(); err != nil {
			t.Fatal(err)
		}
		for _, made := range p.plots() {
			t.Run(name+" "+made.file, func(t *testing.T) {
				svg, err := os.ReadFile(filepath.Join(p.images, made.file))
				if err != nil {
					t.Fatal(err)
				}
				text := textIn(t, svg)
				for _, want := range []string{made.Title, "Barrage", "nbio", "gws"} {
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
	run := &cell{reports: make([]*report.Report, 1)}
	for _, test := range []struct{ got, want string }{
		{thousands(0), "0"}, {thousands(999), "999"}, {thousands(1000), "1,000"}, {thousands(-1234567.4), "-1,234,567"},
		{short(3.14159), "3.14"}, {short(36.25), "36.2"}, {short(0.5), "0.5"}, {short(2290.4), "2,290"},
		{compact(400), "400"}, {compact(1552), "1.55k"}, {compact(147058), "147k"}, {compact(7.7e6), "7.7M"}, {compact(999.9), "1k"}, {compact(36.25), "36.2"},
		{run.loss(0, 100), "0"}, {run.loss(25, 100), "**25** (25 %)"}, {(&cell{reports: run.reports, failures: []string{"x"}}).loss(0, 0), "–"},
		{percent(1.0 / 3000000), "0.000033 %"}, {percent(0.0123), "1.2 %"}, {percent(0.123), "12 %"}, {percent(0.99999), "99.9990 %"}, {percent(1), "100 %"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

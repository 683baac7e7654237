// The page: what it shows, and that nothing breaks out of it.

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"barrage/loadtest/tally"
)

func render(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteHTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestHTML renders all samples; with REPORT_DIR set, into that directory, for
// those who want to see them.
func TestHTML(t *testing.T) {
	for name, make := range samples {
		t.Run(name, func(t *testing.T) {
			text := render(t, make())
			if dir := os.Getenv("REPORT_DIR"); dir != "" {
				if err := os.WriteFile(filepath.Join(dir, name+".html"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for _, wrong := range []string{"ZgotmplZ", "NaN", "&lt;nil", "%!", "Inf"} {
				if strings.Contains(text, wrong) {
					t.Errorf("%q in the page", wrong)
				}
			}
			if n := strings.Count(text, "<figure"); n < 1 || n != strings.Count(text, "</figure>") {
				t.Errorf("%d figures", n)
			}
		})
	}
}

// TestHTMLShows checks that the page tells what matters.
func TestHTMLShows(t *testing.T) {
	for _, c := range []struct {
		name string
		r    *Report
		want []string
	}{
		{"sample", sample(), []string{
			"3 assertions passed", "999,833", "1,204,819", "181 B", "kernel 5,431 B", "Latency over time", "Latency distribution",
			"Deliveries", "Resident memory", "Sends per delivery", "Gaps", "net.core.somaxconn", "10.0.0.7:9000", "-1.84 ms ± 48 µs",
			"barrage loadtest room", "Linux 6.12.9", "commit 913499f",
		}},
		{"troubled", troubled(), []string{
			"2 of 3 assertions failed", "The load test was the bottleneck", "What makes these figures doubtful", "1,204 (&lt; 0.01 %)",
			"503 Service Unavailable", "pid 4242", "Storms",
		}},
		{"search", search(), []string{"Capacity: 160,000 connections", "p99 was 812 ms at 180,000", "What gave first", "Latency by connections"}},
		{"idle", idle(), []string{"--pid", "No messages expected", "1,111"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := render(t, c.r)
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in the page", want)
				}
			}
		})
	}
}

// TestSelfContained: nothing in the page is loaded from anywhere, and nothing can
// be.
func TestSelfContained(t *testing.T) {
	reference := regexp.MustCompile(`(?i)(\s(src|href|srcset|action|poster|background|formaction|xlink:href)\s*=|url\s*\(|@import|fetch\s*\(|import\s*\(|XMLHttpRequest|<(link|iframe|object|embed|base|img|video|audio|a)\b)`)
	address := regexp.MustCompile(`(?i)[a-z]+://[^\s"'<)]*|["'(=]\s*//[a-z]`)
	for name, make := range samples {
		text := render(t, make())
		if found := reference.FindString(text); found != "" {
			t.Errorf("%s: %q", name, found)
		}
		// The page's own parts have no address at all; those of the target are text.
		for _, part := range []string{pageHTML, pageCSS, pageJS} {
			if found := address.FindString(part); found != "" {
				t.Errorf("%q in the page's parts", found)
			}
		}
		if !strings.Contains(text, `content="default-src 'none';`) {
			t.Errorf("%s: no policy", name)
		}
	}
}

// TestHTMLEscapes puts what breaks out of every context into everything that a
// plan or a target can fill.
func TestHTMLEscapes(t *testing.T) {
	const evil = `</script><script>alert(1)</script>"'` + "`" + `--></style><img src=x onerror=alert(2)> javascript:alert(3)`
	r := troubled()
	r.Find = search().Find
	r.Scenario, r.Command, r.Warnings = evil, evil, append(r.Warnings, evil)
	r.Plan.URLs = []string{evil, evil}
	r.Plan.Preset, r.Plan.Publish, r.Plan.PublishURL, r.Plan.Redis = evil, evil, evil, evil
	r.Connections.Failures = map[string]uint64{evil: 9}
	r.Connections.ClosedBy = map[string]uint64{evil: 9}
	r.Messages.PublishErrors = map[string]uint64{evil: 9}
	r.Client.Agents[0].Name, r.Client.BottleneckReason = evil, evil
	r.Timeline[3].Phase, r.Timeline[70].Phase = evil, evil
	e := &r.Environment
	e.Kernel, e.CPU, e.Go, e.Version, e.Commit, e.Server = evil, evil, evil, evil, evil, evil
	e.Sysctls[evil] = evil
	r.Asserts[0].Expr, r.Asserts[0].Found = evil, evil
	f := r.Find
	f.What, f.SLO, f.Broke, f.Limit, f.Advice, f.Steps[0].Broke, f.Steps[0].OK = evil, evil, evil, evil, []string{evil}, evil, false

	text := render(t, r)
	for tag, want := range map[string]int{"<script": 1, "</script": 1, "<style": 1, "</style": 1, "<img": 0, "-->": 0} {
		if n := strings.Count(text, tag); n != want {
			t.Errorf("%d times %q, want %d", n, tag, want)
		}
	}
	// No attribute was left: all quotes in attributes are escaped.
	for _, tag := range regexp.MustCompile(`<[a-z][^>]*onerror[^>]*>`).FindAllString(text, -1) {
		if unquoted := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(tag, ""); strings.Contains(unquoted, "onerror") {
			t.Errorf("attribute in %.200q", unquoted)
		}
	}
	if n := strings.Count(html.UnescapeString(text), "alert(1)"); n < 20 {
		t.Errorf("only %d of the texts are shown", n)
	}
}

// TestReadouts: what the script reads is as long as it must be.
func TestReadouts(t *testing.T) {
	for name, make := range samples {
		for _, p := range make().plots() {
			var d readout
			if err := json.Unmarshal([]byte(p.Data), &d); err != nil {
				t.Fatalf("%s, %s: %v", name, p.Title, err)
			}
			if len(d.X) == 0 || len(d.Labels) != len(d.X) || len(d.Y) != len(p.Series) || len(d.Texts) != len(p.Series) {
				t.Errorf("%s, %s: %d places, %d labels, %d series", name, p.Title, len(d.X), len(d.Labels), len(d.Y))
			}
			for i := range d.Y {
				if len(d.Y[i]) != len(d.X) || len(d.Texts[i]) != len(d.X) {
					t.Errorf("%s, %s: series %d has %d places", name, p.Title, i, len(d.Y[i]))
				}
				for j, y := range d.Y[i] {
					if y < -1 || y > 1000 || d.X[j] < 0 || d.X[j] > 1000 || (y < 0) != (d.Texts[i][j] == "") {
						t.Errorf("%s, %s: %d, %d: %q", name, p.Title, d.X[j], y, d.Texts[i][j])
					}
				}
			}
		}
	}
}

// TestManySeconds: a day's run makes a page of the same size, and no second that
// was bad is lost in it.
func TestManySeconds(t *testing.T) {
	r := sample()
	r.Timeline = make([]Point, 86_400)
	for i := range r.Timeline {
		r.Timeline[i] = Point{T: float64(i + 1), Phase: "publish", Open: 10, Delivered: 100, P50: 1, P99: 2, P999: 3, Max: 4, RSS: 1 << 20}
	}
	r.Timeline[50_000].Max = 777
	r.Timeline[50_000].Gaps = 123_456
	text := render(t, r)
	if len(text) > 400_000 {
		t.Errorf("%d bytes", len(text))
	}
	for _, want := range []string{"777 ms", "123,456", "the worst second of each 216"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
}

// TestOddFigures: what should not be in a report does not break the page.
func TestOddFigures(t *testing.T) {
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 1e-300, 1e300}
	for _, v := range odd {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			r := search()
			for i := range r.Timeline {
				p := &r.Timeline[i]
				p.P50, p.P99, p.P999, p.Max = v, v, v, v
				p.Delivered, p.Published, p.ServerCPU, p.ClientCPU, p.SendsPerMsg = v, v, v, v, v
				if i%7 == 0 {
					p.T = v
				}
			}
			for i := range r.Find.Steps {
				r.Find.Steps[i].P99 = v
				r.Find.Steps[i].Value *= v
			}
			r.Seconds, r.Messages.PerSecond, r.Latency.P50, r.Server.CPUSeconds = v, v, v, v
			r.Latency.Histogram = tally.NewHistogram()
			r.Latency.Histogram.Record(1)
			r.Judge()
			r.Values()
			if text := render(t, r); strings.Contains(text, "ZgotmplZ") {
				t.Error("a figure that the page refuses")
			}
		})
	}
}

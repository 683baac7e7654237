// The summary at the end: one screen.

package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Summary writes the outcome in lines of at most 80 characters, where nothing
// longer is in a name, without colors.
func Summary(w io.Writer, r *Report) error { return summary(w, r, false) }

// ColorSummary is Summary for a terminal.
func ColorSummary(w io.Writer, r *Report) error { return summary(w, r, true) }

func summary(w io.Writer, r *Report, color bool) error {
	s := &sheet{color: color}
	for _, part := range []func(*sheet, *Report){
		sumTarget, sumConnections, sumMessages, sumLatency, sumServer, sumClient, sumWarnings, sumFind, sumAsserts,
	} {
		part(s, r)
	}
	if _, err := io.WriteString(w, s.b.String()); err != nil {
		return fmt.Errorf("report: write the summary: %w", err)
	}
	return nil
}

// shownReasons is how many reasons for failures the summary lists; JSON has all.
const shownReasons = 3

func sumTarget(s *sheet, r *Report) {
	s.row(bold, cut(clean(r.Scenario), labelWidth-1), r.target())
	s.row(plain, "", r.load()...)
}

// target is where the connections went.
func (r *Report) target() string {
	if len(r.Plan.URLs) == 0 {
		return "no target"
	}
	t := clean(Redact(r.Plan.URLs[0]))
	if n := len(r.Plan.URLs) - 1; n > 0 {
		t += fmt.Sprintf(" and %d more", n)
	}
	return t
}

// load says what was done, in a few words each.
func (r *Report) load() []string {
	done := items{seconds(r.Seconds)}
	if r.Plan.Publishes() {
		done = append(done, number(r.Plan.Rate)+" messages/s", size(float64(r.Plan.Size)),
			"for "+seconds(r.Plan.Duration.Seconds()), "by "+clean(r.Plan.Publish))
	}
	done.addIf(r.Plan.Rooms > 1, thousands(r.Plan.Rooms)+" rooms")
	return done
}

func sumConnections(s *sheet, r *Report) {
	c := &r.Connections
	became := items{fmt.Sprintf("%s of %s open", thousands(c.Open), thousands(c.Wanted))}
	became.addIf(c.PerSecond > 0, number(c.PerSecond)+" connects/s")
	became = append(became, thousands(c.Failed)+" failed", thousands(c.Closed)+" closed")
	became.addIf(r.Plan.Deflate, thousands(c.Deflated)+" with permessage-deflate")
	became.addIf(c.Dropped > 0, thousands(c.Dropped)+" left on purpose")
	s.row(bold, "Connections", became...)
	sumReasons(s, "  failed", c.Failures)
	sumReasons(s, "  closed", c.ClosedBy)
	if n := len(r.Storms); n > 0 {
		worst := r.worstStorm()
		s.row(plain, "  storms", strconv.Itoa(n), fmt.Sprintf("all back after %s at most", seconds(worst.Seconds)),
			fmt.Sprintf("%s not back", thousands(r.lostInStorms())))
	}
}

func sumReasons(s *sheet, label string, m map[string]uint64) {
	list := byCount(m)
	for i, e := range list {
		if i == shownReasons {
			s.row(plain, "", fmt.Sprintf("and %s", plural(len(list)-i, "other reason")))
			return
		}
		s.sentence(plain, label, thousands(e.Count)+" × "+e.Text)
		label = ""
	}
}

func sumMessages(s *sheet, r *Report) {
	m := &r.Messages
	if !r.Plan.Publishes() {
		s.row(bold, "Messages", "none published")
		return
	}
	s.row(bold, "Messages", fmt.Sprintf("%s of %s published", thousands(m.Published), thousands(m.Offered)),
		thousands(m.PublishFailed)+" not taken", "at most "+millis(m.PublishLagMax)+" behind schedule")
	sumReasons(s, "  not taken", m.PublishErrors)
	style := green
	if m.Missing+m.Duplicated+m.OutOfOrder+m.Misrouted > 0 || m.Expected == 0 {
		style = red
	}
	s.row(style, "Copies", thousands(m.Expected)+" expected", thousands(m.Delivered)+" delivered", thousands(m.Missing)+" missing")
	odd := items{
		thousands(m.Duplicated) + " duplicated", thousands(m.OutOfOrder) + " out of order",
		thousands(m.Late) + " late", thousands(m.Misrouted) + " misrouted",
	}
	odd.addIf(m.ToSlow > 0, thousands(m.ToSlow)+" to slow viewers")
	s.row(plain, "", odd...)
	flow := items{number(m.PerSecond) + " deliveries/s", size(m.BytesPerSecond) + "/s received"}
	flow.addIf(m.BytesPerCopy > 0, octets(m.BytesPerCopy)+" per copy")
	flow.addIf(r.Plan.Batch, number(m.CopiesPerFrame)+" copies per frame")
	s.row(bold, "Throughput", flow...)
}

func sumLatency(s *sheet, r *Report) {
	if !r.Plan.Publishes() {
		return
	}
	if !r.measured() {
		s.row(bold, "Latency", "not known (nothing arrived)")
		return
	}
	l := &r.Latency
	s.row(bold, "Latency", "p50 "+millis(l.P50), "p90 "+millis(l.P90), "p99 "+millis(l.P99), "p99.9 "+millis(l.P999), "max "+millis(l.Max))
}

func sumServer(s *sheet, r *Report) {
	if !r.Server.Known {
		s.row(bold, "Server", "CPU and memory not known (give --pid or --metrics)")
		return
	}
	values := r.Values()
	known := func(name, format string, show func(float64) string) (texts items) {
		v, ok := values[name]
		texts.addIf(ok, fmt.Sprintf(format, show(v)))
		return texts
	}
	work := slices.Concat(
		known("server_cpu", "%s cores", number),
		known("deliveries_per_cpu_second", "%s deliveries per CPU-second", number),
		known("sends_per_delivery", "%s sends per delivery", number),
		known("idle_cpu", "%s cores idle", number))
	memory := slices.Concat(
		known("rss_before", "RSS %s empty", size),
		known("rss_idle", "%s idle", size),
		known("rss_after", "%s after", size),
		known("gc_pause_max", "GC pauses up to %s", millis))
	work.addIf(len(r.Server.Gone) > 0, "not known (a process ended during the run)") // nor is anything else then
	if len(work) == 0 {
		work, memory = memory, nil
	}
	work.addIf(len(work) == 0, "not known")
	s.row(bold, "Server", work...)
	s.row(plain, "", memory...)
	if text := r.perConnection(values); text != "" {
		s.sentence(plain, "  each conn", text)
	}
}

// perConnection is the memory of an idle connection and what it consists of.
func (r *Report) perConnection(values map[string]float64) string {
	resident, ok := values["rss_per_conn"]
	if !ok {
		return ""
	}
	text, sep := octets(resident)+" resident", ": "
	for _, part := range []struct{ name, what string }{{"heap_per_conn", "heap"}, {"stack_per_conn", "stack"}} {
		if v, ok := values[part.name]; ok {
			text += sep + octets(v) + " " + part.what
			sep = ", "
		}
	}
	if sep == ": " {
		text += " (heap and stack: give --metrics)"
	}
	if v, ok := values["kernel_per_conn"]; ok {
		text += "; kernel " + octets(v) + ", both ends"
	}
	return text
}

func sumClient(s *sheet, r *Report) {
	c := &r.Client
	var work items
	work.addIf(r.busy(), fmt.Sprintf("%s cores (%s of its own)", number(r.clientCores()), percent(c.CPUShare)))
	work.addIf(c.MessagesPerRead > 0, number(c.MessagesPerRead)+" messages per read")
	work.addIf(len(c.Agents) > 1, strconv.Itoa(len(c.Agents))+" agents")
	s.row(bold, "Client", work...)
	if c.Bottleneck {
		s.sentence(red, "BOTTLENECK", printable(c.BottleneckReason))
	}
}

func sumWarnings(s *sheet, r *Report) {
	for _, w := range r.Warnings {
		s.sentence(yellow, "WARNING", printable(w))
	}
}

func sumFind(s *sheet, r *Report) {
	f := r.Find
	if f == nil {
		return
	}
	s.sentence(bold, "Capacity", f.outcome())
	if f.Limit != "" {
		s.sentence(plain, "  limit", printable(f.Limit))
	}
	for _, a := range f.Advice {
		s.sentence(plain, "  advice", printable(a))
	}
}

// unit is what Capacity counts.
func (f *Find) unit() string {
	if strings.HasPrefix(f.What, "rate") {
		return "messages/s"
	}
	return clean(f.What)
}

// outcome is the capacity in a sentence.
func (f *Find) outcome() string {
	text := fmt.Sprintf("%s %s within %s", number(f.Capacity), f.unit(), clean(f.SLO))
	if f.Capacity <= 0 {
		text = fmt.Sprintf("none: already the first trial broke %s", clean(f.SLO))
	}
	if f.Broke == "" {
		return text + "; nothing broke up to the bound"
	}
	return text + "; beyond, " + clean(f.Broke)
}

func sumAsserts(s *sheet, r *Report) {
	for _, a := range r.Asserts {
		style, label := green, "PASS"
		if !a.OK {
			style, label = red, "FAIL"
		}
		text := clean(a.Expr)
		if a.Found != "" {
			text += "   (" + clean(a.Found) + ")"
		}
		s.row(style, label, text)
	}
}

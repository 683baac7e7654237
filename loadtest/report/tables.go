package report

// This file lists the figures of the page's tables.

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// table is one table of the page: with columns, or else of names and values.
type table struct {
	Title   string
	Note    string
	Columns []string
	Rows    []row
	Closed  bool // folded until somebody wants it
}

// row is a row of cells.
type row struct {
	Cells []string
	Class string
}

func cells(cells ...string) row { return row{Cells: cells} }

func (r *Report) tables() []table {
	all := []table{r.messageTable(), r.connectionTable(), r.latencyTable(), r.serverTable(), r.clientTable(), r.stormTable(), r.environmentTable(), r.sysctlTable(), r.planTable()}
	return slices.DeleteFunc(all, func(t table) bool { return len(t.Rows) == 0 })
}

func (r *Report) messageTable() table {
	m := &r.Messages
	t := table{Title: "Messages", Note: "A message to a thousand viewers is a thousand copies."}
	if !r.publishes() {
		return t
	}
	t.Rows = []row{
		cells("Offered", thousands(m.Offered)), cells("Published", thousands(m.Published)),
		cells("Behind schedule, at worst", millis(m.PublishLagMax)), cells("Not taken", thousands(m.PublishFailed)),
	}
	for _, e := range byCount(m.PublishErrors) {
		t.Rows = append(t.Rows, cells("– "+e.Text, thousands(e.Count)))
	}
	t.Rows = append(t.Rows, cells("Copies expected", thousands(m.Expected)), cells("Copies delivered", thousands(m.Delivered)))
	for _, c := range []struct {
		name string
		n    uint64
	}{
		{"Missing", m.Missing}, {"Duplicated", m.Duplicated}, {"Out of order", m.OutOfOrder}, {"Late", m.Late}, {"Misrouted", m.Misrouted},
	} {
		text, class := thousands(c.n), ""
		if c.n > 0 && m.Expected > 0 {
			text, class = text+" ("+percent(float64(c.n)/float64(m.Expected))+")", bad
		}
		t.Rows = append(t.Rows, row{[]string{c.name, text}, class})
	}
	if m.BytesPerCopy > 0 {
		t.Rows = append(t.Rows, cells("Received for each copy", octets(m.BytesPerCopy)), cells("Copies in one frame", number(m.CopiesPerFrame)))
	}
	if m.ToSlow > 0 {
		t.Rows = append(t.Rows, cells("To viewers slow on purpose", thousands(m.ToSlow)))
	}
	return t
}

func (r *Report) connectionTable() table {
	c := &r.Connections
	t := table{Title: "Connections", Rows: []row{
		cells("Wanted", thousands(c.Wanted)), cells("Open before the first message", thousands(c.Open)), cells("Open at the end", thousands(c.OpenAtEnd)),
		cells("Opened", thousands(c.Opened)), cells("Connecting took", seconds(c.ConnectSeconds)+", "+number(c.PerSecond)+" per second"),
		cells("Left on purpose", thousands(c.Dropped)),
	}}
	if r.Plan.Deflate {
		t.Rows = append(t.Rows, cells("With permessage-deflate", thousands(c.Deflated)))
	}
	add := func(name string, n uint64, reasons map[string]uint64) {
		class := ""
		if n > 0 {
			class = bad
		}
		t.Rows = append(t.Rows, row{[]string{name, thousands(n)}, class})
		for _, e := range byCount(reasons) {
			t.Rows = append(t.Rows, cells("– "+e.Text, thousands(e.Count)))
		}
	}
	add("Failed", c.Failed, c.Failures)
	add("Closed by the server or the network", c.Closed, c.ClosedBy)
	return t
}

func (r *Report) latencyTable() table {
	t := table{Title: "Latency", Note: "From the moment a message was due, whether or not it could be sent then."}
	if !r.measured() {
		return t
	}
	l := &r.Latency
	t.Rows = []row{
		cells("p50", millis(l.P50)), cells("p90", millis(l.P90)), cells("p99", millis(l.P99)), cells("p99.9", millis(l.P999)),
		cells("max", millis(l.Max)), cells("mean", millis(l.Mean)), cells("Recorded", thousands(l.Histogram.Count())),
	}
	return t
}

// serverTable shows all figures of the server that are known, as Values has them.
func (r *Report) serverTable() table {
	t := table{Title: "Server"}
	if !r.Server.Known {
		return t
	}
	values := r.Values()
	for _, f := range serverFigures {
		v, ok := values[f.Name]
		if !ok {
			continue
		}
		t.Rows = append(t.Rows, cells(upperFirst(f.Meaning), inUnit(v, f.Unit)))
	}
	s := &r.Server
	if s.GCs > 0 {
		t.Rows = append(t.Rows, cells("Garbage collections", number(s.GCs)))
	}
	for _, pid := range s.Gone {
		t.Rows = append(t.Rows, row{[]string{"Ended during the run, so figures are not complete", "pid " + strconv.Itoa(pid)}, bad})
	}
	return t
}

func inUnit(v float64, unit string) string {
	switch {
	case unit == "ms":
		return millis(v)
	case unit == "B" && v >= 1<<20:
		return size(v)
	case unit == "1/s":
		return number(v)
	case unit == "":
		return number(v)
	}
	return number(v) + " " + unit
}

func upperFirst(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

func (r *Report) clientTable() table {
	c := &r.Client
	t := table{Title: "Load test", Columns: []string{"Agent", "Connections", "CPU", "Clock offset"}}
	for _, a := range c.Agents {
		offset := "same clock"
		if a.RTTUS > 0 {
			offset = millis(a.OffsetUS/1000) + " ± " + millis(a.RTTUS/2/1000)
		}
		t.Rows = append(t.Rows, cells(clean(a.Name), thousands(a.Connections), seconds(a.CPUSeconds), offset))
	}
	if v, ok := r.Values()["client_cpu"]; ok {
		t.Note = fmt.Sprintf("Used %s cores while messages flowed, %s of what it may use; one read brought %s copies.",
			number(v), percent(c.CPUShare), number(c.MessagesPerRead))
	}
	return t
}

func (r *Report) stormTable() table {
	t := table{Title: "Storms", Note: "All connections drop and come back at once.", Columns: []string{"At", "Dropped", "Back", "Took"}}
	for _, s := range r.Storms {
		one := cells(secondsTick(s.At), thousands(s.Dropped), thousands(s.Recovered), seconds(s.Seconds))
		if s.Recovered < s.Dropped {
			one.Class = bad
		}
		t.Rows = append(t.Rows, one)
	}
	return t
}

func (r *Report) environmentTable() table {
	e := &r.Environment
	t := table{Title: "Machine of the load test"}
	for _, f := range []struct {
		name, value string
		known       bool
	}{
		{"Target", e.Server, e.Server != ""},
		{"Kernel", e.Kernel, e.Kernel != ""},
		{"CPU", e.CPU, e.CPU != ""},
		{"Cores", strconv.Itoa(e.Cores), e.Cores > 0},
		{"Memory", size(float64(e.Memory)), e.Memory > 0},
		{"Open files, at most", thousands(e.NoFile), e.NoFile > 0},
		{"Barrage", e.Version + " (commit " + e.Commit + ")", e.Version != ""},
		{"Go", e.Go, e.Go != ""},
	} {
		if f.known {
			t.Rows = append(t.Rows, cells(f.name, clean(f.value)))
		}
	}
	return t
}

func (r *Report) sysctlTable() table {
	t := table{Title: "Kernel settings", Closed: true}
	for _, name := range slices.Sorted(maps.Keys(r.Environment.Sysctls)) {
		t.Rows = append(t.Rows, cells(clean(name), clean(r.Environment.Sysctls[name])))
	}
	return t
}

// planTable is the settings that tell one run from another.
func (r *Report) planTable() table {
	p := withoutSecrets(r.Plan)
	t := table{Title: "Settings", Closed: true}
	add := func(set bool, name, value string) {
		if set {
			t.Rows = append(t.Rows, cells(name, clean(value)))
		}
	}
	for _, u := range p.URLs {
		add(true, "url", u)
	}
	add(p.Preset != "", "preset", p.Preset)
	add(p.Deflate, "deflate", "yes")
	add(p.Batch, "batch", "yes")
	add(p.Publish != "", "publish", p.Publish)
	add(p.PublishURL != "", "publish-url", p.PublishURL)
	add(p.Redis != "", "redis", p.Redis)
	add(p.Publishers > 0, "publishers", thousands(p.Publishers))
	add(p.Connections > 0, "connections", thousands(p.Connections))
	add(p.ConnectRate > 0, "connect-rate", number(p.ConnectRate)+"/s")
	add(p.Inflight > 0, "inflight", thousands(p.Inflight))
	add(p.Rooms > 0, "rooms", thousands(p.Rooms))
	add(p.Zipf > 0, "zipf", number(p.Zipf))
	add(p.Rate > 0, "rate", number(p.Rate)+"/s")
	add(p.Size > 0, "size", octets(float64(p.Size)))
	add(p.Hold > 0, "hold", p.Hold.String())
	add(p.Duration > 0, "duration", p.Duration.String())
	add(p.Drain > 0, "drain", p.Drain.String())
	add(p.Echo, "echo", "yes")
	add(p.Talkers > 0, "talkers", number(p.Talkers)+" %")
	add(p.Slow > 0, "slow", fmt.Sprintf("%s %% at %s B/s", number(p.Slow), thousands(p.SlowRate)))
	add(p.Stalled > 0, "stalled", number(p.Stalled)+" %")
	add(p.Churn > 0, "churn", number(p.Churn)+"/s")
	add(p.Storms > 0, "storms", thousands(p.Storms))
	return t
}

// findView is the search for the capacity on the page.
type findView struct {
	Capacity, Unit, Outcome, Limit string
	Advice                         []string
	Steps                          table
}

func newFindView(f *Find) *findView {
	v := &findView{
		Capacity: number(f.Capacity), Unit: f.unit(), Outcome: f.outcome(), Limit: printable(f.Limit), Advice: f.Advice,
		Steps: table{Columns: []string{upperFirst(clean(f.What)), "Outcome", "p50", "p99", "Missing", "Deliveries/s", "Server CPU", "Client CPU", "RSS"}},
	}
	for _, s := range f.Steps {
		outcome, class := "within the SLO", good
		if !s.OK {
			outcome, class = clean(s.Broke), bad
		}
		rss := "not known"
		if s.RSS > 0 {
			rss = size(float64(s.RSS))
		}
		v.Steps.Rows = append(v.Steps.Rows, row{[]string{
			number(s.Value), outcome, millis(s.P50), millis(s.P99), thousands(s.Missing), number(s.PerSecond),
			number(s.ServerCPU), number(s.ClientCPU), rss,
		}, class})
	}
	return v
}

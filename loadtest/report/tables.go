// Lists the figures of the page's tables.

package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
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

// add adds a name and its value.
func (t *table) add(name, value string) { t.addTo("", name, value) }

// addIf adds a name and its value if that is known.
func (t *table) addIf(known bool, name, value string) {
	if known {
		t.add(name, value)
	}
}

// addBad adds what should not have happened, and why it did.
func (t *table) addBad(n uint64, name, value string, reasons map[string]uint64) {
	class := ""
	if n > 0 {
		class = bad
	}
	t.addTo(class, name, value)
	for _, e := range byCount(reasons) {
		t.add("– "+e.Text, thousands(e.Count))
	}
}

func (t *table) addTo(class string, cells ...string) { t.Rows = append(t.Rows, row{cells, class}) }

func (r *Report) tables() []table {
	all := []table{r.messageTable(), r.connectionTable(), r.latencyTable(), r.serverTable(), r.clientTable(), r.stormTable(), r.environmentTable(), r.sysctlTable(), r.planTable()}
	return slices.DeleteFunc(all, func(t table) bool { return len(t.Rows) == 0 })
}

func (r *Report) messageTable() table {
	m := &r.Messages
	t := table{Title: "Messages", Note: "A message to a thousand viewers is a thousand copies."}
	if !r.Plan.Publishes() {
		return t
	}
	t.add("Offered", thousands(m.Offered))
	t.add("Published", thousands(m.Published))
	t.add("Behind schedule, at worst", millis(m.PublishLagMax))
	t.addBad(0, "Not taken", thousands(m.PublishFailed), m.PublishErrors)
	t.add("Copies expected", thousands(m.Expected))
	t.add("Copies delivered", thousands(m.Delivered))
	for _, c := range []struct {
		name string
		n    uint64
	}{
		{"Missing", m.Missing}, {"Duplicated", m.Duplicated}, {"Out of order", m.OutOfOrder}, {"Late", m.Late}, {"Misrouted", m.Misrouted},
	} {
		if c.n > 0 && m.Expected > 0 {
			t.addTo(bad, c.name, thousands(c.n)+" ("+percent(float64(c.n)/float64(m.Expected))+")")
		} else {
			t.add(c.name, thousands(c.n))
		}
	}
	t.addIf(m.BytesPerCopy > 0, "Received for each copy", octets(m.BytesPerCopy))
	t.addIf(m.BytesPerCopy > 0, "Copies in one frame", number(m.CopiesPerFrame))
	t.addIf(m.ToSlow > 0, "To viewers slow on purpose", thousands(m.ToSlow))
	return t
}

func (r *Report) connectionTable() table {
	c, t := &r.Connections, table{Title: "Connections"}
	t.add("Wanted", thousands(c.Wanted))
	t.add("Open before the first message", thousands(c.Open))
	t.add("Open at the end", thousands(c.OpenAtEnd))
	t.add("Opened", thousands(c.Opened))
	t.add("Connecting took", seconds(c.ConnectSeconds)+", "+number(c.PerSecond)+" per second")
	t.add("Left on purpose", thousands(c.Dropped))
	t.addIf(r.Plan.Deflate, "With permessage-deflate", thousands(c.Deflated))
	t.addBad(c.Failed, "Failed", thousands(c.Failed), c.Failures)
	t.addBad(c.Closed, "Closed by the server or the network", thousands(c.Closed), c.ClosedBy)
	return t
}

func (r *Report) latencyTable() table {
	t := table{Title: "Latency", Note: "From the moment a message was due, whether or not it could be sent then."}
	if !r.measured() {
		return t
	}
	l := &r.Latency
	t.add("p50", millis(l.P50))
	t.add("p90", millis(l.P90))
	t.add("p99", millis(l.P99))
	t.add("p99.9", millis(l.P999))
	t.add("max", millis(l.Max))
	t.add("mean", millis(l.Mean))
	t.add("Recorded", thousands(l.Histogram.Count()))
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
		v, known := values[f.Name]
		t.addIf(known, upperFirst(f.Meaning), inUnit(v, f.Unit))
	}
	t.addIf(r.Server.GCs > 0, "Garbage collections", number(r.Server.GCs))
	for _, pid := range r.Server.Gone {
		t.addTo(bad, "Ended during the run, so figures are not complete", "pid "+strconv.Itoa(pid))
	}
	return t
}

func inUnit(v float64, unit string) string {
	switch {
	case unit == "ms":
		return millis(v)
	case unit == "B" && v >= 1<<20:
		return size(v)
	case unit == "1/s", unit == "":
		return number(v)
	}
	return number(v) + " " + unit
}

func upperFirst(s string) string {
	return strings.ToUpper(s[:min(len(s), 1)]) + s[min(len(s), 1):]
}

func (r *Report) clientTable() table {
	c := &r.Client
	t := table{Title: "Load test", Columns: []string{"Agent", "Connections", "CPU", "Clock offset"}}
	for _, a := range c.Agents {
		offset := "same clock"
		if a.RTTUS > 0 {
			offset = millis(a.OffsetUS/1000) + " ± " + millis(a.RTTUS/2/1000)
		}
		t.addTo("", clean(a.Name), thousands(a.Connections), seconds(a.CPUSeconds), offset)
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
		class := ""
		if s.Recovered < s.Dropped {
			class = bad
		}
		t.addTo(class, secondsTick(s.At), thousands(s.Dropped), thousands(s.Recovered), seconds(s.Seconds))
	}
	return t
}

func (r *Report) environmentTable() table {
	e := &r.Environment
	t := table{Title: "Machine of the load test"}
	t.addIf(e.Server != "", "Target", clean(e.Server))
	t.addIf(e.Kernel != "", "Kernel", clean(e.Kernel))
	t.addIf(e.CPU != "", "CPU", clean(e.CPU))
	t.addIf(e.Cores > 0, "Cores", strconv.Itoa(e.Cores))
	t.addIf(e.Memory > 0, "Memory", size(float64(e.Memory)))
	t.addIf(e.NoFile > 0, "Open files, at most", thousands(e.NoFile))
	t.addIf(e.Version != "", "Barrage", clean(e.Version+" (commit "+e.Commit+")"))
	t.addIf(e.Go != "", "Go", clean(e.Go))
	return t
}

func (r *Report) sysctlTable() table {
	t := table{Title: "Kernel settings", Closed: true}
	for _, name := range slices.Sorted(maps.Keys(r.Environment.Sysctls)) {
		t.add(clean(name), clean(r.Environment.Sysctls[name]))
	}
	return t
}

// planTable is the settings that are not at their type's zero.
func (r *Report) planTable() table {
	p := withoutSecrets(r.Plan)
	t := table{Title: "Settings", Closed: true}
	for name, value := range p.Settings() {
		t.add(name, clean(value))
	}
	return t
}

// findView is the search for the capacity on the page.
type findView struct {
	Outcome, Limit string
	Advice         []string
	Steps          table
}

func newFindView(f *Find) *findView {
	if f == nil {
		return nil
	}
	v := &findView{
		Outcome: f.outcome(), Limit: printable(f.Limit), Advice: f.Advice,
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
		v.Steps.addTo(class, number(s.Value), outcome, millis(s.P50), millis(s.P99), thousands(s.Missing), number(s.PerSecond),
			number(s.ServerCPU), number(s.ClientCPU), rss)
	}
	return v
}

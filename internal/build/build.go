// Package build tells what this binary is.
package build

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// Set by -ldflags "-X barrage/internal/build.version=... -X
// barrage/internal/build.commit=..."; else the build information that Go embeds is
// used.
var (
	version string
	commit  string
)

// Info is a version of the program.
type Info struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

// Read returns what is known of this binary.
func Read() Info {
	v := Info{Version: version, Commit: commit, Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = cmp.Or(v.Version, info.Main.Version)
		v.Commit = cmp.Or(v.Commit, revision(info.Settings))
	}
	if v.Version == "" || v.Version == "(devel)" {
		v.Version = "devel"
	}
	v.Commit = cmp.Or(v.Commit, "unknown")
	return v
}

// Collector is the metric of which version runs.
func (i Info) Collector() prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "barrage_build_info",
		Help:        "Always 1; what is running is in the labels.",
		ConstLabels: prometheus.Labels{"version": i.Version, "commit": i.Commit, "goversion": i.Go},
	})
	g.Set(1)
	return g
}

func revision(settings []debug.BuildSetting) string {
	revision, suffix := "", ""
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			suffix = "-modified"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + suffix
}

package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowedImports is the star: what each package may import beside the standard
// library.
var allowedImports = map[string][]string{
	"barrage/frame":            {"github.com/gobwas/ws", "github.com/klauspost/compress/flate", "github.com/valyala/bytebufferpool"},
	"barrage/netpoll":          {"github.com/mailru/easygo", "golang.org/x/sys/unix"},
	"barrage/fanout":           {"barrage/internal/shrinkmap", "github.com/valyala/bytebufferpool"},
	"barrage/redisbridge":      {"barrage/internal/broker", "barrage/edge/presence", "barrage/edge/standing", "github.com/redis/go-redis"},
	"barrage/web":              {},
	"barrage/edge":             {"barrage/netpoll", "barrage/frame", "barrage/fanout", "barrage/edge", "barrage/internal"},
	"barrage/edge/auth":        {"barrage/internal/broker", "github.com/golang-jwt/jwt", "github.com/go-jose/go-jose"},
	"barrage/internal/broker":  {"barrage/internal/shrinkmap", "barrage/internal/refusal"},
	"barrage/edge/events":      {"barrage/internal/broker"},
	"barrage/edge/presence":    {},
	"barrage/edge/standing":    {},
	"barrage/loadtest":         {"barrage/loadtest"},
	"barrage/loadtest/plan":    {"barrage/loadtest/stamp", "github.com/spf13/pflag", "go.yaml.in/yaml", "golang.org/x/sys/unix"},
	"barrage/loadtest/stamp":   {},
	"barrage/loadtest/tally":   {"github.com/HdrHistogram/hdrhistogram-go"},
	"barrage/loadtest/swarm":   {"barrage/netpoll", "barrage/frame", "barrage/internal/paged", "barrage/loadtest"},
	"barrage/loadtest/agent":   {"barrage/loadtest", "golang.org/x/sys/unix"},
	"barrage/loadtest/publish": {"barrage/loadtest", "github.com/redis/go-redis", "golang.org/x/sys/unix"},
	"barrage/loadtest/probe":   {"github.com/prometheus", "golang.org/x/sys/unix"},
	"barrage/loadtest/assert":  {},
	"barrage/loadtest/bench":   {"barrage/loadtest/probe", "barrage/loadtest/report", "github.com/prometheus/procfs", "golang.org/x/sys/unix"},
	"barrage/loadtest/token":   {"barrage/edge/auth"},
	"barrage/loadtest/report":  {"barrage/loadtest", "golang.org/x/sys/unix"},
	"barrage/api": {
		"barrage/internal/broker", "github.com/prometheus/client_golang", "github.com/valyala/bytebufferpool", "go.yaml.in/yaml",
	},
	"barrage/internal/shrinkmap": {},
	"barrage/internal/refusal":   {},
	"barrage/internal/striped":   {},
	"barrage/internal/random":    {},
	"barrage/internal/paged":     {},
}

// TestStar: the libraries know nothing of each other, and only edge and this
// command bring them together.
func TestStar(t *testing.T) {
	for pkg, allowed := range allowedImports {
		for _, imp := range goList(t, "{{join .Imports \"\\n\"}}", pkg) {
			first, _, _ := strings.Cut(imp, "/")
			external := strings.Contains(first, ".") || first == "barrage"
			if imp == "testing" || external && !slices.ContainsFunc(allowed, func(a string) bool { return strings.HasPrefix(imp+"/", a+"/") }) {
				t.Errorf("%s imports %s", pkg, imp)
			}
		}
	}
}

func TestPackageComments(t *testing.T) {
	for _, line := range goList(t, "{{.ImportPath}}\t{{.Doc}}", "barrage/...") {
		if pkg, doc, _ := strings.Cut(line, "\t"); doc == "" {
			t.Errorf("%s has no package comment", pkg)
		}
	}
}

func goList(t *testing.T, format string, pkg string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", format, pkg).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

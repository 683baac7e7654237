package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowedImports is the star: what each package may import beside the standard
// library. Packages of ours are meant one by one, modules with all they have.
var allowedImports = map[string][]string{
	"barrage/api": {
		"barrage/internal/bounds", "barrage/internal/broker", "barrage/internal/document", "barrage/internal/refusal",
		"barrage/internal/whole", "github.com/prometheus/client_golang", "github.com/valyala/bytebufferpool",
		"go.yaml.in/yaml",
	},
	"barrage/api/client": {},
	"barrage/client":     {"github.com/coder/websocket", "golang.org/x/text/unicode/norm"},
	"barrage/fanout": {
		"barrage/internal/paged", "barrage/internal/shrinkmap", "barrage/internal/striped",
		"github.com/valyala/bytebufferpool",
	},
	"barrage/frame": {
		"github.com/gobwas/ws", "github.com/klauspost/compress", "github.com/valyala/bytebufferpool",
		"golang.org/x/net/idna",
	},
	"barrage/netpoll": {"barrage/internal/paged", "github.com/mailru/easygo", "golang.org/x/sys/unix"},
	"barrage/redisbridge": {
		"barrage/edge/moderation/replica", "barrage/edge/presence", "barrage/internal/bounds", "barrage/internal/broker",
		"barrage/internal/broker/keys", "barrage/internal/broker/turns", "barrage/internal/fair",
		"barrage/internal/random", "barrage/internal/shrinkmap", "barrage/internal/striped", "barrage/internal/textfile",
		"github.com/redis/go-redis",
	},
	"barrage/redisbridge/queues": {
		"barrage/internal/bounds", "barrage/internal/broker", "barrage/internal/quietlog", "barrage/internal/random",
		"barrage/internal/refusal", "github.com/redis/go-redis",
	},
	"barrage/web": {},

	"barrage/edge": {
		"barrage/edge/auth", "barrage/edge/auth/keyring", "barrage/edge/conn", "barrage/edge/delivery",
		"barrage/edge/direct", "barrage/edge/echo", "barrage/edge/events", "barrage/edge/handshake",
		"barrage/edge/history", "barrage/edge/hooks", "barrage/edge/mailbox", "barrage/edge/moderation",
		"barrage/edge/moderation/replica", "barrage/edge/node", "barrage/edge/paths", "barrage/edge/post",
		"barrage/edge/presence", "barrage/edge/proxy", "barrage/edge/publish", "barrage/edge/raw", "barrage/edge/requests",
		"barrage/edge/share", "barrage/edge/sse", "barrage/edge/tcp", "barrage/edge/trace", "barrage/edge/v1",
		"barrage/edge/wait", "barrage/edge/ws", "barrage/fanout", "barrage/frame", "barrage/internal/bounds",
		"barrage/internal/broker", "barrage/internal/broker/memory", "barrage/internal/document", "barrage/internal/fair",
		"barrage/internal/limits", "barrage/internal/random", "barrage/internal/refusal", "barrage/netpoll",
	},
	"barrage/edge/admin": {
		"barrage/api", "barrage/edge", "barrage/edge/auth/keyring", "barrage/edge/events", "barrage/edge/presence",
		"barrage/edge/requests", "barrage/edge/trace", "barrage/internal/broker", "barrage/internal/random",
		"barrage/internal/refusal",
	},
	"barrage/edge/auth": {
		"barrage/edge/auth/keyring", "barrage/internal/bounds", "barrage/internal/broker", "barrage/internal/fair",
		"barrage/internal/limits", "barrage/internal/outbound", "barrage/internal/refusal", "barrage/internal/whole",
		"barrage/internal/workers", "github.com/go-jose/go-jose", "github.com/golang-jwt/jwt",
	},
	"barrage/edge/auth/keyring": {"barrage/internal/broker"},
	"barrage/edge/auth/token": {
		"barrage/edge/auth", "barrage/internal/refusal", "barrage/internal/settings", "barrage/internal/textfile",
	},
	"barrage/edge/conn": {
		"barrage/edge/auth", "barrage/edge/presence", "barrage/fanout", "barrage/internal/bounds",
		"barrage/internal/broker", "barrage/internal/fair", "barrage/internal/paged", "barrage/internal/shrinkmap",
		"barrage/internal/striped", "barrage/netpoll",
	},
	"barrage/edge/delivery": {
		"barrage/edge/publish", "barrage/fanout", "barrage/internal/broker", "barrage/internal/striped",
		"github.com/valyala/bytebufferpool",
	},
	"barrage/edge/direct": {
		"barrage/edge/conn", "barrage/fanout", "barrage/internal/bounds", "barrage/internal/broker",
		"barrage/internal/fair", "barrage/internal/random",
	},
	"barrage/edge/echo": {"barrage/edge/conn", "barrage/edge/node"},
	"barrage/edge/events": {
		"barrage/internal/bounds", "barrage/internal/broker", "barrage/internal/fair", "barrage/internal/limits",
		"barrage/internal/outbound", "barrage/internal/quietlog", "barrage/internal/random", "barrage/internal/refusal",
		"github.com/gammazero/deque",
	},
	"barrage/edge/handshake": {
		"barrage/edge/auth", "barrage/edge/auth/keyring", "barrage/edge/conn", "barrage/edge/hooks", "barrage/edge/node",
		"barrage/edge/paths", "barrage/edge/proxy", "barrage/edge/wait", "barrage/fanout", "barrage/frame",
		"barrage/internal/bounds", "barrage/internal/broker", "barrage/internal/fair", "barrage/internal/quietlog",
		"barrage/internal/refusal",
	},
	"barrage/edge/history": {
		"barrage/edge/conn", "barrage/internal/bounds", "barrage/internal/broker", "barrage/internal/fair",
		"barrage/internal/refusal", "barrage/internal/workers",
	},
	"barrage/edge/hooks": {
		"barrage/edge/auth", "barrage/edge/events", "barrage/internal/bounds", "barrage/internal/broker",
		"barrage/internal/fair", "barrage/internal/limits", "barrage/internal/outbound", "barrage/internal/quietlog",
		"barrage/internal/refusal", "barrage/internal/whole", "barrage/internal/workers",
	},
	"barrage/edge/mailbox": {
		"barrage/edge/conn", "barrage/edge/history", "barrage/edge/presence", "barrage/edge/publish", "barrage/edge/share",
		"barrage/fanout", "barrage/internal/broker", "barrage/internal/fair", "barrage/internal/shrinkmap",
		"barrage/internal/workers",
	},
	"barrage/edge/moderation": {
		"barrage/edge/auth", "barrage/edge/auth/keyring", "barrage/edge/conn", "barrage/edge/events",
		"barrage/edge/moderation/replica", "barrage/edge/publish", "barrage/fanout", "barrage/internal/bounds",
		"barrage/internal/broker", "barrage/internal/refusal", "github.com/gaissmai/bart",
	},
	"barrage/edge/moderation/replica": {},
	"barrage/edge/node": {
		"barrage/edge/auth", "barrage/edge/conn", "barrage/edge/delivery", "barrage/edge/events", "barrage/edge/hooks",
		"barrage/edge/mailbox", "barrage/edge/moderation", "barrage/edge/presence", "barrage/edge/publish",
		"barrage/edge/requests", "barrage/edge/wait", "barrage/frame", "barrage/internal/broker",
		"barrage/internal/refusal", "barrage/internal/workers",
	},
	"barrage/edge/paths": {},
	"barrage/edge/post": {
		"barrage/edge/conn", "barrage/edge/hooks", "barrage/edge/node", "barrage/edge/publish", "barrage/edge/v1",
		"barrage/frame", "barrage/internal/broker", "barrage/internal/refusal",
	},
	"barrage/edge/presence": {
		"barrage/internal/bounds", "barrage/internal/broker", "barrage/internal/limits", "barrage/internal/striped",
	},
	"barrage/edge/proxy": {"github.com/pires/go-proxyproto"},
	"barrage/edge/publish": {
		"barrage/edge/auth", "barrage/edge/auth/keyring", "barrage/edge/conn", "barrage/edge/events",
		"barrage/internal/broker", "barrage/internal/refusal",
	},
	"barrage/edge/raw": {
		"barrage/edge/auth", "barrage/edge/conn", "barrage/edge/hooks", "barrage/edge/node", "barrage/edge/publish",
		"barrage/edge/wait", "barrage/internal/broker", "barrage/internal/paged", "barrage/internal/refusal",
		"barrage/internal/shrinkmap", "github.com/valyala/bytebufferpool",
	},
	"barrage/edge/requests": {
		"barrage/edge/events", "barrage/internal/bounds", "barrage/internal/broker", "barrage/internal/fair",
		"barrage/internal/refusal",
	},
	"barrage/edge/share": {"barrage/internal/bounds", "barrage/internal/fair", "barrage/internal/workers"},
	"barrage/edge/sse": {
		"barrage/edge/conn", "barrage/edge/delivery", "barrage/edge/history", "barrage/edge/node", "barrage/edge/publish",
		"barrage/edge/share", "barrage/edge/v1", "barrage/fanout", "barrage/frame", "barrage/internal/bounds",
		"barrage/internal/broker", "barrage/internal/fair", "barrage/internal/paged", "barrage/internal/refusal",
		"barrage/internal/shrinkmap", "github.com/valyala/bytebufferpool",
	},
	"barrage/edge/tcp": {
		"barrage/edge/conn", "barrage/edge/node", "barrage/edge/v1", "barrage/fanout", "barrage/frame",
		"barrage/internal/bounds",
	},
	"barrage/edge/trace": {
		"barrage/edge/conn", "barrage/internal/bounds", "barrage/internal/broker", "barrage/internal/random",
		"barrage/internal/refusal",
	},
	"barrage/edge/v1": {
		"barrage/edge/auth", "barrage/edge/conn", "barrage/edge/delivery", "barrage/edge/events", "barrage/edge/history",
		"barrage/edge/hooks", "barrage/edge/mailbox", "barrage/edge/node", "barrage/edge/presence", "barrage/edge/publish",
		"barrage/edge/requests", "barrage/edge/share", "barrage/edge/wait", "barrage/internal/bounds",
		"barrage/internal/broker", "barrage/internal/fair", "barrage/internal/paged", "barrage/internal/refusal",
		"barrage/internal/shrinkmap", "barrage/internal/whole", "github.com/valyala/bytebufferpool",
	},
	"barrage/edge/wait": {},
	"barrage/edge/ws":   {"barrage/edge/conn", "barrage/fanout", "barrage/frame", "barrage/internal/bounds"},

	"barrage/loadtest": {
		"barrage/edge/auth", "barrage/internal/build", "barrage/internal/settings", "barrage/loadtest/agent",
		"barrage/loadtest/assert", "barrage/loadtest/plan", "barrage/loadtest/probe", "barrage/loadtest/publish",
		"barrage/loadtest/report", "barrage/loadtest/stamp", "barrage/loadtest/swarm", "barrage/loadtest/tally",
		"github.com/spf13/pflag",
	},
	"barrage/loadtest/agent":  {"barrage/internal/build", "barrage/loadtest/plan", "barrage/loadtest/swarm", "golang.org/x/sys/unix"},
	"barrage/loadtest/assert": {},
	"barrage/loadtest/bench": {
		"barrage/loadtest", "barrage/loadtest/hostile", "barrage/loadtest/probe", "barrage/loadtest/report",
		"github.com/prometheus/procfs", "golang.org/x/sys/unix",
	},
	"barrage/loadtest/hostile": {
		"barrage/edge/auth/keyring", "barrage/edge/v1", "barrage/frame", "barrage/loadtest", "barrage/loadtest/agent",
		"barrage/loadtest/plan", "barrage/loadtest/probe", "barrage/loadtest/stamp", "barrage/loadtest/swarm",
		"barrage/loadtest/tally", "github.com/prometheus/procfs", "github.com/redis/go-redis", "github.com/spf13/pflag",
	},
	"barrage/loadtest/plan": {"barrage/internal/settings", "barrage/loadtest/stamp", "github.com/spf13/pflag", "go.yaml.in/yaml"},
	"barrage/loadtest/probe": {
		"barrage/internal/outbound", "github.com/prometheus/client_model", "github.com/prometheus/common",
		"github.com/prometheus/procfs", "golang.org/x/sys/unix",
	},
	"barrage/loadtest/publish": {
		"barrage/internal/outbound", "barrage/loadtest/plan", "barrage/loadtest/stamp", "barrage/loadtest/swarm",
		"barrage/loadtest/tally", "github.com/redis/go-redis", "golang.org/x/sys/unix",
	},
	"barrage/loadtest/report": {
		"barrage/loadtest/plan", "barrage/loadtest/probe", "barrage/loadtest/tally", "golang.org/x/sys/unix",
	},
	"barrage/loadtest/stamp": {},
	"barrage/loadtest/swarm": {
		"barrage/frame", "barrage/internal/paged", "barrage/loadtest/plan", "barrage/loadtest/probe",
		"barrage/loadtest/stamp", "barrage/loadtest/tally", "barrage/netpoll", "github.com/gammazero/deque",
	},
	"barrage/loadtest/tally": {"github.com/HdrHistogram/hdrhistogram-go"},

	"barrage/internal/bounds": {},
	"barrage/internal/broker": {
		"barrage/internal/bounds", "barrage/internal/fair", "barrage/internal/refusal", "golang.org/x/text/unicode/norm",
	},
	"barrage/internal/broker/keys": {
		"barrage/internal/broker", "barrage/internal/fair", "barrage/internal/shrinkmap", "github.com/gammazero/deque",
	},
	"barrage/internal/broker/memory": {
		"barrage/internal/bounds", "barrage/internal/broker", "barrage/internal/broker/keys",
		"barrage/internal/broker/sampling", "barrage/internal/broker/turns", "barrage/internal/fair",
		"barrage/internal/random", "barrage/internal/shrinkmap", "barrage/internal/striped",
	},
	"barrage/internal/broker/sampling": {"barrage/internal/bounds"},
	"barrage/internal/broker/turns":    {"barrage/internal/bounds", "github.com/gammazero/deque"},
	"barrage/internal/build":           {"github.com/prometheus/client_golang"},
	"barrage/internal/config": {
		"barrage/api", "barrage/edge/auth", "barrage/edge/auth/keyring", "barrage/edge/events", "barrage/edge/hooks",
		"barrage/edge/paths", "barrage/edge/proxy", "barrage/edge/tcp", "barrage/fanout", "barrage/frame",
		"barrage/internal/broker", "barrage/internal/settings", "barrage/internal/textfile", "barrage/netpoll",
		"barrage/redisbridge", "barrage/redisbridge/queues", "github.com/spf13/pflag",
	},
	"barrage/internal/document":  {},
	"barrage/internal/fair":      {"barrage/internal/bounds"},
	"barrage/internal/footprint": {"github.com/prometheus/client_golang", "github.com/prometheus/procfs", "golang.org/x/sys/unix"},
	"barrage/internal/limits":    {},
	"barrage/internal/lines":     {"barrage/internal/bounds"},
	"barrage/internal/machine":   {"barrage/internal/bounds", "golang.org/x/sys/unix"},
	"barrage/internal/metrics": {
		"barrage/edge", "barrage/edge/auth", "barrage/edge/events", "barrage/edge/hooks", "barrage/edge/requests",
		"barrage/fanout", "barrage/internal/lines", "barrage/netpoll", "barrage/redisbridge", "barrage/redisbridge/queues",
		"github.com/prometheus/client_golang",
	},
	"barrage/internal/outbound": {},
	"barrage/internal/paged":    {},
	"barrage/internal/quietlog": {},
	"barrage/internal/random":   {},
	"barrage/internal/refusal":  {},
	"barrage/internal/settings": {
		"barrage/internal/textfile", "github.com/go-viper/mapstructure", "github.com/knadh/koanf",
		"github.com/spf13/pflag", "go.yaml.in/yaml",
	},
	"barrage/internal/shrinkmap": {},
	"barrage/internal/striped":   {},
	"barrage/internal/textfile":  {},
	"barrage/internal/whole":     {},
	"barrage/internal/workers":   {"barrage/internal/bounds", "barrage/internal/fair"},
}

// unbound may import what they like: this command, examples, tests' helpers, the load test's
// other servers.
var unbound = []string{"barrage/cmd", "barrage/examples", "barrage/edge/edgetest", "barrage/internal/doctable", "barrage/internal/redistest", "barrage/internal/broker/brokertest", "barrage/loadtest/peers"}

// TestStar: the libraries know nothing of each other. Every package has a row.
func TestStar(t *testing.T) {
	for _, line := range goList(t, "{{.ImportPath}} {{join .Imports \" \"}}", "barrage/...") {
		imports := strings.Fields(line)
		pkg := imports[0]
		if slices.ContainsFunc(unbound, func(dir string) bool { return strings.HasPrefix(pkg+"/", dir+"/") }) {
			continue
		}
		allowed, ok := allowedImports[pkg]
		if !ok {
			t.Errorf("%s has no row", pkg)
		}
		for _, imp := range imports[1:] {
			first, _, _ := strings.Cut(imp, "/")
			external := strings.Contains(first, ".") || first == "barrage"
			covers := func(a string) bool { return imp == a || first != "barrage" && strings.HasPrefix(imp, a+"/") }
			if imp == "testing" || external && !slices.ContainsFunc(allowed, covers) {
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

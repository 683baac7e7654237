package machine

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// box describes a machine: files under its root.
type box map[string]string

// bigBox has room for a million connections and nothing to complain about.
func bigBox() box {
	return box{
		"proc/self/limits": "Limit  Soft Limit  Hard Limit  Units\n" +
			"Max processes             96365                96365                processes\n" +
			"Max open files            1024                 1048576              files\n",
		"proc/sys/fs/nr_open":                             "1048576\n",
		"proc/sys/fs/file-max":                            "9223372036854775807\n",
		"proc/sys/fs/file-nr":                             "1000\t0\t9223372036854775807\n",
		"proc/sys/fs/epoll/max_user_watches":              "5491511\n",
		"proc/sys/net/core/somaxconn":                     "4096\n",
		"proc/sys/net/ipv4/tcp_max_syn_backlog":           "4096\n",
		"proc/sys/net/ipv4/tcp_mem":                       "3000000\t4000000\t6000000\n",
		"proc/sys/net/ipv4/ip_local_port_range":           "32768\t60999\n",
		"proc/sys/net/ipv4/tcp_available_ulp":             "mptcp tls\n",
		"proc/sys/kernel/osrelease":                       "6.1.0-28-cloud-amd64\n",
		"proc/meminfo":                                    "MemTotal:       24684084 kB\nMemFree:        24337264 kB\n",
		"proc/self/cgroup":                                "0::/system.slice/barrage.service\n",
		"sys/kernel/mm/transparent_hugepage/enabled":      "always [madvise] never\n",
		"sys/fs/cgroup/system.slice/memory.max":           "max\n",
		"sys/fs/cgroup/system.slice/barrage.service/x":    "",
		"sys/fs/cgroup/memory/not/used/in/version/two/at": "",
	}
}

// with gives the box with one file changed; an empty text removes it.
func (b box) with(name, text string) box {
	changed := box{}
	for k, v := range b {
		changed[k] = v
	}
	changed[name] = text
	if text == "" {
		delete(changed, name)
	}
	return changed
}

func (b box) build(t *testing.T) Machine {
	t.Helper()
	root := t.TempDir()
	for name, text := range b {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Machine{root}
}

func TestFirstLimit(t *testing.T) {
	limits := func(hard string) string {
		return "Max open files            1024                 " + hard + "                files\n"
	}
	meminfo := func(kb int) string { return fmt.Sprintf("MemTotal:       %d kB\n", kb) }
	const mem512 = (512<<20 - 512<<20/10 - 64<<20 - 256<<20) / 5120
	tests := []struct {
		name   string
		box    box
		use    Use
		first  string
		conns  int64
		missed bool
		holds  []string // in the report
	}{
		{"ample", bigBox(), Use{}, "nofile soft/hard", 1048064, false, []string{"Set target_connections"}},
		{"target met", bigBox(), Use{Target: 1000000}, "nofile soft/hard", 1048064, false, []string{"The 1000000 wanted can be met."}},
		{"target missed", bigBox(), Use{Target: 2000000}, "nofile soft/hard", 1048064, true,
			[]string{"ulimit -Hn 2000512", "LimitNOFILE=2000512", "sysctl -w fs.nr_open=2000512", "cannot be met"}},
		{"hard nofile", bigBox().with("proc/self/limits", limits("20000")), Use{Target: 19489}, "nofile soft/hard", 19488, true, []string{"TOO LOW"}},
		{"hard nofile just enough", bigBox().with("proc/self/limits", limits("20000")), Use{Target: 19488}, "nofile soft/hard", 19488, false, nil},
		{"small nofile", bigBox().with("proc/self/limits", limits("1024")), Use{}, "nofile soft/hard", 768, false, []string{"ulimit -Hn 1048576"}},
		{"unlimited nofile", bigBox().with("proc/self/limits", limits("unlimited")), Use{}, "fs.nr_open", 1048064, false, []string{"1024/unlimited"}},
		{"nr_open", bigBox().with("proc/sys/fs/nr_open", "65536\n"), Use{}, "fs.nr_open", 65024, false, []string{"sysctl -w fs.nr_open=1048576"}},
		{"file-max", bigBox().with("proc/sys/fs/file-max", "100000\n"), Use{}, "fs.file-max", 100000 - 1000 - 512, false, []string{"100000 (1000 in use)"}},
		{"watches", bigBox().with("proc/sys/fs/epoll/max_user_watches", "5000\n"), Use{}, "fs.epoll.max_user_watches", 4488, false, nil},
		{"conntrack", bigBox().with("proc/sys/net/netfilter/nf_conntrack_max", "65536\n").with("proc/sys/net/netfilter/nf_conntrack_count", "536\n"), Use{},
			"net.netfilter.nf_conntrack_max", 65000, false, nil},
		{"conntrack idle", bigBox().with("proc/sys/net/netfilter/nf_conntrack_max", "65536\n").with("proc/sys/net/netfilter/nf_conntrack_count", "0\n"), Use{},
			"nofile soft/hard", 1048064, false, []string{"tracks nothing at present"}},
		{"memory of the machine", bigBox().with("proc/meminfo", meminfo(512<<10)), Use{}, "memory", mem512, false, []string{"512 MiB (MemTotal)"}},
		{"memory of the group", bigBox().with("sys/fs/cgroup/system.slice/barrage.service/memory.max", "536870912\n"), Use{}, "memory", mem512, false, []string{"512 MiB (cgroup memory.max)"}},
		{"memory of the group above", bigBox().with("sys/fs/cgroup/system.slice/memory.max", "536870912\n"), Use{}, "memory", mem512, false, nil},
		{"memory in a container", bigBox().with("sys/fs/cgroup/memory.max", "536870912\n").with("proc/self/cgroup", "0::/../../elsewhere\n"), Use{}, "memory", mem512, false, nil},
		{"memory of a version 1 group", bigBox().with("proc/self/cgroup", "8:cpu:/\n4:memory:/a/b\n0::/\n").
			with("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "536870912\n").
			with("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"), Use{}, "memory", mem512, false, []string{"cgroup memory.limit_in_bytes"}},
		{"memory too small for the logs", bigBox().with("proc/meminfo", meminfo(1<<10)), Use{Target: 1}, "memory", 0, true, nil},
		{"smaller logs leave more", bigBox().with("proc/meminfo", meminfo(512<<10)), Use{LogBytes: 64 << 20}, "memory", (512<<20 - 512<<20/10 - 128<<20) / 5120, false, nil},
		{"the setting itself", bigBox(), Use{Target: 6000, MaxConnections: 5000}, "max_connections", 5000, true, []string{"--max-connections 6000"}},
		{"the setting as target", bigBox(), Use{MaxConnections: 5000}, "max_connections", 5000, false, []string{"The 5000 wanted can be met."}},
		{"short queues", bigBox().with("proc/sys/net/core/somaxconn", "128\n"), Use{}, "nofile soft/hard", 1048064, false,
			[]string{"128 (backlog 4096)", "sysctl -w net.core.somaxconn=4096"}},
		{"little tcp_mem", bigBox().with("proc/sys/net/ipv4/tcp_mem", "1000\t2000\t3000\n"), Use{Target: 100000}, "nofile soft/hard", 1048064, false,
			[]string{`sysctl -w net.ipv4.tcp_mem="140625 187500 281250"`}},
		{"huge pages", bigBox().with("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"), Use{}, "nofile soft/hard", 1048064, false, []string{"echo madvise >"}},
		{"old kernel", bigBox().with("proc/sys/kernel/osrelease", "3.2.0-4-amd64\n"), Use{}, "nofile soft/hard", 1048064, false, []string{"no SO_REUSEPORT"}},
		{"no tls", bigBox().with("proc/sys/net/ipv4/tcp_available_ulp", ""), Use{}, "nofile soft/hard", 1048064, false, []string{"modprobe tls"}},
		{"garbage", bigBox().with("proc/sys/fs/nr_open", "many\n").with("proc/self/limits", "Max open files x\n").with("proc/meminfo", "MemTotal: lots kB\n").with("proc/sys/kernel/osrelease", "x\n"), Use{},
			"fs.epoll.max_user_watches", 5490999, false, []string{"unreadable"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := tt.use
			u.LogBytes, u.Backlog = cmp.Or(u.LogBytes, 256<<20), 4096
			r := tt.box.build(t).Examine(u)
			if r.First == nil || r.First.Name != tt.first || r.First.Connections != tt.conns {
				t.Fatalf("first limit %+v, want %s with %d", r.First, tt.first, tt.conns)
			}
			if r.Missed() != tt.missed {
				t.Errorf("missed: %v", !tt.missed)
			}
			var out bytes.Buffer
			if err := r.Print(&out); err != nil {
				t.Fatal(err)
			}
			for _, text := range append(tt.holds, fmt.Sprintf("%s limits first: %d connections", tt.first, tt.conns)) {
				if !strings.Contains(out.String(), text) {
					t.Errorf("the report does not hold %q:\n%s", text, &out)
				}
			}
		})
	}
}

func TestWithoutProc(t *testing.T) {
	r := Machine{t.TempDir()}.Examine(Use{})
	if r.First != nil || !strings.Contains(r.Conclusion(), "No limit could be read") {
		t.Errorf("%+v", r)
	}
}

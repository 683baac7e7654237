package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

func (b box) build(t *testing.T) machine {
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
	return machine{root}
}

func TestCheckFindsTheFirstLimit(t *testing.T) {
	limits := func(hard string) string {
		return "Max open files            1024                 " + hard + "                files\n"
	}
	meminfo := func(kb int) string { return fmt.Sprintf("MemTotal:       %d kB\n", kb) }
	const mem512 = (512<<20 - 512<<20/10 - 64<<20 - 256<<20) / 5120
	tests := []struct {
		name  string
		box   box
		flags []string
		first string
		conns int64
		code  int
		holds []string // in the report
	}{
		{"ample", bigBox(), nil, "nofile soft/hard", 1048064, 0, []string{"Set target_connections"}},
		{"target met", bigBox(), []string{"--target-connections=1000000"}, "nofile soft/hard", 1048064, 0, []string{"The 1000000 wanted can be met."}},
		{"target missed", bigBox(), []string{"--target-connections=2000000"}, "nofile soft/hard", 1048064, 1,
			[]string{"ulimit -Hn 2000512", "LimitNOFILE=2000512", "sysctl -w fs.nr_open=2000512", "cannot be met"}},
		{"hard nofile", bigBox().with("proc/self/limits", limits("20000")), []string{"--target-connections=19489"}, "nofile soft/hard", 19488, 1, []string{"TOO LOW"}},
		{"hard nofile just enough", bigBox().with("proc/self/limits", limits("20000")), []string{"--target-connections=19488"}, "nofile soft/hard", 19488, 0, nil},
		{"small nofile", bigBox().with("proc/self/limits", limits("1024")), nil, "nofile soft/hard", 768, 0, []string{"ulimit -Hn 1048576"}},
		{"unlimited nofile", bigBox().with("proc/self/limits", limits("unlimited")), nil, "fs.nr_open", 1048064, 0, []string{"1024/unlimited"}},
		{"nr_open", bigBox().with("proc/sys/fs/nr_open", "65536\n"), nil, "fs.nr_open", 65024, 0, []string{"sysctl -w fs.nr_open=1048576"}},
		{"file-max", bigBox().with("proc/sys/fs/file-max", "100000\n"), nil, "fs.file-max", 100000 - 1000 - 512, 0, []string{"100000 (1000 in use)"}},
		{"watches", bigBox().with("proc/sys/fs/epoll/max_user_watches", "5000\n"), nil, "fs.epoll.max_user_watches", 4488, 0, nil},
		{"conntrack", bigBox().with("proc/sys/net/netfilter/nf_conntrack_max", "65536\n").with("proc/sys/net/netfilter/nf_conntrack_count", "536\n"), nil,
			"net.netfilter.nf_conntrack_max", 65000, 0, nil},
		{"conntrack idle", bigBox().with("proc/sys/net/netfilter/nf_conntrack_max", "65536\n").with("proc/sys/net/netfilter/nf_conntrack_count", "0\n"), nil,
			"nofile soft/hard", 1048064, 0, []string{"tracks nothing at present"}},
		{"memory of the machine", bigBox().with("proc/meminfo", meminfo(512<<10)), nil, "memory", mem512, 0, []string{"512 MiB (MemTotal)"}},
		{"memory of the group", bigBox().with("sys/fs/cgroup/system.slice/barrage.service/memory.max", "536870912\n"), nil, "memory", mem512, 0, []string{"512 MiB (cgroup memory.max)"}},
		{"memory of the group above", bigBox().with("sys/fs/cgroup/system.slice/memory.max", "536870912\n"), nil, "memory", mem512, 0, nil},
		{"memory in a container", bigBox().with("sys/fs/cgroup/memory.max", "536870912\n").with("proc/self/cgroup", "0::/../../elsewhere\n"), nil, "memory", mem512, 0, nil},
		{"memory of a version 1 group", bigBox().with("proc/self/cgroup", "8:cpu:/\n4:memory:/a/b\n0::/\n").
			with("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "536870912\n").
			with("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"), nil, "memory", mem512, 0, []string{"cgroup memory.limit_in_bytes"}},
		{"memory too small for the logs", bigBox().with("proc/meminfo", meminfo(1<<10)), []string{"--target-connections=1"}, "memory", 0, 1, nil},
		{"smaller logs leave more", bigBox().with("proc/meminfo", meminfo(512<<10)), []string{"--log-bytes=64MiB"}, "memory", (512<<20 - 512<<20/10 - 128<<20) / 5120, 0, nil},
		{"the setting itself", bigBox(), []string{"--max-connections=5000", "--target-connections=6000"}, "max_connections", 5000, 1, []string{"--max-connections 6000"}},
		{"the setting as target", bigBox(), []string{"--max-connections=5000"}, "max_connections", 5000, 0, []string{"The 5000 wanted can be met."}},
		{"short queues", bigBox().with("proc/sys/net/core/somaxconn", "128\n"), nil, "nofile soft/hard", 1048064, 0,
			[]string{"128 (backlog 4096)", "sysctl -w net.core.somaxconn=4096"}},
		{"little tcp_mem", bigBox().with("proc/sys/net/ipv4/tcp_mem", "1000\t2000\t3000\n"), []string{"--target-connections=100000"}, "nofile soft/hard", 1048064, 0,
			[]string{`sysctl -w net.ipv4.tcp_mem="140625 187500 281250"`}},
		{"huge pages", bigBox().with("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"), nil, "nofile soft/hard", 1048064, 0, []string{"echo madvise >"}},
		{"old kernel", bigBox().with("proc/sys/kernel/osrelease", "3.2.0-4-amd64\n"), nil, "nofile soft/hard", 1048064, 0, []string{"no SO_REUSEPORT"}},
		{"no tls", bigBox().with("proc/sys/net/ipv4/tcp_available_ulp", ""), nil, "nofile soft/hard", 1048064, 0, []string{"modprobe tls"}},
		{"garbage", bigBox().with("proc/sys/fs/nr_open", "many\n").with("proc/self/limits", "Max open files x\n").with("proc/meminfo", "MemTotal: lots kB\n").with("proc/sys/kernel/osrelease", "x\n"), nil,
			"fs.epoll.max_user_watches", 5490999, 0, []string{"unreadable"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := load(t, "", "", tt.flags...)
			if err != nil {
				t.Fatal(err)
			}
			m := tt.box.build(t)
			r := examine(context.Background(), m, &cfg)
			if r.first == nil || r.first.name != tt.first || r.first.connections != tt.conns {
				t.Fatalf("first limit %+v, want %s with %d", r.first, tt.first, tt.conns)
			}
			var stdout, stderr bytes.Buffer
			code := run(context.Background(), &process{args: append([]string{"check"}, tt.flags...), root: m.root, stdout: &stdout, stderr: &stderr})
			if code != tt.code || stderr.Len() > 0 {
				t.Errorf("exit code %d, want %d: %s", code, tt.code, &stderr)
			}
			for _, text := range append(tt.holds, fmt.Sprintf("%s limits first: %d connections", tt.first, tt.conns)) {
				if !strings.Contains(stdout.String(), text) {
					t.Errorf("the report does not hold %q:\n%s", text, &stdout)
				}
			}
		})
	}
}

func TestCheckWithoutProc(t *testing.T) {
	cfg := defaultConfig()
	r := examine(context.Background(), machine{t.TempDir()}, &cfg)
	if r.first != nil || !strings.Contains(r.conclusion(), "No limit could be read") {
		t.Errorf("%+v", r)
	}
}

// The real machine can be read, and a target far past it is missed.
func TestCheckHere(t *testing.T) {
	got := runWith(t, "", "", "check")
	if got.code != exitOK || !strings.Contains(got.stdout, "limits first") {
		t.Errorf("%+v", got)
	}
	if got := runWith(t, "BARRAGE_TARGET_CONNECTIONS=10000000", "", "check"); got.code != exitFailure {
		t.Errorf("ten million: %+v", got)
	}
	if got := runWith(t, "", "", "check", "--shards=-1"); got.code != exitUsage || got.stdout != "" {
		t.Errorf("bad settings: %+v", got)
	}
}

func TestCheckRedis(t *testing.T) {
	socket := startRedis(t)
	got := runWith(t, "", "", "check", "--redis", "unix://"+socket)
	if got.code != exitOK || !strings.Contains(got.stdout, "answers in") {
		t.Errorf("%+v", got)
	}
	got = runWith(t, "", "", "check", "--redis", "unix://"+socket+".no")
	if got.code != exitOK || !strings.Contains(got.stdout, "does not answer") || got.stderr != "" {
		t.Errorf("%+v", got)
	}
}

// startRedis runs a real redis-server on a Unix socket until the test ends.
func startRedis(t *testing.T) (socket string) {
	t.Helper()
	server, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	// A socket's path is short: t.TempDir may be too long.
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	cmd := exec.Command(server, "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--appendonly", "no")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // always "killed"
	})
	eventually(t, "redis answers", func() bool {
		_, err := pingRedis(context.Background(), "unix://"+socket, time.Second)
		return err == nil
	})
	return socket
}

// eventually waits for what must come true within ten seconds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within ten seconds: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

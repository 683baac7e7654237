package main

// This file judges what does not bound connections: the kernel's features, the
// runtime, and whether Redis answers.

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"barrage/redisbridge"
)

// features are the findings about kernel and program.
func (m machine) features(cfg *Config) []finding {
	return []finding{
		m.kernelFinding(), m.tlsFinding(), m.hugePagesFinding(), m.portsFinding(),
		{name: "go", value: fmt.Sprintf("%s, GOMAXPROCS %d, %d shards", runtime.Version(), runtime.GOMAXPROCS(0), shardCount(cfg)),
			connections: unbounded, verdict: verdictInfo},
	}
}

// kernelFinding wants SO_REUSEPORT (3.9) and TCP_USER_TIMEOUT (2.6.37), which
// the server cannot do without; Go itself asks for a newer kernel than both.
func (m machine) kernelFinding() finding {
	release, major, minor, ok := m.kernel()
	if !ok {
		return unread("kernel")
	}
	f := finding{name: "kernel", value: release + ": SO_REUSEPORT, TCP_USER_TIMEOUT", connections: unbounded, verdict: verdictOK}
	if major < 3 || major == 3 && minor < 9 {
		f.value, f.verdict = release+": no SO_REUSEPORT", verdictWarn
		f.note, f.lift = "serve needs SO_REUSEPORT, which came with Linux 3.9", "a newer kernel"
	}
	return f
}

func (m machine) tlsFinding() finding {
	f := finding{name: "kernel tls", value: "not loaded", connections: unbounded, verdict: verdictInfo, lift: "modprobe tls",
		note: "serve speaks no TLS itself at present; terminate it in front"}
	ulps, _ := m.text("proc/sys/net/ipv4/tcp_available_ulp")
	for _, ulp := range strings.Fields(ulps) {
		if ulp == "tls" {
			f.value, f.lift = "loaded", ""
		}
	}
	return f
}

func (m machine) hugePagesFinding() finding {
	modes, ok := m.text("sys/kernel/mm/transparent_hugepage/enabled")
	if !ok {
		return unread("transparent_hugepage")
	}
	_, mode, _ := strings.Cut(modes, "[")
	mode, _, _ = strings.Cut(mode, "]")
	f := finding{name: "transparent_hugepage", value: mode, connections: unbounded, verdict: verdictOK}
	if mode == "always" {
		f.verdict, f.lift = verdictWarn, "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"
		f.note = "with always, resident memory can be a multiple of what is in use"
	}
	return f
}

func (m machine) portsFinding() finding {
	const name = "net.ipv4.ip_local_port_range"
	n, ok := m.numbers(sysctlPath(name), 2)
	if !ok {
		return unread(name)
	}
	return finding{name: name, value: fmt.Sprintf("%d-%d", n[0], n[1]), connections: unbounded, verdict: verdictInfo,
		note: fmt.Sprintf("of a load generator only: it can open %d connections to one address from each of its own", n[1]-n[0]+1)}
}

// redisFinding asks Redis for a PONG.
func redisFinding(ctx context.Context, cfg *Config) finding {
	f := finding{name: "redis", value: "answers", connections: unbounded, verdict: verdictOK}
	took, err := pingRedis(ctx, cfg.Redis, cfg.RedisTimeout)
	if err != nil {
		f.value, f.verdict = "does not answer", verdictWarn
		f.note = strings.Join(strings.Fields(err.Error()), " ") + "; serve starts all the same, not ready until Redis answers"
		return f
	}
	f.value = "answers in " + took.Round(time.Microsecond).String()
	return f
}

func pingRedis(ctx context.Context, url string, timeout time.Duration) (time.Duration, error) {
	client, err := redisbridge.NewClient(redisbridge.Config{URL: url, Timeout: timeout})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*timeout)
	defer cancel()
	start := time.Now()
	err = client.Ping(ctx).Err()
	return time.Since(start), err
}

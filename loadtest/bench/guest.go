package main

// What the guest of the scenario vm does: one server, one load test, and what the
// server and the kernel say of their memory meanwhile. This program is its init, and
// ends by switching the guest off. Nothing else runs there.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"barrage/loadtest/probe"
)

// answerMark begins the line of the console with the outcome.
const answerMark = "=== "

// sample is the memory of the server and of the kernel at one moment, in bytes, and
// some counts.
type sample struct {
	Phase                               string
	RSS, Anonymous, Heap, Freed, Stacks float64
	Slab, Buffers                       float64
	Drops, Timeouts, GivenUp            float64
	GCs, Pause, LongestPause            float64
	Connections, Offered, Delivered     float64
}

// guest never returns.
func guest(ctx context.Context) {
	var o outcomeOfGuest
	if err := o.measure(ctx); err != nil {
		say("%v", err)
		o.Failed = err.Error()
	}
	text, err := json.Marshal(o)
	if err != nil {
		say("%v", err)
	}
	fmt.Printf("%s%s\n", answerMark, text)
	time.Sleep(time.Second) // for the console
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func say(format string, args ...any) {
	var up unix.Sysinfo_t
	_ = unix.Sysinfo(&up) // fails only for a bad pointer
	fmt.Printf("guest: %ds: %s\n", up.Uptime, fmt.Sprintf(format, args...))
}

// setUp makes room for both ends of every connection. The backlog is that of
// loopback, where emulated processors lag behind: room for a message to everybody,
// and its acknowledgements. What is dropped is sent again, ever later, and at last
// the connection is given up (TCP_USER_TIMEOUT).
func setUp() error {
	errs := []error{
		unix.Mount("none", "/proc", "proc", 0, ""),
		unix.Mount("none", "/sys", "sysfs", 0, ""),
		unix.Mount("none", "/dev", "devtmpfs", 0, ""),
		loopbackUp(),
	}
	for name, value := range map[string]string{
		"kernel/printk": "1", // the kernel's messages would fall between ours
		"fs/nr_open":    "3000000", "fs/file-max": "6000000", "net/core/somaxconn": "65535",
		"net/ipv4/tcp_max_syn_backlog": "65535", "net/ipv4/ip_local_port_range": "1024 65535",
		"net/ipv4/tcp_mem": "1000000 2000000 3000000", "net/core/netdev_max_backlog": "4000000",
	} {
		errs = append(errs, os.WriteFile("/proc/sys/"+name, []byte(value), 0o644))
	}
	const files = 2_500_000
	return errors.Join(append(errs, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: files, Max: files}))...)
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

func (o *outcomeOfGuest) measure(ctx context.Context) error {
	if err := setUp(); err != nil {
		return err
	}
	b := &bench{out: "/tmp", work: "/tmp", barrage: "/barrage"}
	defer b.stop()
	text, err := os.ReadFile("/settings.json")
	if err != nil {
		return err
	}
	var s settings
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	// Pings are put off: 300,000 silent viewers are pinged 6,000 times a second, which
	// an emulated processor cannot do beside accepting. -serve may say otherwise.
	n, err := b.startNode(ctx, "server", b.barrage, nil, append([]string{"--log-format", "text", "--ping-interval", "1h"}, strings.Fields(s.Serve)...)...)
	if err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	if err := o.sample(ctx, "empty", n); err != nil {
		return err
	}
	loaded := make(chan error, 1)
	go func() { // ends with the load test
		var err error
		// It waits out --hold before it publishes: time for the idle samples.
		o.Report, err = b.load(ctx, "result", b.barrage, io.Discard, "room", "--plain", "--url", "ws://"+n.public,
			"--publish-url", "http://"+n.admin, "--metrics", "http://"+n.admin+"/metrics", "--preset", raw,
			"--connections", strconv.Itoa(s.Connections), "--rate", fmt.Sprint(s.Rate), "--duration", s.Duration.String(),
			"--hold", (s.Idle + time.Minute).String(), "--drain", "600s", "--pid", join(n.pids()), "--assert", "missing==0")
		loaded <- err
	}()
	if err := o.watch(ctx, s, n, loaded); err != nil {
		return err
	}
	say("waiting for the load test's end")
	if err := <-loaded; err != nil {
		return err
	}
	return o.sample(ctx, "end", n)
}

// watch takes the samples while the load test runs.
func (o *outcomeOfGuest) watch(ctx context.Context, s settings, n node, loaded chan error) error {
	// Reading /metrics costs the server garbage in proportion to its connections
	// (counting open files before Linux 6.2), so only samples and the end do.
	members := func() (float64, error) { return fullest(n) }
	if err := await("members", s.Connections, n, loaded, members); err != nil {
		return err
	}
	if err := o.sample(ctx, "connected", n); err != nil {
		return err
	}
	time.Sleep(s.Idle)
	if err := o.sample(ctx, "idle", n); err != nil {
		return err
	}
	if s.Profile { // takes a collection
		answer, err := get("http://" + n.admin + "/debug/pprof/heap?gc=1")
		if err != nil {
			return err
		}
		o.Profile = answer
		if err := o.sample(ctx, "collected", n); err != nil {
			return err
		}
	}
	say("publishing")
	delivered := func() (float64, error) {
		m, err := probe.Scrape(ctx, "http://"+n.admin+"/metrics")
		return m.Sum("barrage_messages_delivered_total"), err
	}
	err := await("delivered", s.Connections, n, loaded, delivered)
	if errors.Is(err, errOver) { // all was delivered between two looks
		return nil
	}
	return errors.Join(err, o.sample(ctx, "delivering", n))
}

var errOver = errors.New("the load test has ended")

// await waits until a count is that large, for as long as both ends live; the
// scenario bounds the time.
func await(what string, least int, n node, loaded chan error, count func() (float64, error)) error {
	for turn := 0; ; turn++ {
		v, err := count()
		if err == nil && v >= float64(least) {
			return nil
		}
		if turn%6 == 0 {
			say("%s: %.0f of %d", what, v, least)
		}
		select {
		case <-n.ended:
			return fmt.Errorf("the server has ended: %s", lastLine(n.log))
		case err := <-loaded:
			loaded <- err // for who waits for it
			return fmt.Errorf("%w: %s", errOver, lastLine("/tmp/result.txt"))
		case <-time.After(10 * time.Second):
		}
	}
}

// fullest is how many are in the fullest room.
func fullest(n node) (float64, error) {
	answer, err := get("http://" + n.admin + "/v1/rooms?limit=1")
	if err != nil {
		return 0, err
	}
	var list struct {
		Rooms []struct {
			Members float64 `json:"members"`
		} `json:"rooms"`
	}
	if err := json.Unmarshal(answer, &list); err != nil || len(list.Rooms) == 0 {
		return 0, err
	}
	return list.Rooms[0].Members, nil
}

func get(url string) ([]byte, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

// sample looks at everything once.
func (o *outcomeOfGuest) sample(ctx context.Context, phase string, n node) error {
	m, err := probe.Scrape(ctx, "http://"+n.admin+"/metrics")
	if err != nil {
		return err
	}
	s := sample{
		Phase: phase, Heap: m.Sum("go_memstats_heap_inuse_bytes"), Stacks: m.Sum("go_memstats_stack_inuse_bytes"),
		Freed:       m.Sum("go_memstats_heap_idle_bytes") - m.Sum("go_memstats_heap_released_bytes"),
		Connections: m.Sum("barrage_connections"), Offered: m.Sum("barrage_messages_offered_total"), Delivered: m.Sum("barrage_messages_delivered_total"),
	}
	s.GCs, s.Pause, s.LongestPause = m.Collections()
	if err := s.kernel(n.pids()[0]); err != nil {
		return err
	}
	o.Samples = append(o.Samples, s)
	say("%s: RSS %.1f MB, %.0f connections", phase, s.RSS/(1<<20), s.Connections)
	return nil
}

// kernel adds what the kernel tells.
func (s *sample) kernel(pid int) error {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return err
	}
	proc, err := fs.Proc(pid)
	if err != nil {
		return err
	}
	status, err1 := proc.NewStatus()
	netstat, err2 := os.ReadFile("/proc/net/netstat")
	soft, err3 := fs.NetSoftnetStat()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	slab, buffers, _ := probe.KernelMemory()
	s.Slab, s.Buffers = float64(slab), float64(buffers)
	s.RSS, s.Anonymous = float64(status.VmRSS), float64(status.RssAnon)
	s.Timeouts, s.GivenUp = counter(netstat, "TCPTimeouts"), counter(netstat, "TCPAbortOnTimeout")
	for _, cpu := range soft {
		s.Drops += float64(cpu.Dropped) // from the backlog
	}
	return nil
}

// counter is a figure of /proc/net/netstat, where a line of names is before one of
// values. procfs (0.22) does not know TCPAbortOnTimeout.
func counter(netstat []byte, name string) (v float64) {
	lines := strings.Split(string(netstat), "\n")
	for i := 1; i < len(lines); i++ {
		at := slices.Index(strings.Fields(lines[i-1]), name)
		if fields := strings.Fields(lines[i]); at >= 0 && at < len(fields) {
			v, _ = strconv.ParseFloat(fields[at], 64) // the line below the names has numbers
			return v
		}
	}
	return 0
}

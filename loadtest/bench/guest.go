package main

// What the guest of the scenario vm does: one server, one load test, and what the
// server and the kernel say of their memory meanwhile. This program follows its init,
// and ends by switching the guest off. Nothing else runs there.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"barrage/loadtest/probe"
)

// answerTo is the second serial port, whose other end is a file of the host.
const answerTo = "/dev/ttyS1"

// sample is the memory of the server and of the kernel at one moment, and some counts.
type sample struct {
	Phase                    string
	Memory                   []memory // of the same in each sample
	Drops, Timeouts          float64
	GCs, Pause, LongestPause float64
	Offered, Delivered       float64
}

type memory struct {
	Of    string
	Bytes float64
}

// guest never returns.
func guest(ctx context.Context) {
	var o outcome
	if err := o.measure(ctx); err != nil {
		say("%v", err)
		o.Failed = err.Error()
	}
	text, err := json.Marshal(o)
	if err == nil {
		err = os.WriteFile(answerTo, text, 0)
	}
	if err != nil {
		say("%v", err)
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func say(format string, args ...any) {
	var up unix.Sysinfo_t
	_ = unix.Sysinfo(&up) // fails only for a bad pointer
	fmt.Printf("guest: %ds: %s\n", up.Uptime, fmt.Sprintf(format, args...))
}

func (o *outcome) measure(ctx context.Context) error {
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var failed error
	over := make(chan struct{})
	go func() { // ends with the load test
		defer close(over)
		// It waits out --hold before it publishes: time for the idle samples.
		o.Report, failed = b.load(ctx, "result", n, "room", "--url", "ws://"+n.public, "--metrics", n.metrics(), "--preset", raw,
			"--connections", strconv.Itoa(s.Connections), "--rate", fmt.Sprint(s.Rate), "--duration", s.Duration.String(),
			"--hold", (s.Idle + time.Minute).String(), "--drain", "600s", "--assert", "missing==0")
	}()
	watched := o.watch(ctx, s, n, over)
	if watched != nil {
		cancel()
	}
	say("waiting for the load test's end")
	<-over
	if err := errors.Join(watched, failed); err != nil {
		return err
	}
	return errors.Join(o.sample(ctx, "end", n), broken(o.Report))
}

// watch takes the samples while the load test runs.
func (o *outcome) watch(ctx context.Context, s settings, n node, over chan struct{}) error {
	if err := await(ctx, "barrage_memberships", s.Connections, n, over); err != nil {
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
		answer, err := http.Get("http://" + n.admin + "/debug/pprof/heap?gc=1")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if o.Profile, err = io.ReadAll(answer.Body); err != nil {
			return err
		}
		if err := o.sample(ctx, "collected", n); err != nil {
			return err
		}
	}
	say("publishing")
	err := await(ctx, "barrage_messages_delivered_total", s.Connections, n, over)
	if errors.Is(err, errOver) { // all was delivered between two looks
		return nil
	}
	return errors.Join(err, o.sample(ctx, "delivering", n))
}

var errOver = errors.New("the load test has ended")

// await waits until a metric is that large, for as long as both ends live; the
// scenario bounds the time.
func await(ctx context.Context, metric string, least int, n node, over chan struct{}) error {
	for turn := 0; ; turn++ {
		m, err := probe.Scrape(ctx, n.metrics())
		v := m.Sum(metric)
		if err == nil && v >= float64(least) {
			return nil
		}
		if turn%6 == 0 {
			say("%s: %.0f of %d", metric, v, least)
		}
		select {
		case <-n.ended:
			return fmt.Errorf("the server has ended: %s", lastLine(n.log))
		case <-over:
			return fmt.Errorf("%w: %s", errOver, lastLine("/tmp/result.txt"))
		case <-time.After(10 * time.Second):
		}
	}
}

// sample looks at everything once.
func (o *outcome) sample(ctx context.Context, phase string, n node) error {
	m, err1 := probe.Scrape(ctx, n.metrics())
	fs, err2 := procfs.NewDefaultFS()
	proc, err3 := procfs.NewProc(n.pids[0])
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	status, err1 := proc.NewStatus()
	netstat, err2 := proc.Netstat()
	soft, err3 := fs.NetSoftnetStat()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	slab, buffers, _ := probe.KernelMemory()
	s := sample{
		Phase: phase,
		Memory: []memory{
			{"server: resident (RSS)", float64(status.VmRSS)},
			{"of it anonymous", float64(status.RssAnon)},
			{"server: Go heap in use", m.Sum("go_memstats_heap_inuse_bytes")},
			{"freed, not yet given back", m.Sum("go_memstats_heap_idle_bytes") - m.Sum("go_memstats_heap_released_bytes")},
			{"server: Go stacks", m.Sum("go_memstats_stack_inuse_bytes")},
			{"kernel: slab, both ends", float64(slab)},
			{"kernel: TCP buffers, both ends", float64(buffers)},
		},
		Offered: m.Sum("barrage_messages_offered_total"), Delivered: m.Sum("barrage_messages_delivered_total"),
	}
	s.GCs, s.Pause, s.LongestPause = m.Collections()
	if netstat.TCPTimeouts != nil {
		s.Timeouts = *netstat.TCPTimeouts
	}
	for _, cpu := range soft {
		s.Drops += float64(cpu.Dropped) // from the backlog
	}
	o.Samples = append(o.Samples, s)
	say("%s: RSS %.1f MB, %.0f connections", phase, float64(status.VmRSS)/(1<<20), m.Sum("barrage_connections"))
	return nil
}

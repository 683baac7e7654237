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
	Members                  float64
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
	o.look(ctx, n, s)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var failed error
	over := make(chan struct{})
	go func() { // ends with the load test
		defer close(over)
		// It waits out --hold before it publishes: time for samples of idle connections.
		o.Report, failed = b.load(ctx, "result", n, "room", "--url", "ws://"+n.public, "--metrics", n.metrics(), "--preset", raw,
			"--connections", strconv.Itoa(s.Connections), "--rate", fmt.Sprint(s.Rate), "--duration", s.Duration.String(),
			"--hold", (s.Idle + time.Minute).String(), "--drain", "600s", "--assert", "missing==0")
	}()
	for watching := true; watching; {
		select {
		case <-over:
			watching = false
		case <-n.ended:
			watching = false
			cancel() // the load test would go on without it
		case <-time.After(10 * time.Second):
		}
		o.look(ctx, n, s)
	}
	<-over
	if failed != nil {
		return failed
	}
	return broken(o.Report)
}

// look takes a sample. Of those in one phase the last counts.
func (o *outcome) look(ctx context.Context, n node, s settings) {
	taken, err := o.sample(ctx, n, s)
	if err != nil { // the next one may go better
		say("%v", err)
		return
	}
	if last := len(o.Samples) - 1; last >= 0 && o.Samples[last].Phase == taken.Phase {
		o.Samples = o.Samples[:last]
	}
	o.Samples = append(o.Samples, taken)
	say("%s: %.0f members, RSS %.1f MB", taken.Phase, taken.Members, taken.Memory[0].Bytes/(1<<20))
}

// sample looks at everything once.
func (o *outcome) sample(ctx context.Context, n node, set settings) (s sample, err error) {
	m, err1 := probe.Scrape(ctx, n.metrics())
	fs, err2 := procfs.NewDefaultFS()
	proc, err3 := procfs.NewProc(n.pids[0])
	if err := errors.Join(err1, err2, err3); err != nil {
		return s, err
	}
	status, err1 := proc.NewStatus()
	netstat, err2 := proc.Netstat()
	soft, err3 := fs.NetSoftnetStat()
	if err := errors.Join(err1, err2, err3); err != nil {
		return s, err
	}
	slab, buffers, _ := probe.KernelMemory()
	s = sample{
		Memory: []memory{
			{"server: resident (RSS)", float64(status.VmRSS)},
			{"of it anonymous", float64(status.RssAnon)},
			{"server: Go heap in use", m.Sum("go_memstats_heap_inuse_bytes")},
			{"freed, not yet given back", m.Sum("go_memstats_heap_idle_bytes") - m.Sum("go_memstats_heap_released_bytes")},
			{"server: Go stacks", m.Sum("go_memstats_stack_inuse_bytes")},
			{"kernel: slab, both ends", float64(slab)},
			{"kernel: TCP buffers, both ends", float64(buffers)},
		},
		Members: m.Sum("barrage_memberships"), Offered: m.Sum("barrage_messages_offered_total"), Delivered: m.Sum("barrage_messages_delivered_total"),
	}
	s.GCs, s.Pause, s.LongestPause = m.Collections()
	if netstat.TCPTimeouts != nil {
		s.Timeouts = *netstat.TCPTimeouts
	}
	for _, cpu := range soft {
		s.Drops += float64(cpu.Dropped) // from the backlog
	}
	switch {
	case s.Delivered > 0 && s.Members > 0:
		s.Phase = "delivering"
	case s.Delivered > 0:
		s.Phase = "end"
	case s.Members >= float64(set.Connections):
		s.Phase = "idle"
		if set.Profile {
			o.Profile, err = get("http://" + n.admin + "/debug/pprof/heap")
		}
	case s.Members > 0:
		s.Phase = "connecting"
	default:
		s.Phase = "empty"
	}
	return s, err
}

func get(url string) ([]byte, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

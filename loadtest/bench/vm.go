package main

// The scenario vm: a server with very many connections in a QEMU guest, whose
// limits are its own. It runs under emulation, about ten times slower than the
// machine: this measures memory and behaviour, not speed.

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"barrage/loadtest/report"
)

// settings are what the guest is told.
type settings struct {
	Connections int
	Rate        float64
	Duration    time.Duration
	Idle        time.Duration
	Profile     bool
	Serve       string
}

// outcome is what it answers.
type outcome struct {
	Samples []sample
	Report  *report.Report
	Profile []byte
	Failed  string
}

type vm struct {
	*bench
	settings
	accel  string
	memory int // MB
	limit  time.Duration
}

func vmFlags(b *bench, flags *flag.FlagSet) measurement {
	v := &vm{bench: b}
	flags.IntVar(&v.Connections, "connections", 300_000, "viewers in one room of one process")
	// Each message is as many deliveries as there are connections. An emulated
	// machine needs half a minute for one: those that overlap pile up in the kernel,
	// at 3 KB a copy.
	flags.Float64Var(&v.Rate, "rate", 0.033, "messages a second")
	flags.DurationVar(&v.Duration, "duration", 90*time.Second, "how long messages are published")
	flags.DurationVar(&v.Idle, "idle", 30*time.Second, "between the last connect and the idle sample, at least")
	flags.BoolVar(&v.Profile, "profile", false, "also save the heap profile of the idle server, as heap.pprof")
	flags.StringVar(&v.Serve, "serve", "", "further `flags` of barrage serve")
	flags.StringVar(&v.accel, "accel", "tcg,thread=multi", "QEMU's accelerator, or kvm, where there is one")
	flags.IntVar(&v.memory, "memory", 0, "of the guest in MB; 0 is 1,500 and 14 for each 1,000 connections")
	flags.DurationVar(&v.limit, "limit", 0, "longest run; 0 is 15 minutes and 2.5 s for each 1,000 connections")
	return v.run
}

func (v *vm) run(ctx context.Context) (title, body string, err error) {
	// Both ends of a connection take about 8 KB of the guest's kernel, and 2 KB more
	// while messages wait in sockets. QEMU takes only what the guest touches.
	if v.memory == 0 {
		v.memory = 1500 + v.Connections*14/1000
	}
	// Boot, idling and messages, and about 1,200 connections a second; three times
	// that for a busy machine.
	if v.limit == 0 {
		v.limit = 15*time.Minute + time.Duration(v.Connections)*time.Second/400
	}
	if err := install(ctx, "qemu-system-x86", "busybox-static"); err != nil {
		return "", "", err
	}
	if err := v.pack(ctx); err != nil {
		return "", "", err
	}
	fmt.Printf("guest: %d connections, %d MB, at most %s; console in %s\n", v.Connections, v.memory, v.limit, v.console())
	text, err := v.boot(ctx)
	if err != nil {
		return "", "", err
	}
	var o outcome
	if err := json.Unmarshal(text, &o); err != nil || len(o.Samples) == 0 {
		return "", "", fmt.Errorf("the guest has measured nothing (%s); see %s", o.Failed, v.console())
	}
	if v.Profile {
		err = os.WriteFile(filepath.Join(v.out, "heap.pprof"), o.Profile, 0o644)
	}
	if o.Failed != "" {
		err = fmt.Errorf("in the guest: %s", o.Failed)
	}
	return fmt.Sprintf("One process with %s connections", count(v.Connections)), o.section(v.Connections), err
}

func (v *vm) console() string { return filepath.Join(v.out, "console.log") }

// pack makes what the guest boots, in the temporary folder.
func (v *vm) pack(ctx context.Context) error {
	told, err := json.Marshal(v.settings)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(v.work, "settings.json"), told, 0o644); err != nil {
		return err
	}
	_, err = output(ctx, "loadtest/bench/vm/pack.sh", v.work)
	return err
}

// boot runs the guest, shows what it says, and returns its answer when it is off.
func (v *vm) boot(ctx context.Context) (answer []byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, v.limit, fmt.Errorf("no end after %s (-limit); see %s", v.limit, v.console()))
	defer cancel()
	console, err := os.Create(v.console())
	if err != nil {
		return nil, err
	}
	defer console.Close()
	file := filepath.Join(v.out, "result.json")
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", v.accel, "-cpu", "max", "-smp", "2", "-m", strconv.Itoa(v.memory)+"M",
		"-display", "none", "-monitor", "none", "-nic", "none", "-serial", "stdio", "-serial", "file:"+file, "-no-reboot",
		"-kernel", filepath.Join(v.work, "vmlinuz"), "-initrd", filepath.Join(v.work, "init.cpio"),
		"-append", "console=ttyS0 quiet rdinit=/init panic=-1 mitigations=off")
	cmd.Stdout, cmd.Stderr = io.MultiWriter(os.Stdout, console), os.Stderr
	if err := cmd.Run(); ctx.Err() != nil {
		return nil, context.Cause(ctx)
	} else if err != nil {
		return nil, fmt.Errorf("qemu: %w", err)
	}
	return os.ReadFile(file)
}

// section is the outcome as a table.
func (o *outcome) section(connections int) string {
	t := table{{"MB"}}
	first, last, idle := o.Samples[0], o.Samples[len(o.Samples)-1], -1
	for i, s := range o.Samples {
		t[0] = append(t[0], s.Phase)
		if s.Phase == "idle" {
			idle = i
		}
	}
	t[0] = append(t[0], "bytes each")
	for i, memory := range first.Memory {
		cells := []string{memory.Of}
		for _, s := range o.Samples {
			cells = append(cells, fmt.Sprintf("%.1f", s.Memory[i].Bytes/(1<<20)))
		}
		each := "–"
		if idle >= 0 {
			each = thousands((o.Samples[idle].Memory[i].Bytes - memory.Bytes) / float64(connections))
		}
		t.row(append(cells, each)...)
	}
	said := "The load test has written no report.\n"
	if o.Report != nil {
		said = delivered(o.Report)
	}
	return fmt.Sprintf("%s\n%s\nBytes each: idle less empty, divided by %s connections. Both ends: the client is in the same guest, so its kernel holds two sockets for each connection.\n"+
		"GC: %.0f collections; pauses: median %.1f ms, longest %.1f ms (of an emulated processor).\n"+
		"The server counted %s deliveries due and %s made when it was last looked at.\n"+
		"The guest's kernel dropped %s packets of loopback, and sent %s times again after a timeout.\n",
		said, t, count(connections), last.GCs, 1000*last.Pause, 1000*last.LongestPause, thousands(last.Offered), thousands(last.Delivered),
		thousands(last.Drops), thousands(last.Timeouts))
}

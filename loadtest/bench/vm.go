package main

// The scenario vm: a server with very many connections in a QEMU guest, whose
// limits are its own. It runs under emulation, about ten times slower than the
// machine: this measures memory and behaviour, not speed.

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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
	flags.DurationVar(&v.Idle, "idle", 30*time.Second, "between the last connect and the idle sample")
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
	if err := install(ctx, "qemu-system-x86"); err != nil {
		return "", "", err
	}
	kernel, err := v.fetchKernel(ctx)
	if err != nil {
		return "", "", err
	}
	if err := v.pack(ctx); err != nil {
		return "", "", err
	}
	fmt.Printf("guest: %d connections, %d MB, at most %s; console in %s\n", v.Connections, v.memory, v.limit, v.console())
	text, err := v.boot(ctx, kernel)
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

// fetchKernel puts Debian's cloud kernel into the cache: it has the drivers of a
// QEMU guest built in.
func (v *vm) fetchKernel(ctx context.Context) (file string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	file = filepath.Join(cache, "barrage-vm", "vmlinuz")
	if info, err := os.Stat(file); err == nil && info.Size() > 0 {
		return file, nil
	}
	depends, err := output(ctx, "apt-cache", "depends", "linux-image-cloud-amd64")
	_, after, found := strings.Cut(depends, "Depends: ")
	if err != nil || !found {
		return "", fmt.Errorf("no package linux-image-cloud-amd64; is this Debian on amd64, and apt-get update done? %w", err)
	}
	name, _, _ := strings.Cut(after, "\n")
	fmt.Println("fetching", name)
	// As root apt would drop to a user that may not write here, and warn.
	script := `cd "$1" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$2" && dpkg -x ./*.deb . &&
		mkdir -p "${3%/*}" && cp boot/vmlinuz-* "$3.new" && mv "$3.new" "$3"`
	_, err = output(ctx, "sh", "-c", script, "sh", v.work, name, file)
	return file, err
}

func (v *vm) initrd() string { return filepath.Join(v.work, "init.cpio") }

// pack makes the guest's file system: this program, which is its init, a static
// barrage, and the settings.
func (v *vm) pack(ctx context.Context) error {
	f, err := os.Create(v.initrd())
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for _, dir := range []string{"dev", "proc", "sys", "tmp"} {
		cpio(w, dir, 0o40755, nil)
	}
	if _, err := output(ctx, "env", "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "go", "build", "-trimpath", "-o", v.work, "./loadtest/bench", "./cmd/barrage"); err != nil {
		return err
	}
	for _, name := range []string{"bench", "barrage"} {
		data, err := os.ReadFile(filepath.Join(v.work, name))
		if err != nil {
			return err
		}
		cpio(w, name, 0o100755, data)
	}
	told, err := json.Marshal(v.settings)
	if err != nil {
		return err
	}
	cpio(w, "settings.json", 0o100644, told)
	cpio(w, "TRAILER!!!", 0, nil)
	return w.Flush() // with the first error
}

// cpio writes an entry of an archive in the format newc, as the kernel reads it:
// see its documentation, initramfs-buffer-format.
func cpio(w io.Writer, name string, mode int, data []byte) {
	const headerSize = 110
	fill := func(n int) []byte { return make([]byte, (4-n%4)%4) }
	fmt.Fprintf(w, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	fmt.Fprintf(w, "%s\x00%s%s%s", name, fill(headerSize+len(name)+1), data, fill(len(data)))
}

// boot runs the guest, shows what it says, and returns its answer when it is off.
func (v *vm) boot(ctx context.Context, kernel string) (answer []byte, err error) {
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
		"-kernel", kernel, "-initrd", v.initrd(), "-append", "console=ttyS0 quiet rdinit=/bench panic=-1 mitigations=off")
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

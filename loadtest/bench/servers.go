package main

// The table of servers that peers compares: how each is had and started.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// server is one that is compared. To add one: an adapter in a folder of
// loadtest/peers, and a line in servers.
type server struct {
	name   string // on the command line and in file names
	title  string // in tables and plots
	preset string // of barrage loadtest
	module string // whose version is told, of those built here
}

const raw, v1, sse, tcp = "barrage", "barrage.v1", "barrage.sse", "barrage.tcp" // presets

var servers = []server{
	{"barrage", "Barrage", raw, ""},
	{"nchan", "nchan", "nchan", ""},
	{"epoll", "gobwas/ws + epoll", "gorilla", "github.com/gobwas/ws"},
	{"nbio", "nbio", "gorilla", "github.com/lesismal/nbio"},
	{"gws", "gws", "gorilla", "github.com/lxzan/gws"},
	{"gorilla", "gorilla/websocket", "gorilla", "github.com/gorilla/websocket"},
	{"centrifugo", "Centrifugo", "centrifugo", "github.com/centrifugal/centrifugo/v5"},
}

func names(list []server) []string {
	var all []string
	for _, s := range list {
		all = append(all, s.name)
	}
	return all
}

// choose picks servers by name, in the order of the table.
func choose(list string) ([]server, error) {
	if list == "all" {
		return servers, nil
	}
	wanted := strings.Split(list, ",")
	for _, name := range wanted {
		if !slices.Contains(names(servers), name) {
			return nil, fmt.Errorf("-servers: there is no %q, but %s", name, strings.Join(names(servers), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(servers), func(s server) bool { return !slices.Contains(wanted, s.name) }), nil
}

// provide builds or finds a server and tells its version.
func (b *bench) provide(ctx context.Context, s server) (subject, error) {
	switch s.name {
	case "barrage":
		return barrage(ctx, s, b.barrage)
	case "nchan":
		return nchan(ctx, s)
	}
	folder, pkg := "", "./"+s.name
	if s.name == "centrifugo" { // built in a module of its own, with the dependencies of its release
		folder, pkg = "centrifugo", s.module
	}
	folder, err := peersFolder(ctx, folder)
	if err != nil {
		return subject{}, err
	}
	binary := filepath.Join(b.work, s.name)
	if _, err := output(ctx, "go", "build", "-C", folder, "-o", binary, pkg); err != nil {
		return subject{}, &failure{"it could not be built", err}
	}
	version, err := output(ctx, "go", "list", "-C", folder, "-m", "-f", "{{.Version}}", s.module)
	return subject{s, binary, version}, err
}

// peersFolder is a folder of the module of the peers.
func peersFolder(ctx context.Context, name string) (string, error) {
	root, err := output(ctx, "go", "list", "-m", "-f", "{{.Dir}}")
	return filepath.Join(root, "loadtest", "peers", name), err
}

// barrage is a build of Barrage.
func barrage(ctx context.Context, s server, binary string) (subject, error) {
	out, err := output(ctx, binary, "version")
	if err != nil {
		return subject{}, &failure{"it does not tell its version", err}
	}
	line, _, _ := strings.Cut(out, "\n")
	return subject{s, binary, strings.TrimPrefix(line, "barrage ")}, nil
}

// nchan is nginx of Debian's package, which root finds in its PATH and others do not.
func nchan(ctx context.Context, s server) (subject, error) {
	const nginx = "/usr/sbin/nginx"
	for _, file := range []string{nginx, "/usr/lib/nginx/modules/ngx_nchan_module.so"} {
		if _, err := os.Stat(file); err != nil {
			return subject{}, &failure{"it is not installed (apt-get install nginx libnginx-mod-nchan)", err}
		}
	}
	version, err := output(ctx, "dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan")
	if err != nil {
		version = "unknown"
	}
	return subject{s, nginx, version}, nil
}

// serve starts a server. Messages are published at a node's admin address, which
// the others have at the public one.
func (b *bench) serve(ctx context.Context, s subject, name string) (n node, err error) {
	if s.name == "barrage" {
		return b.startNode(ctx, name, s.binary, nil)
	}
	at, err := freePorts(1)
	if err != nil {
		return n, err
	}
	listen := at[0]
	n.public, n.admin = listen, listen
	ready := func(*process) bool { return listens(listen) }
	cmd := exec.Command(s.binary, "-listen", listen)
	switch s.name {
	case "nchan":
		// The port is open before the first of its workers is there.
		ready = func(p *process) bool { return listens(listen) && p.hasWorkers(runtime.NumCPU()) }
		cmd, err = b.nchanCommand(ctx, s, listen)
	case "centrifugo":
		var folder string
		folder, err = peersFolder(ctx, s.name)
		host, port, _ := strings.Cut(listen, ":")
		cmd = exec.Command(s.binary, "--config", filepath.Join(folder, "config.json"), "--address", host, "--port", port)
	}
	if err != nil {
		return n, err
	}
	n.process, err = b.start(ctx, name, cmd, ready)
	return n, err
}

// nchanCommand writes nginx.conf with the port and the number of workers.
func (b *bench) nchanCommand(ctx context.Context, s subject, listen string) (*exec.Cmd, error) {
	folder, err := peersFolder(ctx, s.name)
	if err != nil {
		return nil, err
	}
	config, err := os.ReadFile(filepath.Join(folder, "nginx.conf"))
	if err != nil {
		return nil, err
	}
	edited := strings.NewReplacer(
		"listen 127.0.0.1:8080", "listen "+listen,
		"worker_processes auto", fmt.Sprintf("worker_processes %d", runtime.NumCPU()),
	).Replace(string(config))
	file := filepath.Join(b.work, "nginx.conf")
	return exec.Command(s.binary, "-p", b.work, "-c", file), os.WriteFile(file, []byte(edited), 0o644)
}

// hasWorkers looks whether the process has so many children, and notes them.
func (p *process) hasWorkers(n int) bool {
	all, err := procfs.AllProcs()
	var workers []int
	for _, child := range all {
		if stat, err := child.Stat(); err == nil && stat.PPID == p.cmd.Process.Pid {
			workers = append(workers, child.PID)
		}
	}
	if err != nil || len(workers) != n {
		return false
	}
	p.pids = workers
	return true
}

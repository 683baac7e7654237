package main

// The table of servers that peers compares: how each is had and started.

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
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

func servers() []server {
	return []server{
		{"barrage", "Barrage", raw, ""},
		{"nchan", "nchan", "nchan", ""},
		{"epoll", "gobwas/ws + epoll", "gorilla", "github.com/gobwas/ws"},
		{"nbio", "nbio", "gorilla", "github.com/lesismal/nbio"},
		{"gws", "gws", "gorilla", "github.com/lxzan/gws"},
		{"gorilla", "gorilla/websocket", "gorilla", "github.com/gorilla/websocket"},
		{"centrifugo", "Centrifugo", "centrifugo", "github.com/centrifugal/centrifugo/v5"},
	}
}

func names(list []server) []string {
	var all []string
	for _, s := range list {
		all = append(all, s.name)
	}
	return all
}

// choose picks servers by name, in the order of the table.
func choose(list string) (chosen []server, err error) {
	if list == "all" {
		return servers(), nil
	}
	wanted := strings.Split(list, ",")
	for _, s := range servers() {
		if slices.Contains(wanted, s.name) {
			chosen = append(chosen, s)
		}
	}
	for _, name := range wanted {
		if !slices.Contains(names(servers()), name) {
			return nil, fmt.Errorf("-servers: there is no %q, but %s", name, strings.Join(names(servers()), ", "))
		}
	}
	return chosen, nil
}

// provide builds or finds a server and tells its version.
func (b *bench) provide(ctx context.Context, s server) (c contender, err error) {
	c.server = s
	switch s.name {
	case "barrage":
		c.binary = b.barrage
		out, err := output(ctx, b.barrage, "version")
		if err != nil {
			return c, &failure{"it does not tell its version", err}
		}
		line, _, _ := strings.Cut(out, "\n")
		c.version = strings.TrimPrefix(line, "barrage ")
		return c, nil
	case "nchan":
		c.binary, c.version, err = findNchan(ctx)
		return c, err
	}
	folder, pkg := "", "./"+s.name
	if s.name == "centrifugo" { // built in a module of its own, with the dependencies of its release
		folder, pkg = "centrifugo", s.module
	}
	folder, err = peersFolder(ctx, folder)
	if err != nil {
		return c, err
	}
	c.binary = filepath.Join(b.work, s.name)
	if _, err := output(ctx, "go", "build", "-C", folder, "-o", c.binary, pkg); err != nil {
		return c, &failure{"it could not be built", err}
	}
	c.version, err = versionIn(c.binary, s.module)
	return c, err
}

// peersFolder is a folder of the module of the peers.
func peersFolder(ctx context.Context, name string) (string, error) {
	root, err := output(ctx, "go", "list", "-m", "-f", "{{.Dir}}")
	return filepath.Join(root, "loadtest", "peers", name), err
}

// nginx of Debian's package, which root finds in its PATH and others do not.
const nginx = "/usr/sbin/nginx"

func findNchan(ctx context.Context) (binary, version string, err error) {
	for _, file := range []string{nginx, "/usr/lib/nginx/modules/ngx_nchan_module.so"} {
		if _, err := os.Stat(file); err != nil {
			return "", "", &failure{"it is not installed (apt-get install nginx libnginx-mod-nchan)", err}
		}
	}
	if version, err = output(ctx, "dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan"); err != nil {
		version = "unknown"
	}
	return nginx, version, nil
}

// versionIn reads which version of a module a Go binary was built with.
func versionIn(binary, module string) (string, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "", err
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == module {
			return m.Version, nil
		}
	}
	return "", fmt.Errorf("%s is not in the binary", module)
}

// serve starts a server. Messages are published at a node's admin address, which
// the others have at the public one.
func (b *bench) serve(ctx context.Context, c contender, name string) (n node, err error) {
	if c.name == "barrage" {
		return b.startNode(ctx, name, c.binary, nil)
	}
	at, err := freePorts(1)
	if err != nil {
		return n, err
	}
	n.public, n.admin = at[0], at[0]
	cmd, workers, err := b.command(ctx, c, n.public)
	if err != nil {
		return n, err
	}
	n.process, err = b.start(ctx, name, cmd, func(p *process) bool {
		return listens(n.public) && p.hasWorkers(workers)
	})
	return n, err
}

// command is how a server is started, and how many children of the process do the
// work; none if it does itself.
func (b *bench) command(ctx context.Context, c contender, listen string) (cmd *exec.Cmd, workers int, err error) {
	if c.name != "nchan" && c.name != "centrifugo" {
		return exec.Command(c.binary, "-listen", listen), 0, nil
	}
	folder, err := peersFolder(ctx, c.name)
	if err != nil {
		return nil, 0, err
	}
	dir, err := os.MkdirTemp(b.work, c.name+"-")
	if err != nil {
		return nil, 0, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, 0, err
	}
	if c.name == "nchan" {
		file, err := nchanConfig(folder, dir, listen)
		return exec.Command(c.binary, "-p", dir, "-c", file), runtime.NumCPU(), err
	}
	host, port, _ := strings.Cut(listen, ":")
	cmd = exec.Command(c.binary, "--config", filepath.Join(folder, "config.json"), "--address", host, "--port", port)
	cmd.Dir = dir
	return cmd, 0, nil
}

// nchanConfig writes nginx.conf with the port and the number of workers, so that
// the bench knows when all of them are there: the port is open before the first.
func nchanConfig(folder, dir, listen string) (file string, err error) {
	config, err := os.ReadFile(filepath.Join(folder, "nginx.conf"))
	if err != nil {
		return "", err
	}
	edited := strings.NewReplacer(
		"listen 127.0.0.1:8080", "listen "+listen,
		"worker_processes auto", fmt.Sprintf("worker_processes %d", runtime.NumCPU()),
	).Replace(string(config))
	file = filepath.Join(dir, "nginx.conf")
	return file, os.WriteFile(file, []byte(edited), 0o644)
}

// hasWorkers looks whether the process has so many children, and notes them.
func (p *process) hasWorkers(n int) bool {
	if n == 0 {
		return true
	}
	all, err := procfs.AllProcs()
	p.workers = nil
	for _, child := range all {
		if stat, err := child.Stat(); err == nil && stat.PPID == p.cmd.Process.Pid {
			p.workers = append(p.workers, child.PID)
		}
	}
	return err == nil && len(p.workers) == n
}

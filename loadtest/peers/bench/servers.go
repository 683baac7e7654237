package main

// The table of servers: how each is had and started.

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
)

// server is one that is compared. To add one: an adapter in a folder beside this
// one, and a line in servers.
type server struct {
	name   string // on the command line and in file names
	title  string // in tables and plots
	preset string // of barrage loadtest

	// provide builds or finds the binary and tells its version. It may put the
	// binary into dir.
	provide func(ctx context.Context, o options, dir string) (binary, version string, err error)
	// command starts it. dir is an empty directory of its own.
	command func(binary, dir string, p ports) (*exec.Cmd, error)
	// workers is how many children of the process do the work; 0 if it does itself.
	workers int
}

// ports are where a server is to listen; most need only one.
type ports struct {
	public, admin string // 127.0.0.1:PORT
}

// publish is where messages are published.
func (s server) publish(p ports) string {
	if s.name == "barrage" {
		return p.admin
	}
	return p.public
}

func servers() []server {
	return []server{
		{name: "barrage", title: "Barrage", preset: "barrage", provide: givenBarrage, command: serveBarrage},
		{name: "nchan", title: "nchan", preset: "nchan", provide: findNchan, command: serveNchan, workers: runtime.NumCPU()},
		{name: "epoll", title: "gobwas/ws + epoll", preset: "gorilla", provide: buildAdapter("epoll", "github.com/gobwas/ws"), command: serveAdapter},
		{name: "nbio", title: "nbio", preset: "gorilla", provide: buildAdapter("nbio", "github.com/lesismal/nbio"), command: serveAdapter},
		{name: "gws", title: "gws", preset: "gorilla", provide: buildAdapter("gws", "github.com/lxzan/gws"), command: serveAdapter},
		{name: "gorilla", title: "gorilla/websocket", preset: "gorilla", provide: buildAdapter("gorilla", "github.com/gorilla/websocket"), command: serveAdapter},
		{name: "centrifugo", title: "Centrifugo", preset: "centrifugo", provide: buildCentrifugo, command: serveCentrifugo},
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
func choose(list string) ([]server, error) {
	if list == "all" {
		return servers(), nil
	}
	wanted := make(map[string]bool)
	for _, name := range strings.Split(list, ",") {
		wanted[strings.TrimSpace(name)] = true
	}
	var chosen []server
	for _, s := range servers() {
		if wanted[s.name] {
			chosen = append(chosen, s)
			delete(wanted, s.name)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("-servers: there is no %q, but %s", name, strings.Join(names(servers()), ", "))
	}
	return chosen, nil
}

func givenBarrage(ctx context.Context, o options, _ string) (string, string, error) {
	out, err := output(ctx, o.barrage, "version")
	if err != nil {
		return "", "", &failure{"it does not tell its version", err}
	}
	line, _, _ := strings.Cut(out, "\n")
	return o.barrage, strings.TrimPrefix(line, "barrage "), nil
}

func serveBarrage(binary, _ string, p ports) (*exec.Cmd, error) {
	return exec.Command(binary, "serve", "--listen", p.public, "--admin", p.admin), nil
}

// buildAdapter builds a program of this module; its version is that of the
// library it is there for.
func buildAdapter(name, library string) func(context.Context, options, string) (string, string, error) {
	return func(ctx context.Context, _ options, dir string) (string, string, error) {
		binary := filepath.Join(dir, name)
		if _, err := output(ctx, "go", "build", "-o", binary, "barrage/loadtest/peers/"+name); err != nil {
			return "", "", &failure{"it could not be built", err}
		}
		version, err := versionIn(binary, library)
		return binary, version, err
	}
}

func serveAdapter(binary, _ string, p ports) (*exec.Cmd, error) {
	return exec.Command(binary, "-listen", p.public), nil
}

// centrifugo is built from a module of its own, with the dependencies of its
// release.
const centrifugo = "github.com/centrifugal/centrifugo/v5"

func buildCentrifugo(ctx context.Context, _ options, dir string) (string, string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", "", err
	}
	binary := filepath.Join(dir, "centrifugo")
	if _, err := output(ctx, "go", "build", "-C", filepath.Join(root, "centrifugo"), "-o", binary, centrifugo); err != nil {
		return "", "", &failure{"it could not be built", err}
	}
	version, err := versionIn(binary, centrifugo)
	return binary, version, err
}

func serveCentrifugo(binary, dir string, p ports) (*exec.Cmd, error) {
	root, err := moduleRoot(context.Background())
	if err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(p.public, ":")
	cmd := exec.Command(binary, "--config", filepath.Join(root, "centrifugo", "config.json"), "--address", host, "--port", port)
	cmd.Dir = dir
	return cmd, nil
}

// nginx of Debian's package, which root finds in its PATH and others do not.
const nginx = "/usr/sbin/nginx"

func findNchan(ctx context.Context, _ options, _ string) (string, string, error) {
	for _, file := range []string{nginx, "/usr/lib/nginx/modules/ngx_nchan_module.so"} {
		if _, err := os.Stat(file); err != nil {
			return "", "", &failure{"it is not installed (apt-get install nginx libnginx-mod-nchan)", err}
		}
	}
	version, err := output(ctx, "dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan")
	if err != nil {
		version = "unknown"
	}
	return nginx, version, nil
}

// What is replaced in nginx.conf. The number of workers, so that the bench knows
// when all of them are there: the port is open before the first.
const (
	nchanListen  = "listen 127.0.0.1:8080"
	nchanWorkers = "worker_processes auto"
)

func serveNchan(binary, dir string, p ports) (*exec.Cmd, error) {
	root, err := moduleRoot(context.Background())
	if err != nil {
		return nil, err
	}
	config, err := os.ReadFile(filepath.Join(root, "nchan", "nginx.conf"))
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "nginx.conf")
	edited := strings.NewReplacer(
		nchanListen, "listen "+p.public,
		nchanWorkers, fmt.Sprintf("worker_processes %d", runtime.NumCPU()),
	).Replace(string(config))
	if err := os.WriteFile(file, []byte(edited), 0o644); err != nil {
		return nil, err
	}
	return exec.Command(binary, "-p", dir, "-c", file), nil
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

// moduleRoot is the folder of this module.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := output(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "barrage/loadtest/peers")
	return strings.TrimSpace(out), err
}

// output runs a command and returns what it printed; its error ends with the last
// line of what it complained.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(name), err, lastLine(complaint.String()))
	}
	return string(out), nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

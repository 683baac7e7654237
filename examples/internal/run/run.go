// Package run is the ground that every example stands on. It starts a Redis if the example
// wants one, serves the example's page beside the example's own program, starts `barrage
// serve` with the example's barrage.yaml, says where to look, and ends all of it with Ctrl-C.
//
// Files of an example are as one would write them, with the addresses of defaultPorts. With
// -port they are read as if they named those that were given.
package run

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Example is what makes one example another one.
type Example struct {
	Files  fs.FS // barrage.yaml, and in page/ what a browser gets
	Redis  bool  // start one
	Twice  bool  // start a second node on the same Redis: 127.0.0.1:8090 in files
	Tokens bool  // connections need a token, which Server.Token makes

	// Backend adds what the example's own program answers to the page's routes. With it,
	// or without, /page/ is served.
	Backend func(*Server, *http.ServeMux)
	// Work runs once all is there, until ctx ends.
	Work func(ctx context.Context, s *Server)
}

var port = flag.Int("port", -1, "first `PORT` of six in a row, of the page, the server, its admin address, Redis, and a second server; 0 chooses; default is those of the files")

// init keeps main on the thread that it begins on: what it starts ends with that thread, even
// if this program is killed.
func init() { runtime.LockOSThread() }

// Main runs an example until it is told to end.
func Main(e Example) {
	log.SetFlags(0)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, e); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, e Example) error {
	ports, listener, err := choosePorts(*port)
	if err != nil {
		return err
	}
	s, err := newServer(ports, e.Tokens)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "barrage-example")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	web := &http.Server{Handler: handler(e, s), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = web.Serve(listener) }() // ends with Close
	defer web.Close()

	children := children{dir: dir, ended: make(chan error, 3)}
	defer children.stop()
	if err := children.start(ctx, e, s); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	worked := make(chan struct{})
	go func() { // ends with ctx; waited for below
		defer close(worked)
		if e.Work != nil {
			e.Work(ctx, s)
		}
	}()
	defer func() { cancel(); <-worked }()
	fmt.Printf("open %s (Ctrl-C ends it)\n", s.Page)
	fmt.Printf("server %s admin %s redis %s\n", s.Public, s.Admin, ports.redis)
	select {
	case <-ctx.Done():
		return nil
	case err := <-children.ended:
		return err
	}
}

// start starts Redis and the server, and waits until they are ready.
func (c *children) start(ctx context.Context, e Example, s *Server) error {
	if e.Redis {
		_, redisPort, _ := net.SplitHostPort(s.ports.redis)
		err := c.run("redis-server", nil, "--port", redisPort, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", c.dir)
		if err != nil {
			return fmt.Errorf("redis-server (Debian package redis-server): %w", err)
		}
		if err := c.wait(ctx, "Redis", func() bool { return answers(s.ports.redis) }); err != nil {
			return err
		}
	}
	text, err := fs.ReadFile(e.Files, "barrage.yaml")
	if err != nil {
		return err
	}
	config := filepath.Join(c.dir, "barrage.yaml")
	if err := os.WriteFile(config, []byte(s.ports.move(string(text))), 0o600); err != nil {
		return err
	}
	binary, err := c.barrage(ctx)
	if err != nil {
		return err
	}
	if err := c.serve(ctx, binary, s, s.ports.admin, "--config", config); err != nil || !e.Twice {
		return err
	}
	return c.serve(ctx, binary, s, s.ports.secondAdmin, "--config", config, "--listen", s.ports.second, "--admin", s.ports.secondAdmin)
}

// serve starts a node. Who ends an example does not want to wait until its viewers are gone.
func (c *children) serve(ctx context.Context, binary string, s *Server, admin string, flags ...string) error {
	if err := c.run(binary, s.secrets(), append([]string{"serve", "--drain-window=0"}, flags...)...); err != nil {
		return err
	}
	return c.wait(ctx, "the server", func() bool {
		response, err := http.Get("http://" + admin + "/readyz")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

func answers(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

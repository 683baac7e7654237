package main

// Signals: the first drains, the second forces, but for SIGHUP; others do nothing.

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"barrage/frame"
)

const (
	sigterm = syscall.SIGTERM
	sigint  = syscall.SIGINT
)

// farewell is how a connection ended.
type farewell struct {
	at   time.Time
	code uint16
	err  error // what was wrong before
}

// watch reads numbers that must come without a gap from 0, up to the close.
func (v *viewer) watch() (f farewell) {
	for i := 0; ; i++ {
		m, err := v.next()
		switch {
		case err != nil:
			return farewell{err: err}
		case m.op == frame.Close:
			f = farewell{at: time.Now()}
			f.code, _ = frame.ParseClose([]byte(m.text))
			_ = v.conn.Close()
			return f
		case m.text != strconv.Itoa(i):
			return farewell{err: fmt.Errorf("got %q where %d was next", m.text, i)}
		}
	}
}

func drainUnderLoad(t *testing.T, bin binary) {
	const viewers, window = 200, 3 * time.Second
	n := bin.serve(t, "--drain-window="+window.String())
	ends := make(chan farewell, viewers)
	for range viewers {
		v := n.join("salon")
		go func() { ends <- v.watch() }() // ends with its connection
	}
	stop := make(chan struct{})
	count := stream(n, "salon", stop)
	await(t, "traffic", func() bool { return n.metrics()["barrage_messages_published_total"] > 20 })
	asked := time.Now()
	n.signal(sigterm)
	await(t, "draining", func() bool {
		ok, reasons := n.ready()
		return !ok && slices.Contains(reasons, "draining")
	})
	if late, err := dial(t, n.ws, "salon"); err == nil { // the listener may be closed a little later
		if resp, err := late.answered(); err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
			t.Error("a viewer is let in after the node was said to be draining")
		}
	}
	await(t, "new connections to be refused", func() bool {
		conn, err := net.DialTimeout("tcp", n.ws, patience)
		if err == nil {
			_ = conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	refusing := time.Since(asked)
	var first, last time.Time
	for i := range viewers {
		if i == viewers/2 {
			close(stop) // publishing goes on into the drain, and ends before the API does
			t.Logf("%d messages", <-count)
		}
		f := <-ends
		if f.err != nil || f.code != frame.CloseGoingAway {
			t.Fatalf("a connection ended with code %d: %v", f.code, f.err)
		}
		if first.IsZero() || f.at.Before(first) {
			first = f.at
		}
		if f.at.After(last) {
			last = f.at
		}
	}
	n.wantExit(exitOK)
	t.Logf("refusing after %v, closed from %v to %v, gone after %v", refusing, first.Sub(asked), last.Sub(asked), time.Since(asked))
	if refusing > window {
		t.Errorf("connections were refused only after %v", refusing)
	}
	if last.Sub(first) < window/2 {
		t.Errorf("all were closed within %v, want them spread over %v", last.Sub(first), window)
	}
}

func secondSignal(t *testing.T, bin binary) {
	for _, tt := range []struct {
		name          string
		first, second syscall.Signal
		code          int
	}{
		{"TERM TERM", sigterm, sigterm, 143},
		{"INT INT", sigint, sigint, 130},
		{"TERM INT", sigterm, sigint, 130},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := bin.serve(t, "--drain-window=10m")
			n.join("salon")
			n.join("salon")
			n.signal(tt.first)
			await(t, "draining", func() bool { ok, _ := n.ready(); return !ok })
			time.Sleep(sameStop) // sooner, it is taken for the first one's echo
			n.signal(tt.second)
			n.wantExit(tt.code)
		})
	}
}

// stopWithoutRedis: a Redis that does not answer holds up no stop.
func stopWithoutRedis(t *testing.T, bin binary) {
	c := startCluster(t, bin, 1, "--drain-window=0")
	n := c.nodes[0]
	v := n.join("salon")
	c.redis.Freeze()
	v.mustSend(frame.Text, "0") // is being published when the stop comes
	await(t, "the message to be taken", func() bool { return n.metrics()["barrage_messages_published_total"] == 1 })
	asked := time.Now()
	n.signal(sigterm)
	f := v.watch()
	n.wantExit(exitOK)
	t.Logf("gone after %v", time.Since(asked))
	if f.err != nil || f.code != frame.CloseGoingAway {
		t.Errorf("ended with code %d: %v", f.code, f.err)
	}
}

// The end of a terminal is a stop like others, in which nothing is forced. Under nohup
// there is none; and no signal that is meant for other kinds of programs ends this one.
func hangUp(t *testing.T, bin binary) {
	n := bin.serve(t, "--drain-window=0")
	v := n.join("salon")
	n.signal(syscall.SIGUSR1)
	n.signal(syscall.SIGUSR2)
	n.signal(syscall.SIGHUP)
	n.signal(syscall.SIGHUP)
	if f := v.watch(); f.err != nil || f.code != frame.CloseGoingAway {
		t.Errorf("ended with code %d: %v", f.code, f.err)
	}
	n.wantExit(exitOK)

	cmd := bin.command(t.Context(), nil, "nohup", "serve", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--shards=2")
	cmd.Path, cmd.Args = "/usr/bin/nohup", append([]string{"nohup", string(bin)}, cmd.Args[2:]...)
	n = start(t, cmd)
	v = n.join("salon")
	n.signal(syscall.SIGHUP)
	n.publish("salon", "0")
	if m, err := v.next(); err != nil || m.text != "0" {
		t.Errorf("%+v, %v", m, err)
	}
	n.waitReady()
}

// drainDelay: a balancer sees that the node is not ready while it still lets viewers in
// and serves them; then it drains.
func drainDelay(t *testing.T, bin binary) {
	n := bin.serve(t, "--drain-delay=10m", "--drain-window=0")
	early := n.join("salon")
	n.waitReady()
	n.signal(sigterm)
	await(t, "draining", func() bool { ok, reasons := n.ready(); return !ok && slices.Contains(reasons, "draining") })
	late := n.join("salon")
	n.publish("salon", "0")
	for _, v := range []*viewer{early, late} {
		if m, err := v.next(); err != nil || m.text != "0" {
			t.Errorf("%+v, %v", m, err)
		}
	}
	time.Sleep(sameStop) // sooner, it is taken for the first one's echo
	n.signal(sigterm)
	n.wantExit(143) // the second ends it in the delay too

	const delay = 300 * time.Millisecond
	n = bin.serve(t, "--drain-delay="+delay.String(), "--drain-window=0")
	v := n.join("salon")
	asked := time.Now()
	n.signal(sigterm)
	if f := v.watch(); f.err != nil || f.code != frame.CloseGoingAway || f.at.Sub(asked) < delay {
		t.Errorf("%+v after %v", f, f.at.Sub(asked))
	}
	n.wantExit(exitOK)
}

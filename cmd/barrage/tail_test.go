package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"barrage/edge/edgetest"
)

func TestTail(t *testing.T) {
	s := edgetest.Start(t, nil)
	edgetest.PublishTo(t, s, "lobby", "before")
	for _, asJSON := range []bool{false, true} {
		args := []string{"tail", "lobby", "--history=1", "--url=ws://" + s.Addr().String()}
		if asJSON {
			args = append(args, "--json")
		}
		ctx, cancel := context.WithCancel(t.Context())
		read, write := io.Pipe()
		code := make(chan int)
		go func() {
			code <- run(ctx, &process{args: args, stdin: strings.NewReader(""), stdout: write, stderr: io.Discard})
		}()
		line, err := bufio.NewReader(read).ReadString('\n')
		edgetest.Must(t, err)
		var m struct{ Data string }
		switch {
		case asJSON && (json.Unmarshal([]byte(line), &m) != nil || m.Data != "before"):
			t.Errorf("as JSON: %s", line)
		case !asJSON && !strings.HasSuffix(line, " - before\n"):
			t.Errorf("as text: %s", line)
		}
		cancel()
		if got := <-code; got != exitOK {
			t.Errorf("stopped: exit code %d", got)
		}
	}
}

func TestTailRefused(t *testing.T) {
	for _, args := range [][]string{{"--since=nonsense"}, {"--history=1001"}, {"--url=ftp://x"}, {"--since=a/1", "--history=1"}} {
		if got := runWith(t, "", "", append([]string{"tail", "lobby"}, args...)...); got.code != exitUsage {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

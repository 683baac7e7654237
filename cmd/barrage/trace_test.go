package main

// The trace command, and traces over two nodes.

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"barrage/edge/trace"
)

// TestTraceLines: a line for people is one line, whatever clients call themselves.
func TestTraceLines(t *testing.T) {
	payload := "two\nlines \x1b[31m"
	for _, tc := range []struct {
		line trace.Line
		want string
	}{
		{trace.Line{Event: "begin", Node: "n", Connections: 2}, " n begin connections=2"},
		{trace.Line{Event: "open", Node: "n", Conn: "n-1", User: "ann", Key: "shop", Address: "192.0.2.1:5", Protocol: "raw", Rooms: []string{"a", "直播间42"}}, " n-1 open protocol=raw user=ann key=shop address=192.0.2.1:5 room=a room=直播间42"},
		{trace.Line{Event: "in", Conn: "n-1", What: "publish", Room: "a", Kind: "a b", ID: 7, Bytes: 9, Payload: &payload, Cut: true}, ` n-1 in publish room=a kind="a b" id=7 bytes=9 "two\nlines \x1b[31m"…`},
		{trace.Line{Event: "closing", Conn: "n-1", Code: 4200, Reason: "x\u202e room=b"}, ` n-1 closing code=4200 reason="x\u202e room=b"`},
		{trace.Line{Event: "answer", Node: "n", Status: 403, Error: "banned"}, " n answer status=403 error=banned"},
		{trace.Line{Event: "lost", Node: "n", Count: 3}, " n lost count=3"},
	} {
		if got := traceText(&tc.line)[len("15:04:05.000"):]; got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}

// TestTraceLineIsDescribed: openapi.yaml has the fields that lines have, and no others.
func TestTraceLineIsDescribed(t *testing.T) {
	a, stop := newAdmin(t)
	defer stop()
	var doc struct {
		Components struct {
			Schemas struct {
				TraceLine struct{ Properties map[string]any }
			}
		}
	}
	if err := json.Unmarshal(ask(a, "GET", "/openapi.json", "").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	described := doc.Components.Schemas.TraceLine.Properties
	for f := range reflect.TypeFor[trace.Line]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if described[name] == nil {
			t.Errorf("%s is not described", name)
		}
		delete(described, name)
	}
	if len(described) > 0 {
		t.Errorf("described, and in no line: %v", described)
	}
}

func TestTraceCommand(t *testing.T) {
	status, answer, query := http.StatusOK, "", ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery + " " + r.Header.Get("Authorization")
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	const begin, end = `{"time":1,"node":"n","event":"begin"}` + "\n", `{"time":1,"node":"n","event":"end","reason":"time"}` + "\n"
	for _, tc := range []struct {
		args           []string
		status         int
		answer         string
		code           int
		query          string
		stdout, stderr string
	}{
		{[]string{"--user=ann"}, 200, begin + end, exitOK, "payloads=false&user=ann ", " n begin\n", ""},
		{[]string{"--conn=n-1", "--for=5m", "--bytes=4096", "--payloads", "--json", "--token=t1"}, 200, begin + end, exitOK, "bytes=4096&conn=n-1&for=5m0s&payloads=true Bearer t1", begin + end, ""},
		{[]string{"--ip=10.0.0.0/8"}, 200, begin, exitFailure, "address=10.0.0.0%2F8&payloads=false ", " n begin\n", "the server has ended it"},
		{[]string{"--ip=x"}, 400, `{"error":{"code":"invalid_address","message":"no"}}`, exitFailure, "address=x&payloads=false ", "", "trace: 400 invalid_address: no"},
		{[]string{}, 200, "", exitUsage, "", "", "[user conn ip]"},
		{[]string{"--ip=10.0.0.1", "--user=ann"}, 200, "", exitUsage, "", "", "[user conn ip]"},
	} {
		status, answer, query = tc.status, tc.answer, ""
		got := runWith(t, "", "", append([]string{"trace", "--admin", s.Listener.Addr().String()}, tc.args...)...)
		if got.code != tc.code || query != tc.query || !strings.Contains(got.stdout, tc.stdout) || !strings.Contains(got.stderr, tc.stderr) {
			t.Errorf("%v: %+v, asked for %q", tc.args, got, query)
		}
	}
}

// follow runs the command against a node until the test stops it.
func (b binary) follow(n *child, args ...string) (out *lockedBuffer, cmd *exec.Cmd) {
	n.t.Helper()
	out = new(lockedBuffer)
	cmd = b.command(n.t.Context(), []string{"BARRAGE_ADMIN=" + n.admin}, append([]string{"trace", "--for=15m"}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	return out, cmd
}

// traced has one node asked about what a user does on the other, and on one that starts
// later; a node that dies leaves no trace behind.
func traced(t *testing.T, bin binary) {
	r := startedRedis(t)
	first, second := bin.serveNamed(t, r.url()), bin.serveNamed(t, r.url())
	first.waitReady()
	second.waitReady()
	bob := second.member("bob")
	out, cmd := bin.follow(first, "--user=bob")
	has := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			await(t, text, func() bool { return strings.Contains(out.String(), text) })
		}
	}
	has(" here protocol=barrage.v1 user=bob", " begin connections=1")
	await(t, "both nodes to look", func() bool { return strings.Count(out.String(), " begin") == 2 })
	bob.enter("lobby")
	bob.ask(`"cmd":"publish","room":"lobby","data":"psst","kind":"gift"`)
	has(" in join user=bob room=lobby", " in publish user=bob room=lobby kind=gift", " out message user=bob room=lobby kind=gift")
	third := bin.serveNamed(t, r.url())
	await(t, "the third node to look", func() bool { return strings.Count(out.String(), " begin") == 3 })
	again := third.member("bob")
	has(" open protocol=barrage.v1 user=bob")
	second.do("POST", "/v1/users/bob/disconnect", "", `{"reason":"enough"}`)
	has(" closing user=bob code=4200 reason=enough", " closed user=bob reason=kicked")
	again.push("bye", "")
	if text := out.String(); strings.Contains(text, "psst") || strings.Contains(text, v1Token(t, "bob")) {
		t.Errorf("what is said, or a token, is in it:\n%s", text)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the command: %v\n%s", err, out)
	}
	for _, n := range []*child{first, second, third} {
		await(t, "no trace to hold", func() bool { return n.metrics()["barrage_traces"] == 0 })
	}

	_, cmd = bin.follow(first, "--user=bob")
	await(t, "the second to look", func() bool { return second.metrics()["barrage_traces"] == 1 })
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // with an error: it was cut off
	await(t, "the order to end by itself", func() bool { return second.metrics()["barrage_traces"] == 0 })
}

package main

// This file tests workers behind sockets over two nodes that share a Redis, asked by HTTP and
// by clients, with the worker of docs/recipes.md among them.

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"barrage/api"
	"barrage/edge/auth/keyring"
	"barrage/frame"
	"barrage/internal/redistest"
)

// workersNode is a node with its admin API.
type workersNode struct {
	*node
	t    *testing.T
	key  string // of workers
	http *httptest.Server
}

func startWorkersNode(t *testing.T, redis *redistest.Server, settings, key string) *workersNode {
	t.Helper()
	n := startNode(t, settings, "--redis="+redis.URL(), "--redis-timeout=20s", "--request-timeout=60s")
	t.Cleanup(n.Close)
	a, err := api.New(api.Config{Listen: "127.0.0.1:0"}, n)
	if err != nil {
		t.Fatal(err)
	}
	w := &workersNode{node: n, t: t, key: key, http: httptest.NewServer(a)}
	t.Cleanup(w.http.Close)
	return w
}

// connect opens a barrage.v1 connection.
func (n *workersNode) connect(query string) *member {
	n.t.Helper()
	m, resp, err := dialV1(n.t, n.Addr().String(), query, false)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		n.t.Fatalf("not let in: %+v, %v", resp, err)
	}
	m.welcome = m.push("welcome", "")
	return m
}

func (n *workersNode) worker(method string, limit int) *member {
	n.t.Helper()
	m := n.connect("?token=" + n.key)
	m.ask(fmt.Sprintf(`"cmd":"serve","methods":[%q],"limit":%d`, method, limit))
	return m
}

// hears waits until a node knows of the workers of a method. They are asked a little, in vain.
func (n *workersNode) hears(method string) {
	n.t.Helper()
	await(n.t, method+" to be known", func() bool {
		status, _ := n.post(context.Background(), method+"?timeout=1ms", "")
		return status != http.StatusNotFound && status != http.StatusServiceUnavailable
	})
}

// post asks by HTTP.
func (n *workersNode) post(ctx context.Context, path, body string) (status int, answer string) {
	r, err := http.NewRequestWithContext(ctx, "POST", n.http.URL+"/v1/requests/"+path, strings.NewReader(body))
	if err != nil {
		n.t.Error(err)
		return 0, ""
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(text))
}

// listed is what the node says of workers.
func (n *workersNode) listed() string {
	n.t.Helper()
	resp, err := http.Get(n.http.URL + "/v1/workers")
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return strings.TrimSpace(string(text))
}

type posted struct {
	status int
	answer string
}

// posts is post that does not wait.
func (n *workersNode) posts(ctx context.Context, path, body string) <-chan posted {
	got := make(chan posted, 1)
	go func() {
		status, answer := n.post(ctx, path, body)
		got <- posted{status, answer}
	}()
	return got
}

func (m *member) answer(request uint64, data string) {
	m.t.Helper()
	m.mustSend(frame.Text, fmt.Sprintf(`{"cmd":"answer","request":%d,"data":%s}`, request, data))
}

// given is the next request that waits for an answer; those that hears had sent are answered
// late.
func (m *member) given(method string) v1Fields {
	m.t.Helper()
	for {
		if f := m.push("request", ""); len(f.Data) > 0 && string(f.Data) != "null" && f.Method == method {
			return f
		}
	}
}

func want(t *testing.T, got <-chan posted, status int, answer string) {
	t.Helper()
	if p := <-got; p.status != status || !strings.Contains(p.answer, answer) {
		t.Errorf("%d %.200s, want %d %s", p.status, p.answer, status, answer)
	}
}

func TestWorkersOfTwoNodes(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	key := keyring.Make()
	settings := "anonymous: true\nkeys:\n  - {name: workers, hash: '" + keyring.Hash(key) + "', serve: ['*']}\n"
	here, there := startWorkersNode(t, redis, settings, key), startWorkersNode(t, redis, settings, key)
	ctx := context.Background()

	w := there.worker("far", 100)
	here.hears("far")
	wantListed := func(n *workersNode, want string) {
		t.Helper()
		if got := n.listed(); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("listed %s, want %s", got, want)
		}
	}
	wantListed(there, `{"workers":\[{"conn":"`+w.welcome.Conn+`","address":"127\.0\.0\.1:\d+","methods":\["far"],"busy":\d+,"limit":100}],"total":1,"elsewhere":\[]}`)
	wantListed(here, `{"workers":\[],"total":0,"elsewhere":\[{"node":"\w+","method":"far","busy":\d+,"limit":100}]}`)

	// By HTTP, and of a length that no message of a room may have with what is around it.
	long := `"` + strings.Repeat("x", 64<<10-2) + `"`
	got := here.posts(ctx, "far?room=lobby&user=shop", long)
	f := w.given("far")
	if string(f.Data) != long || f.Room != "lobby" || f.User != "shop" || f.Again {
		t.Errorf("given %d bytes, %+v", len(f.Data), f)
	}
	w.answer(f.Request, `{"bytes":65536}`)
	want(t, got, 200, `{"data":{"bytes":65536}}`)

	// By a client, who leaves before the second.
	c := here.connect("")
	c.mustSend(frame.Text, `{"id":1,"cmd":"request","method":"far","data":1}`)
	f = w.given("far")
	if f.Conn != c.welcome.Conn {
		t.Errorf("asked by %q, want %q", f.Conn, c.welcome.Conn)
	}
	w.answer(f.Request, `"one"`)
	if o, _ := c.object(); string(o.ID) != "1" || o.OK == nil || o.OK.text() != "one" {
		t.Errorf("answered %+v", o)
	}
	c.mustSend(frame.Text, `{"id":2,"cmd":"request","method":"far","data":2}`)
	f = w.given("far")
	_ = c.conn.Close()
	w.cancelled(f.Request, "gone")

	// HTTP leaves, or is too late.
	leaving, leave := context.WithCancel(ctx)
	got = here.posts(leaving, "far", "3")
	f = w.given("far")
	leave()
	<-got
	w.cancelled(f.Request, "gone")
	got = here.posts(ctx, "far?timeout=300ms", "4")
	f = w.given("far")
	want(t, got, 504, "timeout")
	w.cancelled(f.Request, "timeout")
	w.wantError(fmt.Sprintf(`"cmd":"answer","request":%d,"data":1`, f.Request), "too_late")

	// The worker dies with two.
	plain, again := here.posts(ctx, "far", "5"), here.posts(ctx, "far?redeliver=true", "6")
	w.given("far")
	w.given("far")
	heir := here.worker("far", 10)
	_ = w.conn.Close()
	want(t, plain, 502, "backend_error")
	if f = heir.given("far"); !f.Again || string(f.Data) != "6" {
		t.Errorf("redelivered %+v", f)
	}
	heir.answer(f.Request, `"again"`)
	want(t, again, 200, `{"data":"again"}`)
	want(t, here.posts(ctx, "nobody", ""), 404, "unknown_method")
}

// cancelled wants to be told that a request is given up; those of hears are, too.
func (m *member) cancelled(request uint64, reason string) {
	m.t.Helper()
	for {
		if f := m.push("cancel", ""); f.Request == request {
			if f.Reason != reason {
				m.t.Errorf("cancelled: %s, want %s", f.Reason, reason)
			}
			return
		}
	}
}

// TestRecipeOfWorkers runs that of docs/recipes.md: its worker answers by way of one node what
// the other is asked, and comes back by itself when it was dismissed.
func TestRecipeOfWorkers(t *testing.T) {
	t.Parallel()
	nodejs, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed (Debian package nodejs): no test of the recipe's worker")
	}
	text, err := os.ReadFile("../../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile("(?s)\n## Workers that nobody can reach\n.*?```yaml\n(.*?)```.*?```js\n(.*?)```.*?```sh\n(.*?)```").FindStringSubmatch(string(text))
	if parts == nil {
		t.Fatal("docs/recipes.md lacks the recipe")
	}
	key := keyring.Make()
	settings := regexp.MustCompile(`sha256:\w+`).ReplaceAllString(parts[1], keyring.Hash(key))
	redis := redistest.Start(t)
	here, there := startWorkersNode(t, redis, settings, ""), startWorkersNode(t, redis, settings, "")
	script := filepath.Join(t.TempDir(), "worker.mjs")
	if err := os.WriteFile(script, []byte(parts[2]), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, nodejs, "--experimental-websocket", script)
	cmd.Env = append(os.Environ(), "BARRAGE_URL=ws://"+there.Addr().String()+"/ws", "BARRAGE_KEY="+key)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	path := regexp.MustCompile(`/v1/requests/([^']*)`).FindStringSubmatch(parts[3])[1]
	body := regexp.MustCompile(`-d '(.*?)'`).FindStringSubmatch(parts[3])[1]
	answer := regexp.MustCompile(`# (.*)`).FindStringSubmatch(parts[3])[1]
	answered := func() bool {
		status, got := here.post(ctx, path, body)
		return status == 200 && got == answer
	}
	await(t, "the recipe's worker to answer", answered)
	list, _, err := there.Connections(ctx, "", "", 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("connected: %+v, %v", list, err)
	}
	if err := there.Moderation.DisconnectConn(ctx, list[0].ID, "test", true); err != nil {
		t.Fatal(err)
	}
	await(t, "the worker to come back", func() bool {
		now, _, err := there.Connections(ctx, "", "", 10)
		return err == nil && len(now) == 1 && now[0].ID != list[0].ID
	})
	await(t, "the recipe's worker to answer again", answered)
}

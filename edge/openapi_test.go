// The public listener against docs/openapi-public.yaml: its paths, requests and answers, and
// what backends are asked.

package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"barrage/edge"
	"barrage/edge/echo"
	"barrage/edge/edgetest"
	"barrage/edge/hooks"
	"barrage/frame"
)

// publicAPI is the description, made strict for answers: what it does not name must not be
// there.
func publicAPI(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../docs/openapi-public.yaml")
	edgetest.Must(t, err)
	edgetest.Must(t, doc.Validate(context.Background()))
	for _, s := range doc.Components.Schemas {
		if len(s.Value.Properties) > 0 {
			no := false
			s.Value.AdditionalProperties.Has = &no
		}
	}
	return doc
}

func TestPublicPathsAreDescribed(t *testing.T) {
	doc := publicAPI(t)
	for _, p := range edge.Protocols() {
		if p.Path != echo.Path && doc.Paths.Value(p.Path) == nil { // that is for tests
			t.Errorf("%s is not described", p.Path)
		}
	}
}

// TestPublicAPI: requests are answered as it is described, good ones and bad.
func TestPublicAPI(t *testing.T) {
	t.Parallel()
	doc := publicAPI(t)
	var have keys
	s := edgetest.Start(t, func(c *edge.Config) { have = withKeys(t, c) })
	open := edgetest.Start(t, nil)
	covered := make(map[string]bool)
	upgrade := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Version": {"13"}}
	for _, tc := range []struct {
		to     *edgetest.Server
		method string
		target string
		header http.Header
		body   string
		status int
	}{
		{open, "GET", "/ws?room=a&room=b&echo=0&device=phone&own=1", upgrade, "", 101}, {s, "GET", "/ws?room=live:1&token=" + have["common"], upgrade, "", 101},
		{open, "GET", "/ws", upgrade, "", 400}, {open, "GET", "/ws?room=a&device=", upgrade, "", 400}, {open, "GET", "/ws?room=a&device=a&device=b", upgrade, "", 400}, {open, "GET", "/ws?room=a&own=0", upgrade, "", 400}, {open, "GET", "/ws?room=a", http.Header{"Upgrade": {"no"}}, "", 426},
		{s, "GET", "/ws?room=live:1", upgrade, "", 401}, {s, "GET", "/ws?room=other&token=" + have["common"], upgrade, "", 403},
		{open, "GET", "/sse?room=a&room=b&since=&since=&device=phone", nil, "", 200}, {open, "GET", "/sse", nil, "", 400}, {s, "GET", "/sse?room=live:1", nil, "", 401},
		{open, "POST", "/publish", nil, `{"room":"a","data":{"x":1},"kind":"gift","key":"k1"}`, 200}, {open, "POST", "/publish?room=a", nil, `{"base64":"AP8="}`, 200},
		{open, "POST", "/publish", nil, `{"data":1}`, 400}, {s, "POST", "/publish?room=live:1&key=" + have["listen"], nil, `{"data":1}`, 403}, {s, "POST", "/publish", nil, `{"data":1}`, 401},
		{s, "GET", "/push?room=live:1&text=hi&key=" + have["common"], nil, "", 403}, {s, "GET", "/push?room=live:1&text=hi", nil, "", 401},
		{s, "GET", "/push?room=live:1&text=hi&key=" + have["device"], nil, "", 200},
		{open, "GET", "/count?room=a", nil, "", 200}, {open, "GET", "/count?room=@x", nil, "", 400}, {s, "GET", "/count?room=live:1", nil, "", 403},
		{open, "GET", "/healthz", nil, "", 200},
	} {
		r, err := http.NewRequest(tc.method, "http://"+tc.to.Addr().String()+tc.target, strings.NewReader(tc.body))
		edgetest.Must(t, err)
		for name, values := range tc.header {
			r.Header[name] = values
		}
		if tc.body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		conn := edgetest.DialTCP(t, tc.to)
		edgetest.Must(t, r.Write(conn))
		w, err := http.ReadResponse(bufio.NewReader(conn), r)
		edgetest.Must(t, err)
		var body []byte
		if w.StatusCode != 101 && !strings.HasPrefix(w.Header.Get("Content-Type"), "text/event-stream") {
			body, _ = io.ReadAll(w.Body)
		}
		if w.StatusCode != tc.status {
			t.Errorf("%s %s: %d %s, want %d", tc.method, tc.target, w.StatusCode, body, tc.status)
			continue
		}
		covered[r.URL.Path] = true
		checkDescribed(t, doc, r, tc.body, w, body)
	}
	for path := range doc.Paths.Map() {
		if !covered[path] {
			t.Errorf("%s is described, and nobody asks for it", path)
		}
	}
}

// checkDescribed holds an answer, and the request if it was accepted, against the description.
func checkDescribed(t *testing.T, doc *openapi3.T, r *http.Request, sent string, w *http.Response, body []byte) {
	t.Helper()
	item := doc.Paths.Value(r.URL.Path)
	if item == nil || item.GetOperation(r.Method) == nil {
		t.Errorf("%s %s is not described", r.Method, r.URL.Path)
		return
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, Route: &routers.Route{Spec: doc, Path: r.URL.Path, PathItem: item, Method: r.Method, Operation: item.GetOperation(r.Method)},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, SkipSettingDefaults: true},
	}
	if w.StatusCode < 400 {
		r.Body = io.NopCloser(strings.NewReader(sent))
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			t.Errorf("accepted, but not as described: %s %s: %v", r.Method, r.URL, err)
		}
	}
	if body == nil { // it goes on
		if item.GetOperation(r.Method).Responses.Status(w.StatusCode) == nil {
			t.Errorf("%s %s: %d is not described", r.Method, r.URL, w.StatusCode)
		}
		return
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: w.StatusCode, Header: w.Header, Options: in.Options}
	out.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		t.Errorf("%s %s: %d %s is not as described: %v", r.Method, r.URL, w.StatusCode, body, err)
	}
}

// hookSchema is that of a question or an answer of a hook.
func hookSchema(t *testing.T, doc *openapi3.T, hook, part string) *openapi3.Schema {
	t.Helper()
	text, err := json.Marshal(doc.Extensions["x-webhooks"])
	edgetest.Must(t, err)
	var all map[string]map[string]string
	edgetest.Must(t, json.Unmarshal(text, &all))
	s := doc.Components.Schemas[all[hook][part]]
	if s == nil {
		t.Fatalf("the %s of %q is not described", part, hook)
	}
	return s.Value
}

// TestHooksAreDescribed: so are the questions that backends get, and the answers that the
// server takes, those of docs/webhooks.md among them.
func TestHooksAreDescribed(t *testing.T) {
	t.Parallel()
	doc := publicAPI(t)
	answers := map[string]string{
		"connect": `{"user":"ann","name":"Ann","rooms":["*"],"pub":["*"],"join":["live:2"],"welcome":"Hello"}`,
		"join":    `{}`, "publish": `{"data":"changed","format":"text"}`,
	}
	for hook, answer := range answers {
		wantSchema(t, hookSchema(t, doc, hook, "answer"), answer)
		wantSchema(t, hookSchema(t, doc, hook, "answer"), `{"error":{"code":"session_over","message":"Log in again."}}`)
	}
	b := newAsked(t, func(q map[string]any) string {
		hook, _ := q["hook"].(string)
		return answers[hook]
	})
	route := map[string]string{"*": b.URL}
	s := edgetest.StartHooked(t, hooks.Config{
		Connect: hooks.ConnectConfig{URL: b.URL, Cookies: []string{"session"}, Headers: []string{"User-Agent"}, Query: []string{"q"}},
		Join:    hooks.Rules{URLs: route}, Publish: hooks.Rules{URLs: route},
	}, nil)
	c, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=live:1&q=1", "Cookie: session=ann\r\n", "User-Agent: test\r\n"))
	if resp.StatusCode != 101 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	c.Want(frame.Text, "Hello")
	c.Send(frame.Text, "said")
	c.Want(frame.Text, "changed")
	seen := make(map[string]bool)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, q := range b.questions {
		text, err := json.Marshal(q)
		edgetest.Must(t, err)
		hook, _ := q["hook"].(string)
		wantSchema(t, hookSchema(t, doc, hook, "question"), string(text))
		seen[hook] = true
	}
	if len(seen) != len(answers) {
		t.Errorf("asked were %v", seen)
	}
	text, err := os.ReadFile("../docs/webhooks.md")
	edgetest.Must(t, err)
	examples := regexp.MustCompile(`(?m)^(\{.*"hook":"connect".*\})\n(\{.*\})$`).FindSubmatch(text)
	if examples == nil {
		t.Fatal("webhooks.md has no example of a question and its answer")
	}
	wantSchema(t, hookSchema(t, doc, "connect", "question"), string(examples[1]))
	wantSchema(t, hookSchema(t, doc, "connect", "answer"), string(examples[2]))
}

func wantSchema(t *testing.T, s *openapi3.Schema, text string) {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	edgetest.Must(t, d.Decode(&v))
	if err := s.VisitJSON(v); err != nil {
		t.Errorf("%s is not as described: %v", text, err)
	}
}

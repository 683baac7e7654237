// The API against openapi.yaml: every request and answer of the tests, every route,
// every error code.

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"barrage/internal/broker"
)

func init() {
	for _, kind := range []string{"application/x-ndjson", "text/html", "text/javascript", "text/css"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.PlainBodyDecoder)
	}
}

// contract is the description, made strict: what it does not name must not be
// there. Clients are told the opposite, so that answers can grow.
var contract = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(spec)
	if err != nil {
		return nil, err
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, err
	}
	seen := make(map[*openapi3.Schema]bool)
	for _, s := range doc.Components.Schemas {
		forbidMore(s, seen)
	}
	return doc, nil
})

func forbidMore(ref *openapi3.SchemaRef, seen map[*openapi3.Schema]bool) {
	if ref == nil || seen[ref.Value] {
		return
	}
	s := ref.Value
	seen[s] = true
	if len(s.Properties) > 0 {
		no := false
		s.AdditionalProperties.Has = &no
	}
	for _, p := range s.Properties {
		forbidMore(p, seen)
	}
	forbidMore(s.Items, seen)
}

func theContract(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// described is the path under which the description has an endpoint.
func described(e *endpoint) string {
	if e.pattern == pprofPath {
		return pprofPath + "{profile}"
	}
	return e.pattern
}

// variableOf is the name of a path's variable and what it is in this request.
func variableOf(e *endpoint, path, param string) map[string]string {
	if e.pattern == pprofPath {
		return map[string]string{"profile": strings.TrimPrefix(path, pprofPath)}
	}
	_, rest, found := strings.Cut(e.pattern, "{")
	if !found {
		return nil
	}
	name, _, _ := strings.Cut(rest, "}")
	return map[string]string{name: param}
}

// checkContract holds an answer, and the request if it was accepted, against the
// description. Methods and paths that are not there can only be described as a
// whole: by the schema of errors.
func checkContract(t testing.TB, a *API, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	doc := theContract(t)
	if w.Code >= 400 && w.Header().Get("Content-Type") == "application/json" && !strings.HasPrefix(r.URL.Path, "/readyz") {
		checkErrorBody(t, doc, w.Body.Bytes())
	}
	e, param, allowed := a.routes.match(r.Method, r.URL.Path, r.URL.RawPath)
	if e == nil || !allowed || r.Method == http.MethodHead || w.Code == 0 {
		return
	}
	item := doc.Paths.Value(described(e))
	if item == nil || item.GetOperation(r.Method) == nil {
		t.Errorf("%s %s is not described", r.Method, described(e))
		return
	}
	op := item.GetOperation(r.Method)
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: variableOf(e, r.URL.Path, param),
		Route: &routers.Route{Spec: doc, Path: described(e), PathItem: item, Method: r.Method, Operation: op},
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
			SkipSettingDefaults: true, RejectWhenRequestBodyNotSpecified: true,
		},
	}
	if w.Code < 400 {
		prepareBody(r, op, in.Options)
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			t.Errorf("accepted, but not as described: %s %s: %v", r.Method, r.URL, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: w.Code, Header: w.Header(), Options: in.Options}
	out.SetBodyBytes(w.Body.Bytes())
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		t.Errorf("%s %s: %d %.500s is not as described: %v", r.Method, r.URL, w.Code, w.Body, err)
	}
}

// prepareBody names the type the API takes a body for.
func prepareBody(r *http.Request, op *openapi3.Operation, options *openapi3filter.Options) {
	if op.RequestBody == nil {
		return
	}
	content := op.RequestBody.Value.Content
	switch {
	case r.Header.Get("Content-Type") != "":
	case content["text/plain"] != nil:
		r.Header.Set("Content-Type", "text/plain")
	default:
		r.Header.Set("Content-Type", "application/json")
	}
	// Other types are text, and their case does not matter: the description can
	// say so in words only.
	options.ExcludeRequestBody = content.Get(r.Header.Get("Content-Type")) == nil
}

func checkErrorBody(t testing.TB, doc *openapi3.T, body []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Errorf("%v in %s", err, body)
		return
	}
	if err := doc.Components.Schemas["Error"].Value.VisitJSON(v); err != nil {
		t.Errorf("%s: %v", body, err)
		return
	}
	code := v.(map[string]any)["error"].(map[string]any)["code"].(string)
	if !strings.HasPrefix(code, "srv_") && !slices.Contains(describedCodes(doc), code) {
		t.Errorf("error code %s is not in x-error-codes", code)
	}
}

func describedCodes(doc *openapi3.T) []string {
	codes, _ := doc.Extensions["x-error-codes"].(map[string]any)
	return slices.Sorted(maps.Keys(codes))
}

// TestRoutesAreDescribed: no route without a description, no description without
// a route.
func TestRoutesAreDescribed(t *testing.T) {
	var got, want []string
	for _, e := range newAPI(t, Config{}, &memServer{}).routes {
		got = append(got, e.method+" "+described(&e))
	}
	for path, item := range theContract(t).Paths.Map() {
		for method := range item.Operations() {
			want = append(want, method+" "+path)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("routes\n%s\ndescribed\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRoutesAreInTheTable: docs/interfaces.md lists every route, and no other.
func TestRoutesAreInTheTable(t *testing.T) {
	text, err := os.ReadFile("../docs/interfaces.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("\n## Admin listener\n"))
	_, text, _ = bytes.Cut(text, []byte("| request | what it does |\n|---|---|\n"))
	text, _, _ = bytes.Cut(text, []byte("\n\n"))
	var got, want []string
	for row := range strings.Lines(string(text)) {
		got = append(got, requestsIn(strings.Split(row, "|")[1])...)
	}
	for _, e := range newAPI(t, Config{}, &memServer{}).routes {
		if e.pattern != pprofPath || e.method == http.MethodGet { // POST is for "go tool pprof" alone
			want = append(want, e.method+" "+e.pattern)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("documented\n%s\nroutes\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// requestsIn are those of a cell: methods and paths, each in backquotes. A path has the methods
// before it that have none, or else the last one.
func requestsIn(cell string) (all []string) {
	var methods []string
	fresh := false
	for i, text := range strings.Split(cell, "`") {
		if i%2 == 0 {
			continue
		}
		for _, word := range strings.Fields(text) {
			if path, ok := strings.CutPrefix(word, "/"); ok {
				path, _, _ = strings.Cut(path, "?")
				for _, method := range methods {
					all = append(all, method+" /"+path)
				}
				fresh = false
				continue
			}
			if !fresh {
				methods = nil
			}
			methods, fresh = append(methods, word), true
		}
	}
	return all
}

func TestSpecIsServed(t *testing.T) {
	a := newAPI(t, Config{}, &memServer{})
	w := request(t, a, "GET", "/openapi.yaml", "")
	if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), spec) {
		t.Errorf("%d, %d bytes, want the %d of openapi.yaml", w.Code, w.Body.Len(), len(spec))
	}
	for _, path := range []string{"/openapi.yaml", "/openapi.json"} {
		plain := request(t, a, "GET", path, "")
		zipped := rawRequest(a, "GET", path, "", "Accept-Encoding", "gzip")
		if zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Body.Len() >= plain.Body.Len()/2 || zipped.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s with gzip: %d of %d bytes, %v", path, zipped.Body.Len(), plain.Body.Len(), zipped.Header())
		}
		w := request(t, a, "GET", path, "", "If-None-Match", plain.Header().Get("ETag"))
		if w.Code != 304 || w.Body.Len() != 0 {
			t.Errorf("%s again: %d, %d bytes", path, w.Code, w.Body.Len())
		}
	}
	w = request(t, a, "GET", "/openapi.json", "")
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %s", got)
	}
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	if got, want := doc.Paths.Len(), theContract(t).Paths.Len(); got != want {
		t.Errorf("%d paths in JSON, %d in YAML", got, want)
	}
}

// TestErrorCodes gives each described code once, and no other.
func TestErrorCodes(t *testing.T) {
	const publish, kick, settings = "/v1/rooms/r/messages", "/v1/rooms/r/kick", "/v1/rooms/r/settings"
	long := strings.Repeat("x", 200)
	tests := []struct {
		code, method, path, body string
		status                   int
		err                      error // of the server
		header                   []string
	}{
		{"invalid_after", "GET", publish + "?after=-1", "", 400, nil, nil},
		{"invalid_avatar", "POST", publish + "?avatar=javascript:alert(1)", "hi", 400, nil, nil},
		{"invalid_by", "GET", "/v1/rooms?by=name", "", 400, nil, nil},
		{"invalid_bytes", "GET", "/v1/trace?user=7&bytes=1", "", 400, nil, nil},
		{"invalid_payloads", "GET", "/v1/trace?user=7&payloads=1", "", 400, nil, nil},
		{"invalid_trace", "GET", "/v1/trace", "", 400, nil, nil},
		{"invalid_conn", "POST", "/v1/connections/" + long + "/disconnect", "", 400, nil, nil},
		{"invalid_epoch", "GET", publish + "?epoch=e", "", 400, nil, nil},
		{"invalid_for", "POST", kick, `{"user":"7","for":"-1s"}`, 400, nil, nil},
		{"invalid_history", "POST", publish + "?history=no", "hi", 400, nil, nil},
		{"invalid_idempotency_key", "POST", publish, "hi", 400, nil, []string{"Idempotency-Key", "ü"}},
		{"invalid_json", "POST", kick, `{"user":7}`, 400, nil, nil},
		{"bad_kind", "POST", publish + "?kind=" + long, "hi", 400, nil, nil},
		{"invalid_key", "DELETE", "/v1/keys/" + long + "/revoke", "", 400, nil, nil},
		{"invalid_limit", "GET", publish + "?limit=0", "", 400, nil, nil},
		{"invalid_name", "POST", publish + "?name=a&name=b", "hi", 400, nil, nil},
		{"invalid_pattern", "POST", "/v1/broadcast", "hi", 400, nil, nil},
		{"invalid_prefix", "GET", "/v1/rooms?prefix=a&prefix=b", "", 400, nil, nil},
		{"invalid_qos", "POST", publish + "?qos=2", "hi", 400, nil, nil},
		{"invalid_ttl", "POST", publish + "?ttl=169h", "hi", 400, nil, nil},
		{"invalid_query", "GET", "/v1/rooms?a=%zz", "", 400, nil, nil},
		{"invalid_reason", "POST", kick, `{"user":"7","reason":"` + long + `"}`, 400, nil, nil},
		{"bad_room", "GET", "/v1/rooms/*", "", 400, nil, nil},
		{"bad_method", "POST", "/v1/requests/a*b", "", 400, nil, nil},
		{"invalid_timeout", "POST", "/v1/requests/m?timeout=51s", "", 400, nil, nil},
		{"invalid_redeliver", "POST", "/v1/requests/m?redeliver=yes", "", 400, nil, nil},
		{"invalid_target_rate", "PUT", "/v1/rooms/r/settings", `{"target_rate":0.5}`, 400, nil, nil},
		{"unknown_method", "POST", "/v1/requests/m", "", 404, coded(404, "unknown_method", "none", 0), nil},
		{"backend_error", "POST", "/v1/requests/m", "", 502, coded(502, "backend_error", "failed", 0), nil},
		{"bad_reply", "POST", "/v1/requests/m", "", 502, coded(502, "bad_reply", "no sense", 0), nil},
		{"bad_user", "POST", kick, `{}`, 400, nil, nil},
		{"invalid_utf8", "POST", publish, "\xff", 400, nil, nil},
		{"unauthorized", "GET", "/v1/rooms", "", 401, nil, []string{"Authorization", "Bearer wrong"}},
		{"cross_origin", "POST", publish, "hi", 403, nil, []string{"Origin", "https://evil.example"}},
		{"not_found", "GET", "/nothing", "", 404, nil, nil},
		{"room_not_found", "GET", "/v1/rooms/nobody", "", 404, nil, nil},
		{"method_not_allowed", "DELETE", "/v1/rooms", "", 405, nil, nil},
		{"batch_too_large", "POST", "/v1/rooms/messages", "[" + strings.Repeat("0,", 1000) + "0]", 413, nil, nil},
		{"body_too_large", "POST", kick, strings.Repeat(" ", maxCommand+1), 413, nil, nil},
		{"message_too_large", "POST", publish, long, 413, nil, nil},
		{"unsupported_media_type", "POST", kick, `{"user":"7"}`, 415, nil, []string{"Content-Type", "text/plain"}},
		{"invalid_address", "DELETE", "/v1/bans", "", 400, nil, nil},
		{"not_banned", "DELETE", "/v1/bans/7", "", 404, coded(404, "not_banned", "nobody", 0), nil},
		{"busy", "POST", "/v1/rooms/r/close", "", 409, coded(409, "busy", "more and more", 0), nil},
		{"bad_device", "POST", "/v1/users/7/messages?device=my%20phone", "hi", 400, nil, nil},
		{"mailbox_full", "POST", "/v1/users/7/messages", "hi", 409, coded(409, "mailbox_full", "full", 0), nil},
		{"too_many_bans", "POST", kick, `{"user":"7","for":"1m"}`, 409, coded(409, "too_many_bans", "full", 0), nil},
		{"key_not_found", "POST", "/v1/keys/x/revoke", "", 404, coded(404, "key_not_found", "none", 0), nil},
		{"not_revoked", "DELETE", "/v1/keys/x/revoke", "", 404, coded(404, "not_revoked", "none", 0), nil},
		{"too_many_keys", "POST", "/v1/keys/x/revoke", "", 409, coded(409, "too_many_keys", "full", 0), nil},
		{"too_many_traces", "GET", "/v1/trace?user=7", "", 429, coded(429, "too_many_traces", "full", time.Second), nil},
		{"too_many_settings", "PUT", settings, `{"muted":true}`, 409, coded(409, "too_many_settings", "full", 0), nil},
		{"too_many_rooms", "POST", "/v1/broadcast?pattern=*&limit=1", "hi", 422, nil, nil},
		{"internal", "DELETE", publish, "", 500, context.Canceled, nil},
		{"overloaded", "DELETE", publish, "", 503, broker.ErrOverloaded, nil},
		{"timeout", "DELETE", publish, "", 503, context.DeadlineExceeded, nil},
		{"unavailable", "DELETE", publish, "", 503, broker.ErrUnavailable, nil},
	}
	// Given by other tests: without a token; parts of a batch; a body that is cut; one that is slow;
	// and, in cmd/barrage, by the server itself.
	got := []string{"bad_command", "bad_host", "invalid_message", "body_incomplete", "body_timeout"}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			a := newAPI(t, Config{Tokens: []string{"s3cret"}, MaxBody: 100}, &memServer{err: tt.err, onSend: func(context.Context) error { return tt.err }, rooms: map[string]int{"r": 1, "q": 1}})
			header := tt.header
			if !slices.Contains(header, "Authorization") {
				header = append(slices.Clone(header), "Authorization", "Bearer s3cret")
			}
			answered(t, request(t, a, tt.method, tt.path, tt.body, header...), tt.status, tt.code)
		})
		got = append(got, tt.code)
	}
	slices.Sort(got)
	if want := describedCodes(theContract(t)); !slices.Equal(got, want) {
		t.Errorf("codes\n%v, described\n%v", got, want)
	}
}

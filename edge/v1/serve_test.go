// Workers behind sockets, on one node.

package v1_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/edgetest"
	"barrage/edge/events"
	"barrage/edge/requests"
	"barrage/frame"
	"barrage/internal/bounds"
	"barrage/internal/refusal"
)

func startServing(t *testing.T, change func(*edge.Config)) *edgetest.Server {
	return edgetest.Start(t, func(c *edge.Config) {
		withAuth(t, c)
		c.RequestTimeout = edgetest.Patience
		if change != nil {
			change(c)
		}
	})
}

// joinWorker opens a connection that may serve anything.
func joinWorker(t *testing.T, s *edgetest.Server) *viewer {
	t.Helper()
	return joinJSON(t, s, "/ws?token="+testToken(t, "worker", func(c *auth.Claims) { c.Serve = auth.Patterns{"*"} }))
}

// serving opens a worker that serves patterns, such as `"a","b"`, and takes so many requests.
func serving(t *testing.T, s *edgetest.Server, patterns string, limit int) *viewer {
	t.Helper()
	w := joinWorker(t, s)
	okOf(t, w.ask(fmt.Sprintf(`{"id":1,"cmd":"serve","methods":[%s],"limit":%d}`, patterns, limit)))
	return w
}

func (c *viewer) sendf(format string, args ...any) {
	c.T.Helper()
	c.Send(frame.Text, fmt.Sprintf(format, args...))
}

// given takes the next request that a worker is given, and returns its number.
func (c *viewer) given() int {
	c.T.Helper()
	return int(c.push("request")["request"].(float64))
}

// asked is what became of a request that a test asked of a node itself.
type asked struct {
	events.Reply
	err error
}

func (a asked) code() string {
	if no, ok := errors.AsType[*refusal.Error](a.err); ok {
		return no.Code()
	}
	return ""
}

func askNode(ctx context.Context, s *edgetest.Server, r requests.Request) <-chan asked {
	answer := make(chan asked, 1)
	s.Node.Requests.Ask(ctx, r, func(reply events.Reply, err error) { answer <- asked{reply, err} })
	return answer
}

func requestOf(method string) requests.Request {
	return requests.Request{Request: events.Request{Method: method}}
}

func TestWorkerAnswers(t *testing.T) {
	t.Parallel()
	caller, _ := startBackendOf(t, "seat.free", edgetest.Patience)
	s := startServing(t, func(c *edge.Config) { c.Caller = caller })
	w := serving(t, s, `"sum.*","seat.*"`, 4)
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	c.sendf(`{"id":1,"cmd":"request","method":"sum.all","room":"a","data":[1, 2]}`)
	v := w.push("request")
	if v["method"] != "sum.all" || v["room"] != "a" || v["user"] != "ann" || v["conn"] == nil || fmt.Sprint(v["data"]) != "[1 2]" || v["again"] != nil || v["timeout"].(float64) < 1 {
		t.Errorf("pushed %v", v)
	}
	n := int(v["request"].(float64))
	okOf(t, w.ask(fmt.Sprintf(`{"id":2,"cmd":"answer","request":%d,"data":{"sum": 3}}`, n)))
	if got := okOf(t, c.answer(1)); fmt.Sprint(got["data"]) != "map[sum:3]" {
		t.Errorf("answered %v", got)
	}
	c.sendf(`{"id":2,"cmd":"request","method":"sum.none"}`)
	if v := w.push("request"); v["data"] != nil {
		t.Errorf("pushed %v", v)
	} else {
		w.sendf(`{"cmd":"answer","request":%d,"error":{"code":"no_terms","message":"Nothing to add."}}`, int(v["request"].(float64)))
	}
	if v := c.answer(2); code(v) != "no_terms" {
		t.Errorf("refused with %v", v)
	}
	if v := c.ask(`{"id":3,"cmd":"request","method":"product"}`); code(v) != "unknown_method" {
		t.Errorf("of nobody: %v", v)
	}
	// A configured route goes before workers.
	if v := c.ask(`{"id":4,"cmd":"request","method":"seat.free"}`); code(v) != "" {
		t.Errorf("of a backend: %v", v)
	}
	if got := s.Node.Requests.Stats(); got.Results["answered"] != 1 || got.Results["refused"] != 1 || got.Results["unknown_method"] != 1 || got.Workers != 1 || got.UnderWay != 0 || got.Bytes != 0 {
		t.Errorf("counted %+v", got)
	}
}

func TestServeIsChecked(t *testing.T) {
	t.Parallel()
	s := startServing(t, nil)
	may := func(c *auth.Claims) { c.Serve = auth.Patterns{"thumb.*", "resize"} }
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", may))
	many := strings.TrimSuffix(strings.Repeat(`"thumb.x",`, bounds.WorkerMethods+1), ",")
	for _, x := range []struct{ command, code string }{
		{`"serve","methods":["thumb.*","resize","resize"],"limit":3`, ""},
		{`"serve","methods":["thumb.a*"]`, ""},
		{`"serve","methods":["*"]`, "forbidden"},
		{`"serve","methods":["resize*"]`, "forbidden"},
		{`"serve"`, "bad_command"},
		{`"serve","methods":[""]`, "bad_pattern"},
		{`"serve","methods":["a b"]`, "bad_pattern"},
		{`"serve","methods":["` + strings.Repeat("x", 129) + `"]`, "bad_pattern"},
		{`"serve","methods":[` + many + `]`, "bad_command"},
		{`"serve","methods":["resize"],"limit":-1`, "bad_command"},
		{fmt.Sprintf(`"serve","methods":["resize"],"limit":%d`, bounds.WorkerRequests+1), "bad_command"},
		{`"serve","methods":"resize"`, "bad_json"},
	} {
		if v := c.ask(`{"id":1,"cmd":` + x.command + `}`); code(v) != x.code {
			t.Errorf("%s: %v", x.command, v)
		}
	}
	if v := joinJSON(t, s, "/ws?token="+testToken(t, "bob", nil)).ask(`{"id":1,"cmd":"serve","methods":["resize"]}`); code(v) != "forbidden" {
		t.Errorf("without the claim: %v", v)
	}
	// A newer token may allow less.
	okOf(t, c.ask(`{"id":1,"cmd":"serve","methods":["thumb.*","resize"]}`))
	okOf(t, c.ask(`{"id":2,"cmd":"auth","token":"`+testToken(t, "ann", func(c *auth.Claims) { c.Serve = auth.Patterns{"thumb.*"} })+`"}`))
	if got := <-askNode(t.Context(), s, requestOf("resize")); got.code() != "unavailable" {
		t.Errorf("what is not allowed any more: %+v", got)
	}
	got := askNode(t.Context(), s, requestOf("thumb.1"))
	c.sendf(`{"cmd":"answer","request":%d,"data":1}`, c.given())
	if a := <-got; a.err != nil {
		t.Error(a.err)
	}
}

// TestLeastBusy: of two workers that take as many, each gets every second request; one that
// takes three times as many three times as many; what nobody is free for waits, and goes to
// whoever answers first.
func TestLeastBusy(t *testing.T) {
	t.Parallel()
	s := startServing(t, nil)
	small, large := serving(t, s, `"m"`, 1), serving(t, s, `"m"`, 3)
	var answers []<-chan asked
	for range 5 {
		answers = append(answers, askNode(t.Context(), s, requestOf("m")))
	}
	first := []int{small.given()}
	for range 3 {
		first = append(first, large.given())
	}
	if got := s.Node.Requests.Stats(); got.UnderWay != 4 || got.Waiting != 1 {
		t.Errorf("%d under way, %d wait", got.UnderWay, got.Waiting)
	}
	large.sendf(`{"cmd":"answer","request":%d,"data":1}`, first[2])
	fifth := large.given()
	small.sendf(`{"cmd":"answer","request":%d,"data":1}`, first[0])
	for _, n := range []int{first[1], first[3], fifth} {
		large.sendf(`{"cmd":"answer","request":%d,"data":1}`, n)
	}
	for _, a := range answers {
		if got := <-a; got.err != nil {
			t.Error(got.err)
		}
	}
	// The longest pattern decides, and a name before patterns.
	special, exact := serving(t, s, `"m.*"`, 1), serving(t, s, `"m.x"`, 1)
	askNode(t.Context(), s, requestOf("m.y"))
	special.given()
	askNode(t.Context(), s, requestOf("m.x"))
	exact.given()
}

func TestWorkerDies(t *testing.T) {
	t.Parallel()
	s := startServing(t, nil)
	dies := serving(t, s, `"m"`, 2)
	r := requestOf("m")
	plain := askNode(t.Context(), s, r)
	dies.given()
	r.Redeliver = true
	again := askNode(t.Context(), s, r)
	dies.given()
	waits := askNode(t.Context(), s, requestOf("m")) // no worker has it: it goes to another, whatever its asker says
	edgetest.WaitFor(t, "one to wait", func() bool { return s.Node.Requests.Stats().Waiting == 1 })
	heir := serving(t, s, `"m"`, 1)
	if v := heir.push("request"); v["again"] != nil {
		t.Errorf("a new one: %v", v)
	} else {
		heir.sendf(`{"cmd":"answer","request":%d,"data":3}`, int(v["request"].(float64)))
	}
	if got := <-waits; string(got.Data) != "3" {
		t.Errorf("%+v", got)
	}
	_ = dies.Conn.Close()
	if got := <-plain; got.code() != events.CodeBackend || got.err.Error() != "The worker that had the request is gone." {
		t.Errorf("the worker died with it: %+v", got)
	}
	if v := heir.push("request"); v["again"] != true {
		t.Errorf("redelivered: %v", v)
	}
	// The heir dies as well, and who comes then; after that nobody is given it.
	for range bounds.Redeliveries - 1 {
		next := serving(t, s, `"m"`, 1)
		_ = heir.Conn.Close()
		next.given()
		heir = next
	}
	spared := serving(t, s, `"m"`, 1)
	_ = heir.Conn.Close()
	if got := <-again; got.code() != events.CodeBackend {
		t.Errorf("of too many: %+v", got)
	}
	next := askNode(t.Context(), s, requestOf("m"))
	if v := spared.push("request"); v["again"] != nil {
		t.Errorf("it goes on killing workers: %v", v)
	}
	if len(next) != 0 {
		t.Errorf("answered %+v", <-next)
	}
}

func TestNoWorkerAnyMore(t *testing.T) {
	t.Parallel()
	s := startServing(t, nil)
	w := serving(t, s, `"m"`, 1)
	given := askNode(t.Context(), s, requestOf("m"))
	n := w.given()
	waits := askNode(t.Context(), s, requestOf("m"))
	// Who serves nothing more still answers.
	okOf(t, w.ask(`{"id":2,"cmd":"serve","methods":[]}`))
	if got := <-waits; got.code() != "unavailable" {
		t.Errorf("%+v", got)
	}
	w.sendf(`{"cmd":"answer","request":%d,"data":"done"}`, n)
	if got := <-given; string(got.Data) != `"done"` {
		t.Errorf("%+v", got)
	}
}

func TestAskerLeaves(t *testing.T) {
	t.Parallel()
	s := startServing(t, nil)
	w := serving(t, s, `"m"`, 1)
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	c.sendf(`{"id":1,"cmd":"request","method":"m"}`)
	n := w.given()
	c.sendf(`{"id":2,"cmd":"request","method":"m"}`)
	edgetest.WaitFor(t, "one to wait", func() bool { return s.Node.Requests.Stats().Waiting == 1 })
	_ = c.Conn.Close()
	if v := w.push("cancel"); v["request"] != float64(n) || v["reason"] != "gone" {
		t.Errorf("cancelled: %v", v)
	}
	edgetest.WaitFor(t, "nothing to be left", func() bool { return s.Node.Requests.Stats().Bytes == 0 })
	// It counts as under way until it is answered.
	next := askNode(t.Context(), s, requestOf("m"))
	if got := s.Node.Requests.Stats(); got.UnderWay != 1 || got.Waiting != 1 || got.Results["canceled"] != 2 {
		t.Errorf("%+v", got)
	}
	if v := w.ask(fmt.Sprintf(`{"id":3,"cmd":"answer","request":%d,"data":1}`, n)); code(v) != "too_late" {
		t.Errorf("late: %v", v)
	}
	w.sendf(`{"cmd":"answer","request":%d,"data":2}`, w.given())
	if got := <-next; string(got.Data) != "2" {
		t.Errorf("%+v", got)
	}
	if got := s.Node.Requests.Stats(); got.Dropped["late"] != 1 {
		t.Errorf("dropped %v", got.Dropped)
	}
}

func TestRequestDeadline(t *testing.T) {
	t.Parallel()
	s := startServing(t, nil)
	w := serving(t, s, `"m"`, 1)
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	c.sendf(`{"id":1,"cmd":"request","method":"m","timeout":50}`)
	n := w.given()
	if v := c.answer(1); code(v) != "timeout" {
		t.Errorf("%v", v)
	}
	if v := w.push("cancel"); v["request"] != float64(n) || v["reason"] != "timeout" {
		t.Errorf("%v", v)
	}
	if v := c.ask(`{"id":2,"cmd":"request","method":"m","timeout":-1}`); code(v) != "bad_command" {
		t.Errorf("%v", v)
	}
}

// TestLyingWorker: it answers what it was not asked, what another was, nonsense, and too much.
func TestLyingWorker(t *testing.T) {
	t.Parallel()
	s := startServing(t, nil)
	honest, liar := serving(t, s, `"good"`, 1), serving(t, s, `"bad"`, 4)
	good := askNode(t.Context(), s, requestOf("good"))
	n := honest.given()
	for _, other := range []int{n, n + 1, 0} {
		if v := liar.ask(fmt.Sprintf(`{"id":2,"cmd":"answer","request":%d,"data":"lie"}`, other)); code(v) != "not_asked" {
			t.Errorf("%d: %v", other, v)
		}
	}
	okOf(t, honest.ask(fmt.Sprintf(`{"id":2,"cmd":"answer","request":%d,"data":"truth"}`, n)))
	if got := <-good; string(got.Data) != `"truth"` {
		t.Errorf("%+v", got)
	}
	if v := honest.ask(fmt.Sprintf(`{"id":2,"cmd":"answer","request":%d,"data":"twice"}`, n)); code(v) != "not_asked" {
		t.Errorf("twice: %v", v)
	}
	for _, nonsense := range []string{`"data":1,"error":{"code":"x","message":""}`, `"kind":"x"`, `"error":{"code":"No Code","message":""}`} {
		bad := askNode(t.Context(), s, requestOf("bad"))
		if v := liar.ask(fmt.Sprintf(`{"id":3,"cmd":"answer","request":%d,%s}`, liar.given(), nonsense)); code(v) != "bad_command" {
			t.Errorf("%s: %v", nonsense, v)
		}
		if got := <-bad; got.code() != events.CodeBadReply {
			t.Errorf("%s: %+v", nonsense, got)
		}
	}
	for _, unreadable := range []string{
		`{"id":3,"cmd":"answer","request":%d,"error":"x"}`, `{"id":3,"cmd":"answer","request":%d,"error":{"code":7}}`,
		`{"id":3,"cmd":"answer","request":%d,"base64":"%%"}`, `{"room":7,"id":3,"cmd":"answer","request":%d,"data":1}`,
		`{"id":3,"cmd":"answer","request":%d,"data":NaN}`,
	} {
		bad := askNode(t.Context(), s, requestOf("bad"))
		if v := liar.ask(fmt.Sprintf(unreadable, liar.given())); code(v) != "bad_json" {
			t.Errorf("%s: %v", unreadable, v)
		}
		if got := <-bad; got.code() != events.CodeBadReply {
			t.Errorf("%s: %+v", unreadable, got)
		}
	}
	binary := askNode(t.Context(), s, requestOf("bad"))
	liar.Send(frame.Binary, fmt.Sprintf(`{"id":3,"cmd":"answer","request":%d,"data":1}`, liar.given()))
	if got := <-binary; got.code() != events.CodeBadReply {
		t.Errorf("binary: %+v", got)
	}
	if v := liar.answer(3); code(v) != "bad_json" {
		t.Errorf("binary: %v", v)
	}
	huge := askNode(t.Context(), s, requestOf("bad"))
	liar.sendf(`{"cmd":"answer","request":%d,"data":"%s"}`, liar.given(), strings.Repeat("x", 64<<10))
	if got := <-huge; got.code() != events.CodeBackend {
		t.Errorf("huge: %+v", got)
	}
	if got := s.Node.Requests.Stats(); got.Dropped["unasked"] != 4 || got.Workers != 1 {
		t.Errorf("%+v", got)
	}
	if v := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil)).ask(`{"id":1,"cmd":"answer","request":1,"data":1}`); code(v) != "bad_command" {
		t.Errorf("of no worker: %v", v)
	}
}

// TestAnswersCostNoCommands: a worker may answer all that it is asked, whatever the rate of
// its commands.
func TestAnswersCostNoCommands(t *testing.T) {
	t.Parallel()
	s := startServing(t, func(c *edge.Config) { c.PublishRate, c.PublishBurst = 1, 1 })
	w := serving(t, s, `"m"`, 8)
	n := bounds.FloodFactor*(bounds.CommandBurst+1) + bounds.CommandBurst + 10
	var answers []<-chan asked
	for range n {
		answers = append(answers, askNode(t.Context(), s, requestOf("m")))
	}
	for range n {
		w.sendf(`{"cmd":"answer","request":%d,"data":1}`, w.given())
	}
	for _, a := range answers {
		if got := <-a; got.err != nil {
			t.Fatal(got.err)
		}
	}
}

// TestWorkerThatReadsLate gets all that it was given once it reads, and is not closed for
// what it had left unread.
func TestWorkerThatReadsLate(t *testing.T) {
	t.Parallel()
	s := startServing(t, func(c *edge.Config) { c.SendBuffer = 64 << 10 })
	w := serving(t, s, `"m"`, bounds.WorkerRequests)
	r := requestOf("m")
	r.Data = []byte(`"` + strings.Repeat("x", 60<<10) + `"`)
	var answers []<-chan asked
	for range 200 {
		answers = append(answers, askNode(t.Context(), s, r))
	}
	if got := s.Node.Requests.Stats(); got.UnderWay != len(answers) {
		t.Fatalf("%d under way", got.UnderWay)
	}
	for range answers {
		w.sendf(`{"cmd":"answer","request":%d,"data":1}`, w.given())
	}
	for _, a := range answers {
		if got := <-a; got.err != nil {
			t.Fatal(got.err)
		}
	}
}

// TestWorkersAtTheEnd: when the node stops, workers are told, given nothing any more, and
// closed once they have answered.
func TestWorkersAtTheEnd(t *testing.T) {
	t.Parallel()
	s := startServing(t, nil)
	busy, idle := serving(t, s, `"m"`, 4), serving(t, s, `"other"`, 4)
	answer := askNode(t.Context(), s, requestOf("m"))
	n := busy.given()
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(context.Background(), time.Hour) }()
	if v := idle.push("bye"); v["code"] != 1001.0 || v["reconnect"] != true {
		t.Errorf("%v", v)
	}
	idle.WantClose(1001)
	busy.push("bye")
	if got := <-askNode(t.Context(), s, requestOf("m")); got.code() != "unavailable" {
		t.Errorf("%+v", got)
	}
	if v := busy.ask(`{"id":2,"cmd":"serve","methods":["m"]}`); code(v) != "unavailable" {
		t.Errorf("%v", v)
	}
	busy.sendf(`{"cmd":"answer","request":%d,"data":"last"}`, n)
	if got := <-answer; string(got.Data) != `"last"` {
		t.Errorf("%+v", got)
	}
	busy.WantClose(1001)
	edgetest.Must(t, <-drained)
}

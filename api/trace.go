// Traces: what single connections do, as it happens.

package api

import (
	"context"
	"net/http"
	"time"

	"barrage/internal/bounds"
)

const (
	defaultTraceTime  = time.Minute
	defaultTraceBytes = 8 << 20
	minTraceBytes     = 4 << 10

	// traceStall is for how long a reader may take nothing.
	traceStall = 30 * time.Second
)

// trace handles GET /v1/trace, with lines of JSON.
func (a *API) trace(x *exchange, r *http.Request) error {
	t, err := readTrace(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		traceHeaders(x)
		return nil
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.stopping, cancel)()
	c := http.NewResponseController(x)
	_ = c.SetReadDeadline(time.Time{}) // an error would say that there is none to be lifted
	err = a.server.Trace(ctx, t, func(lines []byte) error {
		if x.status == 0 {
			traceHeaders(x)
		}
		_ = c.SetWriteDeadline(time.Now().Add(traceStall)) // likewise
		if _, err := x.Write(lines); err != nil {
			return err
		}
		return c.Flush()
	})
	if x.status != 0 {
		return nil // the answer has begun, and ends here
	}
	return err
}

func traceHeaders(x *exchange) {
	h := x.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	x.WriteHeader(http.StatusOK)
}

func readTrace(r *http.Request) (t Trace, err error) {
	q := readParams(r)
	t = Trace{User: q.user(), Network: q.network(), Payloads: q.flag("payloads", "", false)}
	t.Conn = q.name("conn", checkConn)
	n := 0
	for _, given := range []bool{t.User != "", t.Conn != "", t.Network.IsValid()} {
		if given {
			n++
		}
	}
	if n != 1 {
		q.fail("trace", "one of user, conn and address must say which connections are meant, and only one")
	}
	t.For, err = duration("for", q.value("for", ""), bounds.TraceTime)
	q.check(err)
	if t.For == 0 {
		t.For = defaultTraceTime
	}
	t.Bytes = q.number("bytes", defaultTraceBytes, minTraceBytes, bounds.TraceBytes)
	return t, q.err
}

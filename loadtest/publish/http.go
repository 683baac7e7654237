// Publishing over HTTP. Only this file knows net/http.

package publish

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"barrage/internal/outbound"
	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
)

// maxAnswer is how much of an answer is read, so that its connection can be used
// again.
const maxAnswer = 64 << 10

// httpError is an answer that is not 2xx.
type httpError struct {
	code int
	body string // its beginning
}

func (e *httpError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("HTTP %d %s", e.code, http.StatusText(e.code)))
}

// httpSender sends one request after another.
type httpSender struct {
	composer
	transport *http.Transport
	header    http.Header // never changed
}

func newHTTPSender(c composer) (*httpSender, error) {
	header, err := publishHeader(c.plan)
	return &httpSender{composer: c, header: header, transport: &http.Transport{
		// No proxy: the target's own answer is wanted. HTTP/1.1, and a
		// connection for each sender, so that none waits for another.
		DialContext:         (&net.Dialer{Timeout: c.timeout}).DialContext,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConnsPerHost: 1,
		DisableCompression:  true,
	}}, err
}

// publishHeader is the header of all requests.
func publishHeader(p *plan.Plan) (http.Header, error) {
	header := http.Header{"User-Agent": {"barrage-loadtest"}}
	u, err := url.Parse(p.PublishTarget("room"))
	if err != nil {
		return nil, errors.New("publish: the address is not a URL") // it may have a password in it
	}
	if u.User != nil {
		password, _ := u.User.Password()
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	own := make(http.Header)
	for _, h := range p.PublishHeaders {
		name, value, _ := strings.Cut(h, ":")
		own.Add(name, strings.TrimSpace(value))
	}
	for name, values := range own {
		header[name] = values
	}
	return header, nil
}

func (s *httpSender) burst() int { return 1 }

func (s *httpSender) where(room int) string {
	return s.plan.PublishMethod + " " + outbound.Redacted(s.plan.PublishTarget(s.layout.RoomName(room)))
}

func (s *httpSender) send(ctx context.Context, run stamp.Run, batch []message) {
	for i := range batch {
		batch[i].err = s.request(ctx, run, &batch[i])
	}
}

func (s *httpSender) request(ctx context.Context, run stamp.Run, m *message) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimeout)
	defer cancel()
	room, body := s.compose(run, m)
	req, err := http.NewRequestWithContext(ctx, s.plan.PublishMethod, s.plan.PublishTarget(room), bytes.NewReader(body))
	if err != nil {
		return errors.New("publish: the address is not a URL")
	}
	req.Header = s.header
	// Not a Client's Do, which would follow a redirect with another message.
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // the status decides
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return &httpError{resp.StatusCode, string(answer[:min(len(answer), 200)])}
	}
	return nil
}

func (s *httpSender) close() { s.transport.CloseIdleConnections() }

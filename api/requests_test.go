// Requests that somebody else answers.

package api

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestAsk(t *testing.T) {
	s := &memServer{}
	a := newAPI(t, Config{MaxBody: 100}, s)
	answered(t, request(t, a, "POST", "/v1/requests/sum.all?timeout=2s&room=a&user=ann&redeliver=true", ` [1, 2] `), 200, `{"data":[1,2]}`)
	answered(t, request(t, a, "POST", "/v1/requests/%E7%9B%B4", ""), 200, `{"data":null}`)
	answered(t, request(t, a, "POST", "/v1/requests/refuse", "1"), 200, `{"error":{"code":"sold_out","message":"Nothing is left."}}`)
	answered(t, request(t, a, "POST", "/v1/requests/m", "1", "Content-Type", "text/plain"), 415, "unsupported_media_type")
	answered(t, request(t, a, "POST", "/v1/requests/m", "{"), 400, "invalid_json")
	answered(t, request(t, a, "POST", "/v1/requests/m?room=a*", "1"), 400, "bad_room")
	answered(t, request(t, a, "GET", "/v1/requests/m", ""), 405, "method_not_allowed")
	want := []string{
		"request sum.all room=a user=ann timeout=2s redeliver=true data=[1,2]",
		"request 直 room= user= timeout=50s redeliver=false data=",
		"request refuse room= user= timeout=50s redeliver=false data=1",
	}
	if got := s.noted(); !slices.Equal(got, want) {
		t.Errorf("asked %q", got)
	}
}

// TestZero: no time is no duration, whatever is asked for; what is not given has its default.
func TestZero(t *testing.T) {
	s := &memServer{}
	a := newAPI(t, Config{}, s)
	for _, x := range []struct{ path, body, code string }{
		{"/v1/requests/m?timeout=0", "1", "invalid_timeout"},
		{"/v1/requests/m?timeout=0s", "1", "invalid_timeout"},
		{"/v1/rooms/r/messages?ttl=0", "hi", "invalid_ttl"},
		{"/v1/rooms/messages", `[{"room":"r","text":"hi","ttl":"0s"}]`, "invalid_ttl"},
		{"/v1/rooms/r/kick", `{"user":"7","for":"0s"}`, "invalid_for"},
		{"/v1/users/7/disconnect", `{"for":"0s"}`, "invalid_for"},
		{"/v1/bans", `{"address":"192.0.2.7","for":"0s"}`, "invalid_for"},
	} {
		w := request(t, a, "POST", x.path, x.body)
		if !strings.Contains(w.Body.String(), x.code) || !strings.Contains(w.Body.String(), "above 0 and up to") {
			t.Errorf("%s %s: %d %s", x.path, x.body, w.Code, w.Body)
		}
	}
	answered(t, request(t, a, "GET", "/v1/trace?user=7&for=0", ""), 400, "invalid_for")
	if got := s.noted(); len(got) > 0 {
		t.Errorf("done all the same: %q", got)
	}
}

// holdingServer answers no request before its asker leaves.
type holdingServer struct {
	memServer
	asked chan struct{}
}

func (s *holdingServer) Request(ctx context.Context, _ Request) (Answer, error) {
	s.asked <- struct{}{}
	<-ctx.Done()
	return Answer{}, coded(503, "canceled", "too late", 0)
}

// TestAskBounds: requests that wait take half of the listener's connections at most, and are
// cancelled when their askers leave.
func TestAskBounds(t *testing.T) {
	s := &holdingServer{asked: make(chan struct{})}
	a := newAPI(t, Config{MaxConnections: 4}, s)
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan int)
	for range 2 {
		go func() {
			w := httptest.NewRecorder()
			a.ServeHTTP(w, newRequest("POST", "/v1/requests/m", "").WithContext(ctx))
			ended <- w.Body.Len()
		}()
		<-s.asked
	}
	answered(t, request(t, a, "POST", "/v1/requests/m", ""), 503, "overloaded")
	leave()
	for range 2 {
		if n := <-ended; n != 0 {
			t.Errorf("%d bytes for who has left", n)
		}
	}
	if len(a.asking) != 0 {
		t.Errorf("%d wait", len(a.asking))
	}
}

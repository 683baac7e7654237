// Requests that somebody else answers.

package api

import (
	"context"
	"net/http/httptest"
	"slices"
	"testing"
)

func TestAsk(t *testing.T) {
	s := &memServer{}
	a := newAPI(t, Config{MaxBody: 100}, s)
	answered(t, request(t, a, "POST", "/v1/requests/sum.all?timeout=2s&room=a&user=ann&redeliver=true", ` [1, 2] `), 200, `{"data":[1,2]}`)
	answered(t, request(t, a, "POST", "/v1/requests/sum?timeout=0", ""), 200, `{"data":null}`)
	answered(t, request(t, a, "POST", "/v1/requests/%E7%9B%B4", ""), 200, `{"data":null}`)
	answered(t, request(t, a, "POST", "/v1/requests/refuse", "1"), 200, `{"error":{"code":"sold_out","message":"Nothing is left."}}`)
	answered(t, request(t, a, "POST", "/v1/requests/m", "1", "Content-Type", "text/plain"), 415, "unsupported_media_type")
	answered(t, request(t, a, "POST", "/v1/requests/m", "{"), 400, "invalid_json")
	answered(t, request(t, a, "POST", "/v1/requests/m?room=a*", "1"), 400, "bad_room")
	answered(t, request(t, a, "GET", "/v1/requests/m", ""), 405, "method_not_allowed")
	want := []string{
		"request sum.all room=a user=ann timeout=2s redeliver=true data=[1,2]",
		"request sum room= user= timeout=50s redeliver=false data=",
		"request 直 room= user= timeout=50s redeliver=false data=",
		"request refuse room= user= timeout=50s redeliver=false data=1",
	}
	if got := s.noted(); !slices.Equal(got, want) {
		t.Errorf("asked %q", got)
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

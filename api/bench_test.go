// The speed of publishing, and what it allocates.

package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"slices"
	"testing"

	"barrage/internal/broker"
)

// countServer does nothing, so that what is measured is the API's own work.
type countServer struct{ memServer }

func (s *countServer) Publish(context.Context, *broker.Publication) (broker.Receipt, error) {
	return broker.Receipt{ID: "0123456789abcdef", Position: broker.Position{Offset: 42}, Members: 10000}, nil
}

// discard is a response that keeps nothing but its length.
type discard struct {
	header  http.Header
	written int
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Write(b []byte) (int, error) {
	d.written += len(b)
	return len(b), nil
}

// replay is a request body that can be read again.
type replay struct{ *bytes.Reader }

func (replay) Close() error { return nil }

func publishRequest(size int) (*http.Request, func()) {
	body := replay{bytes.NewReader(bytes.Repeat([]byte("x"), size))}
	r := httptest.NewRequest("POST", "/v1/rooms/lobby/messages", nil)
	r.Host = "127.0.0.1:8081"
	r.Body, r.ContentLength = body, int64(size)
	return r, func() { _, _ = body.Seek(0, io.SeekStart) }
}

func TestPublishAllocates(t *testing.T) {
	a := newAPI(t, Config{Tokens: []string{"s3cret"}}, &countServer{})
	r, rewind := publishRequest(100)
	r.Header.Set("Authorization", "Bearer s3cret")
	r.Header.Set("Barrage-Sender", "7")
	r.Header.Set("Barrage-Kind", "gift")
	r.Header.Set(keyHeader, "0123456789abcdef")
	w := &discard{header: http.Header{}}
	got := testing.AllocsPerRun(1000, func() {
		rewind()
		a.ServeHTTP(w, r)
	})
	if raceDetector() {
		t.Skipf("%v allocations a publish; under the race detector pools drop on purpose", got)
	}
	if got > 0 {
		t.Errorf("%v allocations a publish, want 0 beside net/http's own", got)
	}
}

func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// BenchmarkPublish without a socket: the handler's own cost.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{64, 4096} {
		b.Run(fmt.Sprintf("msg=%dB", size), func(b *testing.B) {
			a := newAPI(b, Config{}, &countServer{})
			r, rewind := publishRequest(size)
			w := &discard{header: http.Header{}}
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				rewind()
				a.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkPublishSocket goes over one kept-alive connection, client included.
func BenchmarkPublishSocket(b *testing.B) {
	a := newAPI(b, Config{}, &countServer{})
	url := serve(b, a) + "/v1/rooms/lobby/messages"
	payload := bytes.Repeat([]byte("x"), 64)
	b.ReportAllocs()
	for b.Loop() {
		w, err := http.Post(url, "text/plain", bytes.NewReader(payload))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, w.Body); err != nil || w.StatusCode != 200 {
			b.Fatal(w.StatusCode, err)
		}
		w.Body.Close()
	}
}

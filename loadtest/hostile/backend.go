// The backend: it answers requests of clients, and speaks to the server as back ends do.

package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Routes that the backend answers, for barrage serve --request-routes. About rooms whose names
// begin with the slow one it is asked by a hook.
const (
	quickMethod = "quick"
	slowMethod  = "slow"
)

// slowAnswer is what an answer takes that attackers ask for.
const slowAnswer = 3 * time.Second

// Backend is an HTTP server, and a client of the admin address. Any goroutine.
type Backend struct {
	server *http.Server
	at     string
	client *http.Client
	admin  string // address; set before the attack is prepared
}

// NewBackend starts one.
func NewBackend() (*Backend, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("hostile: a backend: %w", err)
	}
	b := &Backend{at: "http://" + l.Addr().String(), client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}}
	b.server = &http.Server{Handler: http.HandlerFunc(b.answer), ReadHeaderTimeout: dialWithin}
	go func() { // ends with Close
		_ = b.server.Serve(l)
	}()
	return b, nil
}

// Flags are those of the server whose backend it is.
func (b *Backend) Flags() []string {
	return []string{
		fmt.Sprintf("--request-routes=%s=%s/%[1]s,%[3]s=%[2]s/%[3]s", quickMethod, b.at, slowMethod),
		fmt.Sprintf("--join-hooks=%s:*=%s/%[1]s", slowMethod, b.at),
	}
}

func (b *Backend) answer(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/"+slowMethod {
		pause(r.Context(), slowAnswer)
	}
	_, _ = io.WriteString(w, `{"data":true}`) // who asked may be gone
}

// Close ends it.
func (b *Backend) Close() {
	_ = b.server.Close()
	b.client.CloseIdleConnections()
}

// published is the answer to a publish.
type published struct {
	Epoch    string
	Offset   uint64
	replayed bool
}

// post publishes to a path of the API.
func (b *Backend) post(ctx context.Context, path, key, contentType, body string) (p published, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.admin+path, strings.NewReader(body))
	if err != nil {
		return p, err
	}
	r.Header.Set("Content-Type", contentType)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w, err := b.client.Do(r)
	if err != nil {
		return p, err
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err == nil && w.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", w.Status, text)
	}
	if err != nil {
		return p, err
	}
	p.replayed = w.Header.Get("Idempotent-Replayed") != ""
	return p, json.Unmarshal(text, &p) // of a batch there is nothing to know
}

// say publishes a text to a room.
func (b *Backend) say(ctx context.Context, room, text string) error {
	_, err := b.post(ctx, "/v1/rooms/"+room+"/messages", "", "text/plain", text)
	return err
}

// fill has a room remember n messages of so many bytes.
func (b *Backend) fill(ctx context.Context, room string, n, size int) error {
	const atOnce = 2 << 20 // bytes of a batch
	for from := 0; from < n; {
		var items []string
		for bytes := 0; from < n && bytes < atOnce; from++ {
			items = append(items, fmt.Sprintf(`{"room":%q,"data":"%0*d"}`, room, size, from))
			bytes += size
		}
		if _, err := b.post(ctx, "/v1/rooms/messages", "", "application/json", "["+strings.Join(items, ",")+"]"); err != nil {
			return fmt.Errorf("hostile: filling %s: %w", room, err)
		}
	}
	return nil
}

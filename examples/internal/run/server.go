// The server as the program behind it sees it: where it is, and what they share.

package run

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Server is the running server. All of it may be used by any goroutine.
type Server struct {
	Page, Public, Admin string // http://HOST:PORT
	ports               ports
	webhook, auth       string // secrets; auth is "" where there are no tokens
}

func newServer(p ports, tokens bool) (*Server, error) {
	s := &Server{Page: "http://" + p.page, Public: "http://" + p.public, Admin: "http://" + p.admin, ports: p, webhook: rand.Text() + rand.Text()}
	if tokens {
		s.auth = rand.Text() + rand.Text()
	}
	return s, nil
}

// secrets is how the server learns them: not by its configuration, which others may read.
func (s *Server) secrets() []string {
	environ := []string{"BARRAGE_WEBHOOK_SECRET=" + s.webhook}
	if s.auth != "" {
		environ = append(environ, "BARRAGE_AUTH_SECRET="+s.auth)
	}
	return environ
}

// Token says who somebody is, and what they may, for a day.
func (s *Server) Token(claims map[string]any) string {
	all := jwt.MapClaims{"exp": time.Now().Add(24 * time.Hour).Unix()}
	for name, value := range claims {
		all[name] = value
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(s.auth))
	if err != nil {
		panic(err) // only a key of the wrong type fails, and ours is bytes
	}
	return token
}

// Who is whose token a page's request to its own program has.
func (s *Server) Who(r *http.Request) (user string, err error) {
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	token, err := jwt.Parse(bearer, func(*jwt.Token) (any, error) { return []byte(s.auth), nil }, jwt.WithValidMethods([]string{"HS256"}))
	if err != nil {
		return "", err
	}
	return token.Claims.GetSubject()
}

// Post asks the admin address for something, /v1/rooms/lobby/messages say, and reads the
// answer into out, if there is one.
func (s *Server) Post(ctx context.Context, path string, body, out any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Admin+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	return do(request, out)
}

// Get reads something from the admin address.
func (s *Server) Get(ctx context.Context, path string, out any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Admin+path, nil)
	if err != nil {
		return err
	}
	return do(request, out)
}

func do(request *http.Request, out any) error {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s answered %s: %s", request.URL.Path, response.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// Signed reads what the server has sent, an event or a question, into out, and fails if it
// is not from this server. It is what docs/webhooks.md says.
func (s *Server) Signed(r *http.Request, out any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return err
	}
	var stamp string
	var signatures []string
	for part := range strings.SplitSeq(r.Header.Get("Barrage-Signature"), ",") {
		switch name, value, _ := strings.Cut(part, "="); name {
		case "t":
			stamp = value
		case "v1":
			signatures = append(signatures, value)
		}
	}
	sent, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || time.Since(time.Unix(sent, 0)).Abs() > 5*time.Minute {
		return errors.New("a signature that is old, or none")
	}
	mac := hmac.New(sha256.New, []byte(s.webhook))
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	want := hex.EncodeToString(mac.Sum(nil))
	for _, got := range signatures {
		if hmac.Equal([]byte(got), []byte(want)) {
			return json.Unmarshal(body, out)
		}
	}
	return errors.New("the signature is wrong")
}

// Reply answers a page, or the server, with JSON.
func Reply(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

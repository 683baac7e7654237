// Package client is the admin API as commands use it. Its errors are for people at a shell,
// and say what to do.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

const (
	timeout   = 10 * time.Second
	maxAnswer = 64 << 10 // bytes of an answer that are read
)

// Client speaks to one server. Any goroutine may use it.
type Client struct {
	Addr  string // of the admin listener, as it is set; without a host it is reached over loopback
	Token string // empty where the server wants none
}

// Message is what is published.
type Message struct {
	Room   string
	Body   io.Reader
	Binary bool   // else text, which must be UTF-8
	Key    string // makes publishing the same message again harmless; empty: none
}

// Publish sends a message to a room and returns the server's answer, in JSON.
func (c *Client) Publish(ctx context.Context, m Message) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url("/v1/rooms/"+url.PathEscape(m.Room)+"/messages"), m.Body)
	if err != nil {
		return nil, errors.New("publish: --admin is not host:port")
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	if m.Binary {
		r.Header.Set("Content-Type", "application/octet-stream")
	}
	if m.Key != "" {
		r.Header.Set("Idempotency-Key", m.Key)
	}
	answer, err := c.do("publish", r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("publish: reading the answer of %s: %w", c.Addr, err)
	}
	return body, nil
}

// Trace asks for a trace, and returns its lines as they come. They are to be closed.
func (c *Client) Trace(ctx context.Context, query url.Values) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url("/v1/trace?"+query.Encode()), nil)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	answer, err := c.do("trace", r)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

func (c *Client) url(path string) string { return "http://" + dialable(c.Addr) + path }

// do returns an answer of 200. command is who asks.
func (c *Client) do(command string, r *http.Request) (*http.Response, error) {
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	// No proxy: the admin listener is near, and the token is for it alone.
	h := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := h.Do(r)
	if err != nil {
		return nil, c.explain(command, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s: reading the answer of %s: %w", command, c.Addr, err)
	}
	return nil, c.refused(command, answer.StatusCode, body)
}

// explain says what to do about a server that cannot be reached.
func (c *Client) explain(command string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL, which the message names better
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: nothing listens on %s: start \"barrage serve\", or name its admin address with --admin", command, c.Addr)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %s did not answer within %v", command, c.Addr, timeout)
	}
	return fmt.Errorf("%s: %s: %w", command, c.Addr, err)
}

// refused reports an answer other than 200.
func (c *Client) refused(command string, status int, body []byte) error {
	var answer struct {
		Error struct{ Code, Message string }
	}
	switch err := json.Unmarshal(body, &answer); {
	case err != nil || answer.Error.Code == "":
		return fmt.Errorf("%s: %s answered %d, not as a Barrage admin listener does: is --admin right?", command, c.Addr, status)
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%s: %s wants its token: give --token or BARRAGE_ADMIN_TOKEN (%d %s)", command, c.Addr, status, answer.Error.Code)
	}
	return fmt.Errorf("%s: %d %s: %s", command, status, answer.Error.Code, answer.Error.Message)
}

// dialable is an address to reach a server that listens on addr from its own
// machine.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	switch ip := net.ParseIP(host); {
	case host == "", ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

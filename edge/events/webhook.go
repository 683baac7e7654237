// The sink that posts events to a URL.

package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"barrage/internal/outbound"
)

const (
	// maxWebhookAnswer is how much of an answer is read, for the log and so that
	// the connection can be used again.
	maxWebhookAnswer = 4 << 10
	// maxQuote is how much of it the log gets.
	maxQuote = 200
	// maxAsked is the longest wait that an answer is believed to ask for;
	// Config.MaxRetryAfter is the bound that counts.
	maxAsked = 24 * time.Hour
	// webhookIdle connections stay open: one for each of a good many outlets.
	webhookIdle = 16
)

// WebhookConfig is what NewWebhook needs.
type WebhookConfig struct {
	URL  string // http or https
	HTTP        // Timeout: default 10s
}

// Webhook is a Sink: see the package comment for what it sends.
type Webhook struct {
	url    string
	client *Client
}

// NewWebhook returns a sink that posts to a URL.
func NewWebhook(cfg WebhookConfig) (*Webhook, error) {
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	err := cfg.HTTP.Check("webhook: ")
	if urlErr := CheckURL(cfg.URL); urlErr != nil {
		err = errors.Join(err, fmt.Errorf("events: webhook: URL: %w", urlErr))
	}
	if err != nil {
		return nil, err
	}
	return &Webhook{url: cfg.URL, client: NewClient(cfg.HTTP, webhookIdle)}, nil
}

// Send posts batch.
func (w *Webhook) Send(ctx context.Context, batch []Record) error {
	ctx, cancel := context.WithTimeout(ctx, w.client.timeout)
	defer cancel()
	resp, err := w.client.Post(ctx, w.url, webhookBody(batch), true)
	if err != nil {
		return fmt.Errorf("events: webhook %s: %w", outbound.Redacted(w.url), outbound.Cause(err))
	}
	defer resp.Body.Close()
	// The status says it all. An answer that breaks off is no reason to send the
	// batch again.
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxWebhookAnswer))
	return w.judge(resp, text)
}

// judge says what a status means for the batch.
func (w *Webhook) judge(resp *http.Response, text []byte) error {
	code := resp.StatusCode
	if code/100 == 2 {
		return nil
	}
	again := code == http.StatusRequestTimeout || code == http.StatusTooManyRequests || code >= 500
	f := &Failure{
		Err:       fmt.Errorf("events: webhook %s: the backend answered %d: %.*q", outbound.Redacted(w.url), code, maxQuote, text),
		Permanent: !again,
	}
	if again {
		f.After = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	return f
}

// Close closes idle connections.
func (w *Webhook) Close() { w.client.Close() }

func webhookBody(batch []Record) []byte {
	const begin, end = `{"events":[`, `]}`
	n := len(begin) + len(end)
	for _, r := range batch {
		n += len(r.JSON) + 1
	}
	body := append(make([]byte, 0, n), begin...)
	for i, r := range batch {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, r.JSON...)
	}
	return append(body, end...)
}

// retryAfter reads the header of RFC 9110, section 10.2.3: seconds or a date. What
// is neither, or over, asks for nothing.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxAsked)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxAsked)
	}
	return 0
}

package main

// This file makes what serve needs to deal with other programs of its settings:
// rules of histories, verifier of tokens, webhooks, requests.

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/edge/auth"
	"barrage/edge/events"
	"barrage/internal/broker"
)

const (
	minWebhookSecret  = 16
	maxWebhookSecrets = 4
	webhookClose      = 5 * time.Second // for what is queued, at a stop
)

// historyRules reads the setting history.
func historyRules(list []string) (broker.Rules, error) {
	rules := make(broker.Rules, 0, len(list))
	for _, item := range list {
		i := strings.LastIndexByte(item, '=')
		if i < 1 {
			return nil, fmt.Errorf("%q is not pattern=messages/age, such as *=100/10m", item)
		}
		count, age, _ := strings.Cut(item[i+1:], "/")
		n, err := strconv.Atoi(count)
		if err != nil || n < 0 || n > broker.MaxRetained {
			return nil, fmt.Errorf("%q: messages must be 0 to %d", item, broker.MaxRetained)
		}
		d, err := time.ParseDuration(age)
		if age == "0" {
			d, err = 0, nil
		}
		if err != nil || d < 0 || d > broker.MaxRetentionAge {
			return nil, fmt.Errorf("%q: age must be 0 to %s", item, formatDuration(broker.MaxRetentionAge))
		}
		rules = append(rules, broker.Rule{Pattern: item[:i], Retention: broker.Retention{Messages: n, Age: d}})
	}
	return rules, nil
}

// newVerifier returns nil where no key is configured.
func newVerifier(c *Config, log *slog.Logger) (*auth.Verifier, error) {
	if len(c.AuthSecrets) == 0 && c.AuthPublicKeys == "" && c.AuthJWKS == "" {
		return nil, nil
	}
	ac := auth.Config{JWKSURL: c.AuthJWKS, Algorithms: c.AuthAlgorithms, Audience: c.AuthAudience, Issuer: c.AuthIssuer, Logger: log}
	for _, secret := range c.AuthSecrets {
		ac.Secrets = append(ac.Secrets, []byte(secret))
	}
	if c.AuthPublicKeys != "" {
		keys, err := os.ReadFile(c.AuthPublicKeys)
		if err != nil {
			return nil, fmt.Errorf("auth_public_keys: %w", err)
		}
		ac.PublicKeys = keys
	}
	v, err := auth.New(ac)
	if err != nil {
		return nil, fmt.Errorf("auth_secret, auth_public_keys, auth_jwks: %w", err)
	}
	return v, nil
}

// backends is what a node has of other programs. Fields are nil where nothing is
// configured.
type backends struct {
	verifier *auth.Verifier
	emitter  *events.Emitter
	caller   *events.Caller
}

// newBackends uses client, nil where no Redis is set, until close.
func newBackends(c *Config, node string, client redis.UniversalClient, log *slog.Logger) (b backends, err error) {
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.verifier, err = newVerifier(c, log); err != nil {
		return b, err
	}
	sink, err := newSink(c, client)
	if err != nil {
		return b, err
	}
	if sink != nil {
		var types []events.Type
		for _, t := range c.EventTypes {
			types = append(types, events.Type(t))
		}
		if b.emitter, err = events.New(events.Config{Sink: sink, Node: node, Types: types, Rooms: c.EventRooms, Logger: log}); err != nil {
			sink.Close()
			return b, fmt.Errorf("event_types, event_rooms: %w", err)
		}
	}
	if len(c.RequestRoutes) > 0 {
		var routes []events.Route
		for method, url := range c.RequestRoutes {
			routes = append(routes, events.Route{Method: method, URL: url})
		}
		slices.SortFunc(routes, func(a, b events.Route) int { // the most special first
			return cmp.Or(len(b.Method)-len(a.Method), strings.Compare(a.Method, b.Method))
		})
		b.caller, err = events.NewCaller(events.CallerConfig{Routes: routes, HTTP: events.HTTP{Secrets: c.WebhookSecrets, Timeout: c.RequestTimeout}})
		if err != nil {
			return b, fmt.Errorf("request_routes: %w", err)
		}
	}
	return b, nil
}

// newSink is where events go; nil if nowhere.
func newSink(c *Config, client redis.UniversalClient) (events.Sink, error) {
	switch {
	case c.WebhookURL != "":
		sink, err := events.NewWebhook(events.WebhookConfig{URL: c.WebhookURL, HTTP: events.HTTP{Secrets: c.WebhookSecrets}})
		if err != nil {
			return nil, fmt.Errorf("webhook_url: %w", err)
		}
		return sink, nil
	case c.EventStream != "":
		sink, err := events.NewStream(events.StreamConfig{Key: c.EventStream, Add: addTo(client)})
		if err != nil {
			return nil, fmt.Errorf("event_stream: %w", err)
		}
		return sink, nil
	}
	return nil, nil
}

// addTo adds entries to a stream in one step.
func addTo(client redis.UniversalClient) events.AddFunc {
	return func(ctx context.Context, key string, maxLen int64, entries [][]string) error {
		_, err := client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			for _, e := range entries {
				p.XAdd(ctx, &redis.XAddArgs{Stream: key, MaxLen: maxLen, Approx: true, Values: e})
			}
			return nil
		})
		return err
	}
}

func (b *backends) close() {
	if b.emitter != nil {
		ctx, cancel := context.WithTimeout(context.Background(), webhookClose)
		defer cancel()
		_ = b.emitter.Close(ctx) // what could not be told is in its counters
	}
	if b.caller != nil {
		b.caller.Close()
	}
	if b.verifier != nil {
		b.verifier.Close()
	}
}
